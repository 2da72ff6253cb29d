# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the checks of an installed nsresource share, on top of tests/vm/lib.sh.

# shellcheck source=tests/vm/lib.sh
. /check/lib.sh

# shellcheck disable=SC2034
SOCKET=/run/systemd/io.systemd.NamespaceResource
# shellcheck disable=SC2034
PROVIDER=/run/systemd/userdb/io.systemd.NamespaceResource
UNITS=(nsresourced.socket nsresourced.service nsresource-userdbd.socket nsresource-userdbd.service)

# configure LINE...: a drop-in for nsresourced.conf, wherever this build looks for it.
configure() {
        local conf
        conf=$(find /etc /usr/local/etc -name nsresourced.conf -path '*/nsresource/*' 2>/dev/null | head -n 1)
        mkdir -p "$conf.d"
        printf '%s\n' "$@" >"$conf.d/check.conf"
}

# drop_in UNIT LINE...: settings of the service manager for a unit.
drop_in() {
        local folder=/run/systemd/system/$1.d
        shift
        mkdir -p "$folder"
        printf '%s\n' "$@" >"$folder/check.conf"
        systemctl daemon-reload
}

# show UNIT PROPERTY
show() {
        systemctl show --value -p "$2" "$1"
}

# unit_is UNIT PROPERTY VALUE
unit_is() {
        [ "$(show "$1" "$2")" = "$3" ]
}

# call SOCKET METHOD [PARAMETERS [DESCRIPTOR...]]
call() {
        local socket=$1 method=$2
        shift 2
        timeout 60 /check/varlink-call "$socket" "$method" "${@:-{\}}"
}

# hold NAME: alice holds a namespace of that name, kept by a service; prints its first ID.
hold() {
        systemd-run --quiet --unit="holder-$1" --uid=alice --gid=alice --property=Type=exec \
                nsresourcectl run --name "$1" sleep infinity </dev/null >&2 || return
        wait_for range_of "$1" || {
                journalctl --no-pager -u "holder-$1" >&2
                return 1
        }
        range_of "$1"
}

drop() {
        systemctl stop "holder-$1"
}

# range_of NAME: the first ID of a namespace of alice's.
range_of() {
        nsresourcectl list --json | tr -d '\n' | tr '}' '\n' |
                sed -n "/\"name\": *\"1000-$1\"/s/.*\"start\": *\([0-9]*\).*/\1/p" | grep .
}

# nsswitch WORDS: what passwd, group and shadow are looked up in.
nsswitch() {
        printf '%s\n' "passwd: $1" "group: $1" "shadow: $1" 'hosts: files' >/etc/nsswitch.conf.new
        mv /etc/nsswitch.conf.new /etc/nsswitch.conf
}

# start_fresh: both sockets listen, nothing runs, ranges are lent without a policy; nothing is left of other checks.
start_fresh() {
        systemctl stop 'holder-*.service'
        rm -rf /run/systemd/system/nsresource*.d /run/systemd/system/systemd-userdbd*.d
        systemctl daemon-reload
        configure '[Policy]' "Enforcement=${ENFORCEMENT:-none}"
        systemctl stop "${UNITS[@]}"
        systemctl reset-failed "${UNITS[@]}" 2>/dev/null
        systemctl start nsresourced.socket nsresource-userdbd.socket
}

# What a service has said, from error upwards.
complaints() {
        [ -n "$(journalctl --no-pager --quiet -b -n 1 -o cat)" ] || echo "there is no journal"
        journalctl --no-pager --quiet -b -p err -o cat -u "$1" || echo "journalctl failed"
}
