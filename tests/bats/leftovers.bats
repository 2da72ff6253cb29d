#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the host still has of a range goes with its namespace.  The file runs in namespaces of its own (isolated), where
# nothing else has the IDs.

load common
load daemon

setup() {
        [ "$(readlink /proc/self/ns/ipc)" != "$(readlink /proc/1/ns/ipc)" ] || [ "$(head -c 8 /proc/1/comm)" != systemd ] ||
                skip "not in namespaces of its own"
        daemon_setup
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x18000000' 'End=0x18ffffff'
        mkdir "$NSR/run-user" "$NSR/linger"
        daemon_start
}

teardown() {
        local mount
        for mount in "$NSR"/run-user/*; do
                umount "$mount" 2>/dev/null || true
        done
        daemon_teardown
}

# lend NAME SIZE: to a new namespace of Alice's; sets HOLDER and FIRST.
lend() {
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json "$1" "$2")" "userns:$USERNS"
        read -r _ FIRST _ <"/proc/$HOLDER/uid_map"
}

# ended: nothing is on its way any more.
ended() {
        wait_for count_is active 0
        wait_for count_is releasing 0
}

runs() {
        [ -r "/proc/$1/status" ] && ! grep -q '^State:.[ZX]' "/proc/$1/status"
}

absent_process() {
        ! runs "$1"
}

# kept_lines WORDS: how often the log says that a range is kept back because of WORDS.
kept_lines() {
        grep -c "is kept back: .*$1" "$NSR/log" || true
}

@test "processes of the host that are all the range's end with it, others do not" {
        lend web 65536
        background "$FIRST" sleep 1000
        local as_user=$BACKGROUND beside
        setpriv --regid="$((FIRST + 65535))" --clear-groups sleep 1000 3>&- &
        HOLDERS+=($!)
        local as_group=$!
        setpriv --groups="$((FIRST + 7))" sleep 1000 3>&- &
        HOLDERS+=($!)
        local in_group=$!
        setpriv --euid="$((FIRST + 3))" --regid="$((FIRST + 3))" --clear-groups sleep 1000 3>&- &
        HOLDERS+=($!)
        local server=$!
        background "$((FIRST - 1))" sleep 1000
        beside=$BACKGROUND
        background "$((FIRST + 65536))" sleep 1000
        local behind=$BACKGROUND
        local pid
        for pid in "$as_group" "$in_group" "$server"; do
                wait_for has_begun "$pid"
        done
        namespace_end "$HOLDER"
        ended
        absent_process "$as_user"
        for pid in "$as_group" "$in_group" "$server" "$beside" "$behind"; do
                runs "$pid"
        done
        [ "$(kept_lines 'has ID [0-9]*, and is not only of the range')" = 1 ]
}

@test "a range that somebody has by then is not touched, and the log says who, once" {
        lend web 65536
        local first=$FIRST
        background "$first" sleep 1000
        local pid=$BACKGROUND
        touch "$NSR/linger/$first"
        mkdir "$NSR/run-user/$first"
        echo "carol:$((first + 60000)):65536" >"$NSR/etc/subuid"
        namespace_end "$HOLDER"
        # Three tries.
        ended
        count_is quarantined 1
        runs "$pid"
        [ -f "$NSR/linger/$first" ]
        [ -d "$NSR/run-user/$first" ]
        [ "$(kept_lines 'its IDs are claimed by subuid block of carol in .*/etc/subuid')" = 1 ]
}

@test "a container that holds systemd-nspawn's lock of the range is not touched" {
        need_command perl
        lend web 65536
        local first=$FIRST
        background "$first" sleep 1000
        local pid=$BACKGROUND
        # Only while no daemon runs can anybody get it.
        daemon_stop
        rm -f "$NSR/nspawn/$first"
        exec 8>"$NSR/nspawn/$first"
        # F_OFD_SETLK, F_WRLCK, SEEK_SET, the whole file.
        perl -e 'open F, ">&=8"; $lock = pack "s s x4 q q i x4", 1, 0, 0, 0, 0; fcntl F, 37, $lock or die "fcntl: $!"'
        daemon_start
        namespace_end "$HOLDER"
        ended
        runs "$pid"
        [ "$(kept_lines "systemd-nspawn's lock of $first is held")" = 1 ]
        exec 8>&-
}

@test "a user that logind knows by another name is not touched" {
        lend web 65536
        local first=$FIRST
        background "$((first + 9))" sleep 1000
        local pid=$BACKGROUND
        mkdir -p "$NSR/logind/users" "$NSR/run-user/$((first + 9))"
        echo NAME=carol >"$NSR/logind/users/$((first + 9))"
        namespace_end "$HOLDER"
        ended
        runs "$pid"
        [ -d "$NSR/run-user/$((first + 9))" ]
        [ "$(kept_lines "logind has UID $((first + 9)) under another name")" = 1 ]
}

@test "while the namespace lives nothing of it is touched, however many others end" {
        lend stays 65536
        local stays=$HOLDER first=$FIRST
        background "$first" sleep 1000
        local pid=$BACKGROUND
        mkdir "$NSR/run-user/$first"
        touch "$NSR/linger/ns-$ALICE-stays-0" "$NSR/linger/$first"
        lend goes 65536
        namespace_end "$HOLDER"
        wait_for count_is active 1
        wait_for count_is releasing 0
        runs "$pid"
        [ -d "$NSR/run-user/$first" ]
        [ -f "$NSR/linger/ns-$ALICE-stays-0" ]
        [ -f "$NSR/linger/$first" ]
        namespace_end "$stays"
        ended
        absent_process "$pid"
        [ ! -e "$NSR/run-user/$first" ]
        [ -z "$(ls "$NSR/linger")" ]
}

@test "IPC objects, runtime folders and linger files of its IDs go" {
        need_command ipcmk ipcs
        lend web 65536
        as "$FIRST" ipcmk -M 4096 -S 1 -Q
        as "$((FIRST + 9))" ipcmk -Q
        ipcmk -Q
        [ "$(tail -qn +2 /proc/sysvipc/* | wc -l)" = 5 ]
        mkdir "$NSR/run-user/$FIRST" "$NSR/run-user/$ALICE"
        mount -t tmpfs -o "uid=$FIRST" tmpfs "$NSR/run-user/$FIRST"
        touch "$NSR/run-user/$FIRST/bus" "$NSR/linger/ns-$ALICE-web-0" "$NSR/linger/ns-$ALICE-web-9" "$NSR/linger/alice"
        namespace_end "$HOLDER"
        ended
        [ "$(tail -qn +2 /proc/sysvipc/* | wc -l)" = 1 ]
        [ "$(ls "$NSR/run-user")" = "$ALICE" ]
        [ "$(ls "$NSR/linger")" = alice ]
        ipcrm --all=msg
}

@test "the daemon is killed while ranges are on their way: the next one goes on" {
        local i pid=()
        for i in 1 2 3 4 5; do
                lend "n$i" 65536
                background "$FIRST" sleep 1000
                pid+=("$BACKGROUND")
                touch "$NSR/linger/$FIRST"
                namespace_end "$HOLDER"
                # In the middle of it, wherever that is: what follows holds for each moment.
                sleep "0.0$i" # a moment, not a wait
                daemon_stop KILL 2>/dev/null || true
                daemon_start
        done
        ended
        for i in "${pid[@]}"; do
                absent_process "$i"
        done
        [ -z "$(ls "$NSR/linger")" ]
        count_is quarantined 5
}

@test "a single ID's leftovers go, its neighbour's stay" {
        lend one 1
        local holder=$HOLDER first=$FIRST
        background "$first" sleep 1000
        local own=$BACKGROUND
        background "$((first + 1))" sleep 1000
        local neighbour=$BACKGROUND
        namespace_end "$holder"
        ended
        absent_process "$own"
        runs "$neighbour"
}

@test "what cannot be removed holds up nothing else" {
        lend stuck 65536
        local stuck=$FIRST
        mkdir "$NSR/run-user/$FIRST"
        local holder=$HOLDER
        lend other 65536
        touch "$NSR/linger/$FIRST"
        mount --bind "$NSR/run-user" "$NSR/run-user"
        mount -o remount,bind,ro "$NSR/run-user"
        namespace_end "$holder"
        namespace_end "$HOLDER"
        # It is never lent again, so it is given up after some tries.
        ended
        [ -z "$(ls "$NSR/linger")" ]
        [ -d "$NSR/run-user/$stuck" ]
        count_is quarantined 2
        umount "$NSR/run-user"
}
