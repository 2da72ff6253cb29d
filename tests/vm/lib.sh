# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the guest tests share.  A test sources this, calls ok, not_ok, check, is, refused or skip, one
# line each, and done_testing at its end.

TESTS=0
# The file systems of the host that attacks are tried on.
# shellcheck disable=SC2034
HOST_FS=(/mnt/ext4 /mnt/xfs /mnt/btrfs /mnt/tmpfs)

ok() {
        TESTS=$((TESTS + 1))
        echo "ok $TESTS - $*"
}

not_ok() {
        TESTS=$((TESTS + 1))
        echo "not ok $TESTS - $*"
}

# skip DESCRIPTION REASON
skip() {
        TESTS=$((TESTS + 1))
        echo "ok $TESTS - $1 # SKIP $2"
}

# Lines of a failed command, as comments.
diag() {
        sed 's/^/# /'
}

# check DESCRIPTION COMMAND...: passes if the command does.
check() {
        local what=$1 status=0
        shift
        # In this shell: the command may set variables and start processes that are to be waited for.
        "$@" >/run/check.output 2>&1 || status=$?
        if [ $status = 0 ]; then
                ok "$what"
        else
                not_ok "$what"
                { echo "$* ended with status $status" && cat /run/check.output; } | diag
        fi
}

# is DESCRIPTION GOT WANTED
is() {
        if [ "$2" = "$3" ]; then
                ok "$1"
        else
                not_ok "$1"
                printf 'got:    %s\nwanted: %s\n' "$2" "$3" | diag
        fi
}

# refused DESCRIPTION PATTERN COMMAND...: passes if the command fails and says PATTERN.
refused() {
        local what=$1 pattern=$2 output
        shift 2
        if output=$("$@" 2>&1); then
                not_ok "$what"
                echo "$* worked" | diag
        elif [[ $output == *$pattern* ]]; then
                ok "$what"
        else
                not_ok "$what"
                printf '%s\n' "$* failed, but without '$pattern':" "$output" | diag
        fi
}

# include COMMAND...: runs a program that prints TAP of its own, and counts its lines among ours.
include() {
        local prefix=$1 line plan=-1 seen=0 status
        shift
        while IFS= read -r line; do
                case $line in
                'ok '*) ok "$prefix: ${line#ok *- }" ;;
                'not ok '*) not_ok "$prefix: ${line#not ok *- }" ;;
                1..*) plan=${line#1..} plan=${plan%% *} ;;
                '@status '*) status=${line#@status } ;;
                *) echo "# $line" ;;
                esac
                [[ $line != ok\ * && $line != not\ ok\ * ]] || seen=$((seen + 1))
        done < <("$@" 2>&1; echo "@status $?")
        if [ "$plan" != "$seen" ] || [ "$seen" = 0 ] || [ "${status-}" != 0 ]; then
                not_ok "$prefix: planned $plan tests, ran $seen (status ${status-})"
        fi
}

done_testing() {
        echo "1..$TESTS"
        exit 0
}

# as USER COMMAND...
as() {
        local user=$1
        shift
        env HOME="/home/$user" USER="$user" \
                setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"
}

# Waits up to two minutes for a command to succeed.
wait_for() {
        local i
        for ((i = 0; i < 2400; i++)); do
                "$@" >/dev/null 2>&1 && return
                sleep 0.05
        done
        return 1
}

# A socket is there before it takes connections.
listens() {
        grep -q " 00010000 .* $1\$" /proc/net/unix
}

DAEMON_SOCKET=/run/systemd/io.systemd.NamespaceResource
DAEMON_PID=

# start_daemon ARGUMENTS...: nsresourced as it was installed, until it takes connections.
start_daemon() {
        mkdir -p /run/systemd/userdb /run/nsresource /var/lib/nsresource
        # What a daemon that was killed has left would be taken for the new one's.
        rm -f "$DAEMON_SOCKET"
        # Found by PATH: the build's prefix is its own choice.
        nsresourced "$@" >>/run/nsresourced.log 2>&1 &
        DAEMON_PID=$!
        wait_for listens "$DAEMON_SOCKET" && kill -0 "$DAEMON_PID" 2>/dev/null && return
        diag </run/nsresourced.log
        return 1
}

stop_daemon() {
        kill "$DAEMON_PID" && wait "$DAEMON_PID" && DAEMON_PID=
}

kill_daemon() {
        kill -KILL "$DAEMON_PID"
        wait "$DAEMON_PID" 2>/dev/null
        DAEMON_PID=
}

LENDER_SOCKET=/run/lender.sock
LENDER_PID=

# start_lender none|policy: lends ranges before, or without, the daemon; see lender.c.
start_lender() {
        rm -f "$LENDER_SOCKET"
        /vm/lender "$LENDER_SOCKET" "$@" 2>&1 &
        LENDER_PID=$!
        wait_for listens "$LENDER_SOCKET" && return
        not_ok "the lender starts"
        done_testing
}

stop_lender() {
        kill "$LENDER_PID" && wait "$LENDER_PID" 2>/dev/null
        [ $? = 143 ] || not_ok "the lender lived to its end"
}

# Whatever an ID of the pool, or of the range that PID 1 assigns from, owns on the host's file systems.
leftovers() {
        local first=524288 last=1879048191
        find "${HOST_FS[@]}" /dev/mqueue /dev/shm /tmp /var/tmp \
                \( \( -uid +$((first - 1)) -uid -$((last + 1)) \) \
                -o \( -gid +$((first - 1)) -gid -$((last + 1)) \) \
                -o \( -uid +61183 -uid -65520 \) -o \( -gid +61183 -gid -65520 \) \) \
                -printf '%p: owner %U:%G mode %m type %y\n' 2>/dev/null
        awk -v first=$first -v last=$last '
        FNR == 1 { split("", column); for (i = 1; i <= NF; i++) column[$i] = i; next }
        {
                for (name in column)
                        if (name ~ /^c?[ug]id$/ && $column[name] >= first && $column[name] <= last)
                                print FILENAME ": " name " " $column[name]
        }' /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
}

# nothing_left DESCRIPTION
nothing_left() {
        local found
        found=$(leftovers)
        if [ -z "$found" ]; then
                ok "$1"
        else
                not_ok "$1"
                printf '%s\n' "$found" | head -n 20 | diag
        fi
}

# attack_everywhere OPTIONS...: every attack, on every file system, as user and as root, in 64 and 32 bits.
attack_everywhere() {
        local dir brief='' common=(--socket "$LENDER_SOCKET" "$@")
        for dir in "${HOST_FS[@]}"; do
                # The contexts make no difference to a file system: all of them on the first one only.
                include "${dir##*/}" as alice /vm/attack --dir "$dir" "${common[@]}" $brief
                include "${dir##*/}, root" /vm/attack --dir "$dir" "${common[@]}"
                include "${dir##*/}, 32 bits" as alice /vm/attack32 --dir "$dir" "${common[@]}" --brief
                brief=--brief
        done
        include "hugetlbfs" as alice /vm/attack --dir /mnt/hugetlbfs "${common[@]}" --brief make
        include "/dev/shm" as alice /vm/attack --dir /dev/shm "${common[@]}" --brief make fs
}

# The policy that a daemon of another test left in force, as it shall: it refuses files without an owner to everybody.
drop_policy() {
        rm -rf /sys/fs/bpf/nsresource
        # The kernel lets go of the programs a moment later.
        wait_for bash -c '! bpftool -j link show | grep -q "\"prog_type\":\"lsm\""'
}
