#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module, the provider, and nss-systemd asking the provider give the same answers, field by field.

load common

bats_require_minimum_version 1.5.0

E=io.systemd.UserDatabase

setup() {
        need_root
        need_command unshare getent
        [ -e "$abs_top_builddir/.libs/libnss_nsresource.so.2" ] || skip "the module is not built"
        ldconfig -p | grep libnss_systemd >/dev/null || cannot nss-systemd "libnss-systemd is not installed"
        work=$(mktemp -d "${TMPDIR:-/tmp}/nsresource-same.XXXXXX")
        chmod 755 "$work"
        cd "$work" || return
        mkdir lib state
        # Only the module: other libraries of the build are not what the host's programs run with.
        cp "$abs_top_builddir/.libs/libnss_nsresource.so.2" lib
        "$abs_top_builddir/tests/bats/table-make" state/table 0x80000 256 add 1000-web 65536 1000 add db 65536 0 \
                add 1001-one 1 1001 add 1002-two 1 1002 add 1000-big 1048576 1000 add 1000-odd 65537 1000 \
                mapping 1000-early 65536 1000 add 1000-gone 65536 1000 end 1000-gone \
                add 1000-back 131072 1000 quarantine 1000-back reserved 1000-first 65536 1000 slots >made
        awk 'NF == 3 && $1 != "1000-gone" && $1 != "1000-back"' made >ranges
        awk 'NF == 2 { print $2 }' made >slots
        chmod 644 state/table
        list_ids
        "$abs_top_builddir/nsresource-userdbd" --socket "$PWD/socket" --table "$PWD/state/table" >log 2>&1 3>&- &
        provider=$!
        SOCKET=$PWD/socket
        wait_for provider_answers
}

provider_answers() {
        call org.varlink.service.GetInfo >/dev/null 2>&1
}

teardown() {
        [ -z "${provider:-}" ] || kill "$provider" 2>/dev/null || true
        cd /
        [ -z "${work:-}" ] || rm -rf "$work"
}

# ids, names: a few thousand of each; first and last of each range, around the ends of slots, and between.
list_ids() {
        awk '{
                for (n = 0; n < $3; n += 997) print $1, $2, n
                for (n = 65533; n < 65539 && n < $3; n++) print $1, $2, n
                print $1, $2, $3 - 1
        }' ranges | sort -u | awk '{ print $2 + $3 > "ids"; print "ns-" $1 "-" $3 > "names" }'
        # what nobody has
        # and slots that are not free, by their first ID; what is like them
        {
                printf '%s\n' 65536 524287 4294967294 "$(awk '$1 == "1001-one" { print $2 + 1 }' ranges)"
                awk '{ print $1; print $1 + 1; print $1 + 65534 }' slots
        } >>ids
        {
                sed s/^/nsresource-/ slots
                printf 'nsresource-%s\n' 524289 "$((0x80000 + 256 * 65536))" 0 -1 "" 00524288
                printf '%s\n' ns-web-0 ns-db-65536 ns-db-00 ns-1001-one-1 ns-1000-odd-65537 ns-1000-odd-131071 ns-x
        } >>names
}

# in_sandbox COMMAND...: where both modules find our files.
in_sandbox() {
        unshare -m --propagation private bash -ec '
                work=$1
                shift
                mkdir -p "$work/run/systemd/userdb" "$work/run/nsresource"
                touch "$work/run/systemd/userdb/io.systemd.NamespaceResource"
                mount --bind "$work/socket" "$work/run/systemd/userdb/io.systemd.NamespaceResource"
                mount --bind "$work/state" "$work/run/nsresource"
                mount --rbind "$work/run" /run
                export LD_LIBRARY_PATH=$work/lib
                "$@"' sandbox "$work" "$@" 2>/dev/null
}

# same DATABASE KEYS-FILE: both modules, many keys.
same() {
        # getent fails when any key is not found; what it prints counts.
        # shellcheck disable=SC2016
        in_sandbox sh -c 'xargs getent -s nsresource "$1" <"$2" >"ours-$1-$2"; xargs getent -s systemd "$1" <"$2" >"theirs-$1-$2"; true' \
                sh "$1" "$2"
        wc -l "ours-$1-$2" "theirs-$1-$2"
        [ "$(wc -l <"ours-$1-$2")" -gt 1000 ]
        diff "ours-$1-$2" "theirs-$1-$2"
}

@test "the module and nss-systemd: users by number and by name" {
        same passwd ids
        same passwd names
}

@test "the module and nss-systemd: groups by number and by name" {
        same group ids
        same group names
}

@test "the module and nss-systemd: shadow by name" {
        same shadow names
}

@test "a slot that is not free has a name by its first ID, in each state, and it is a slot's where no namespace's is there" {
        local start state
        # reserved, mapping, active, releasing, quarantined
        [ "$(awk 'NF == 2 { print $1 }' made | sort -u | xargs)" = "1 2 3 4 5" ]
        while read -r start; do
                in_sandbox getent -s nsresource passwd "$start" </dev/null >>users
                in_sandbox getent -s nsresource group "$start" </dev/null >>groups
        done <slots
        [ "$(wc -l <users)" = "$(wc -l <slots)" ]
        [ "$(wc -l <groups)" = "$(wc -l <slots)" ]
        awk 'NF == 2 && $1 != 3 { print "nsresource-" $2 ":x:" $2 ":" $2 }' made >expected
        diff expected <(grep ^nsresource- users | cut -d: -f1-4 | grep -Ff expected)
        # All but those, and the slot that is split, are ranges'.
        [ "$(grep -cv ^ns- users)" -le "$(($(wc -l <expected) + 1))" ]
        in_sandbox xargs getent -s nsresource passwd <<<"$(cut -d: -f1 users)" | diff users -
        in_sandbox xargs getent -s systemd passwd <slots | diff users -
        in_sandbox xargs getent -s systemd group <slots | diff groups -
        # It lets nobody in.
        [ "$(grep ^nsresource- users | cut -d: -f2,6,7 | sort -u)" = x:/:/usr/sbin/nologin ]
        # Nor is it listed.
        in_sandbox getent -s nsresource passwd >listed
        grep -q '^ns-' listed
        absent '^nsresource-' <listed
}

@test "a slot that the host uses is not ours to name" {
        "$abs_top_builddir/tests/bats/table-make" state/table 0x80000 256 host 255
        run in_sandbox getent -s nsresource passwd $((0x80000 + 255 * 65536))
        [ "$status" = 2 ]
        run in_sandbox getent -s nsresource passwd nsresource-$((0x80000 + 255 * 65536))
        [ "$status" = 2 ]
}

@test "the module and nss-systemd: enumeration" {
        local database
        for database in passwd group; do
                in_sandbox getent -s nsresource $database | sort >ours
                in_sandbox getent -s systemd $database | sort | grep ^ns- >theirs
                diff ours theirs
                [ "$(wc -l <ours)" = 6 ]
        done
}

@test "the module and nss-systemd: enumeration of every ID" {
        local database
        # not the large ranges: nss-systemd takes its time over a million records
        "$abs_top_builddir/tests/bats/table-make" state/table 0x80000 256 free 1000-big free db free 1000-odd free 1000-web \
                add few 3000 7 entries-all
        for database in passwd group; do
                in_sandbox getent -s nsresource $database | sort >ours
                in_sandbox getent -s systemd $database | sort | grep ^ns- >theirs
                cmp ours theirs
                [ "$(wc -l <ours)" = 3002 ]
        done
}

@test "the module and nss-systemd: groups of a user" {
        in_sandbox getent -s nsresource initgroups ns-1000-web-5 ns-db-0 >ours
        in_sandbox getent -s systemd initgroups ns-1000-web-5 ns-db-0 >theirs
        diff ours theirs
        [ "$(cut -d' ' -f1 ours | xargs)" = "ns-1000-web-5 ns-db-0" ]
}

@test "the module and the provider itself" {
        local id
        in_sandbox sh -c 'xargs getent -s nsresource passwd <ids >ours; xargs getent -s nsresource group <ids >ours-groups; true'
        while read -r id; do
                call $E.GetUserRecord "{\"uid\":$id,\"service\":\"io.systemd.NamespaceResource\"}" || [ $? = 1 ]
        done <ids | sed -n 's/^{"record":{"disposition":"[a-z]*","gid":\([0-9]*\),"homeDirectory":"\([^"]*\)","locked":true,"realName":"\([^"]*\)","service":"io.systemd.NamespaceResource","shell":"\([^"]*\)","uid":\([0-9]*\),"userName":"\([^"]*\)"}}$/\6:x:\5:\1:\3:\2:\4/p' >theirs
        diff ours theirs
        [ "$(wc -l <ours)" -gt 1000 ]
        while read -r id; do
                call $E.GetGroupRecord "{\"gid\":$id,\"service\":\"io.systemd.NamespaceResource\"}" || [ $? = 1 ]
        done <ids | sed -n 's/^{"record":{"description":"[^"]*","disposition":"[a-z]*","gid":\([0-9]*\),"groupName":"\([^"]*\)","service":"[^"]*"}}$/\2:x:\1:/p' >theirs
        diff ours-groups theirs
        [ "$(wc -l <theirs)" -gt 1000 ]
}

# as_configured SERVICES COMMAND...: in_sandbox, where nsswitch.conf says so of users and groups; the provider is one
# that sees it, too.  With userdbd=yes in the environment, systemd's multiplexer is there.
as_configured() {
        # shellcheck disable=SC2016
        in_sandbox bash -ec '
                services=$1 builddir=$2
                shift 2
                sed "/^\(passwd\|group\|shadow\|initgroups\)/d" /etc/nsswitch.conf >nsswitch
                printf "%s: $services\n" passwd group shadow >>nsswitch
                mount --bind nsswitch /etc/nsswitch.conf
                umount /run/systemd/userdb/io.systemd.NamespaceResource run/systemd/userdb/io.systemd.NamespaceResource
                rm -f /run/systemd/userdb/*
                "$builddir/nsresource-userdbd" --socket /run/systemd/userdb/io.systemd.NamespaceResource >log 2>&1 &
                pids=$!
                multiplexer=/run/systemd/userdb/io.systemd.Multiplexer
                if [ "${userdbd:-no}" = yes ]; then
                        systemd-socket-activate -E LD_LIBRARY_PATH -l $multiplexer /lib/systemd/systemd-userdbd >log-userdbd 2>&1 &
                        pids+=" $!"
                        ln -s io.systemd.Multiplexer /run/systemd/userdb/io.systemd.NameServiceSwitch
                        ln -s io.systemd.Multiplexer /run/systemd/userdb/io.systemd.DropIn
                fi
                until [ -S /run/systemd/userdb/io.systemd.NamespaceResource ]; do
                        sleep 0.01
                done
                status=0
                "$@" || status=$?
                kill $pids
                wait
                exit $status' configured "$1" "$abs_top_builddir" "${@:2}"
}

@test "users and groups are listed once, and looked up, whatever nsswitch.conf says, by getent and userdbctl" {
        need_command userdbctl systemd-socket-activate
        local services database web userdbd what
        web=$(awk '$1 == "1000-web" { print $2 }' ranges)
        printf 'ns-%s-0\n' 1000-big 1000-odd 1000-web 1001-one 1002-two db >expected
        export userdbd
        for services in "files nsresource systemd" "files systemd nsresource" "files nsresource" "files systemd"; do
                for database in passwd group shadow; do
                        as_configured "$services" getent $database | cut -d: -f1 | grep ^ns- | sort >found
                        echo "getent $database, $services"
                        diff expected found
                done
                for userdbd in no yes; do
                        for what in user group; do
                                echo "userdbctl $what, $services, multiplexer: $userdbd"
                                as_configured "$services" userdbctl $what --no-pager --no-legend |
                                        grep -o 'ns-[0-9a-z-]*' | sort >found
                                diff expected found
                                as_configured "$services" userdbctl $what --no-pager $((web + 65535)) |
                                        grep ' name: ns-1000-web-65535$'
                                as_configured "$services" userdbctl $what --no-pager ns-1000-web-7 |
                                        grep "ID: $((web + 7))\$"
                        done
                done
        done
}
