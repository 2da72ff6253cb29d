#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A real nscd that keeps what our module answers: it is told to forget.  It runs in a mount namespace with a /run, an
# nsswitch.conf and an nscd.conf of its own.

load common
load daemon

bats_require_minimum_version 1.5.0

setup() {
        need_command nscd nsenter unshare getent
        [ -e "$abs_top_builddir/.libs/libnss_nsresource.so.2" ] || skip "the module is not built yet"
        daemon_setup
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x18000000' 'End=0x18ffffff'
        mkdir -p "$NSR/nscd" "$NSR/lib" "$NSR/run"
        # Only the module: other libraries of the build are not what the host's programs run with.
        cp "$abs_top_builddir/.libs/libnss_nsresource.so.2" "$NSR/lib"
        cp "$abs_top_builddir/nsresourcectl" "$NSR/nsresourcectl"
        NSCD=
}

teardown() {
        if [ -n "${NSCD:-}" ]; then
                kill -CONT "$NSCD" 2>/dev/null || true
                kill -KILL "$NSCD" 2>/dev/null || true
                wait "$NSCD" 2>/dev/null || true
        fi
        daemon_teardown
}

# nscd_start yes|no: it keeps users and groups for an hour, or not at all; sets NSCD.
nscd_start() {
        local database
        for database in passwd group; do
                printf '%s\n' "enable-cache $database $1" "positive-time-to-live $database 3600" \
                        "negative-time-to-live $database 3600" "persistent $database no" "shared $database yes" \
                        "check-files $database no"
        done >"$NSR/nscd.conf"
        unshare -m --propagation private bash -ec '
                mount -t tmpfs -o mode=755 none /run
                mkdir /run/nsresource /run/nscd /run/etc
                mount --bind "$1/run" /run/nsresource
                mount --bind "$1/nscd" /run/nscd
                sed "/^\(passwd\|group\|shadow\|initgroups\)/d" /etc/nsswitch.conf >/run/etc/nsswitch.conf
                printf "%s: files nsresource\n" passwd group >>/run/etc/nsswitch.conf
                mount --bind /run/etc/nsswitch.conf /etc/nsswitch.conf
                mount --bind "$1/nscd.conf" /etc/nscd.conf
                export LD_LIBRARY_PATH=$1/lib
                exec nscd --foreground' - "$NSR" >"$NSR/nscd.log" 2>&1 3>&- &
        NSCD=$!
        wait_for nscd_answers
}

nscd_answers() {
        inside nscd --statistics >/dev/null 2>&1
}

# inside COMMAND...: where nscd is, without our module: nscd alone has that.
inside() {
        nsenter --mount --target "$NSCD" -- "$@"
}

lend() {
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json "$1" 65536)" "userns:$USERNS"
        read -r _ FIRST _ <"/proc/$HOLDER/uid_map"
}

# Whether nscd says that it has this name: or that number, or none.
name_is() {
        [ "$(inside getent "$1" "$2" | cut -d: -f1)" = "$3" ]
}

number_is() {
        [ "$(inside getent "$1" "$2" | cut -d: -f3)" = "$3" ]
}

@test "nscd forgets that there was no such name, and a name whose range has ended" {
        local database id
        NSR_NSCD=$NSR/nscd/socket daemon_start
        nscd_start yes
        for database in passwd group; do
                number_is "$database" "ns-$ALICE-web-5" ''
        done
        lend web
        id=$((FIRST + 5))
        for database in passwd group; do
                wait_for number_is "$database" "ns-$ALICE-web-5" "$id"
                wait_for name_is "$database" "$id" "ns-$ALICE-web-5"
        done
        namespace_end "$HOLDER"
        wait_for count_is quarantined 1
        for database in passwd group; do
                wait_for number_is "$database" "ns-$ALICE-web-5" ''
                wait_for name_is "$database" "$id" ''
        done
}

@test "without being told it does not" {
        local id
        # The daemon tells nobody: it knows of another socket.
        daemon_start
        nscd_start yes
        number_is passwd "ns-$ALICE-web-5" ''
        lend web
        id=$((FIRST + 5))
        number_is passwd "ns-$ALICE-web-5" ''
        name_is passwd "$id" "ns-$ALICE-web-5"
        namespace_end "$HOLDER"
        wait_for count_is quarantined 1
        name_is passwd "$id" "ns-$ALICE-web-5"
}

@test "what a daemon that was killed has not told is told by the next" {
        local id
        NSR_NSCD=$NSR/nscd/socket daemon_start
        nscd_start yes
        lend web
        id=$((FIRST + 5))
        wait_for name_is passwd "$id" "ns-$ALICE-web-5"
        daemon_stop KILL || true
        namespace_end "$HOLDER"
        name_is passwd "$id" "ns-$ALICE-web-5"
        NSR_NSCD=$NSR/nscd/socket daemon_start
        wait_for name_is passwd "$id" ''
}

@test "an nscd that hangs keeps nobody waiting, and is told when it goes on" {
        local id i
        NSR_NSCD=$NSR/nscd/socket daemon_start
        nscd_start yes
        number_is passwd "ns-$ALICE-web-5" ''
        kill -STOP "$NSCD"
        lend web
        id=$((FIRST + 5))
        for i in 1 2 3 4 5; do
                namespace_as "$BOB"
                call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json "n$i" 65536)" "userns:$USERNS"
        done
        count_is active 6
        # Until the child that waits for it has been given up once.
        wait_for grep -q 'nscd has not answered' "$NSR/log"
        kill -CONT "$NSCD"
        wait_for number_is passwd "ns-$ALICE-web-5" "$id"
}

@test "check says whether nscd keeps users or groups, and what to set" {
        daemon_start
        nscd_start yes
        run inside "$NSR/nsresourcectl" check
        echo "$output"
        [[ "$output" == *'note    nscd is running and keeps users or groups: a name can be wrong for some seconds after it came or went
        next: enable-cache passwd no and enable-cache group no in /etc/nscd.conf, and restart nscd; see nss-nsresource(8)'* ]]
        kill "$NSCD"
        wait "$NSCD" || true
        nscd_start no
        run inside "$NSR/nsresourcectl" check
        echo "$output"
        [[ "$output" == *'ok      nscd is running and keeps neither users nor groups'* ]]
        kill -STOP "$NSCD"
        inside rm /run/nscd/socket
        run inside "$NSR/nsresourcectl" check
        echo "$output"
        [[ "$output" == *'ok      no nscd is running'* ]]
}
