#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients that mean harm, against the whole daemon: others are served meanwhile, it stops and starts, nothing is left.

load common
load daemon

setup() {
        daemon_setup
        [ -c /dev/fuse ] || cannot fuse "there is no /dev/fuse"
        daemon_start
        mkdir "$NSR/hang"
        background 0 "$abs_top_builddir/tests/tools/hang-fuse" "$NSR/hang"
        FUSE=$BACKGROUND
        wait_for is_mounted
}

teardown() {
        # First of all: it is what everything that hangs waits for.
        kill -KILL "$FUSE" 2>/dev/null || true
        daemon_teardown
}

is_mounted() {
        grep -q "hang-fuse" "/proc/$FUSE/mounts"
}

# hang_call UID NAME METHOD JSON DESCRIPTOR...: a call from within the file system's mount namespace.  The client hangs too, when it
# closes what it sent, so its answer goes to the file NAME.
hang_call() {
        local uid=$1 name=$2
        shift 2
        nsenter -t "$FUSE" -m -- setpriv --reuid="$uid" --regid="$uid" --clear-groups -- \
                "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" "$@" >"$NSR/$name" 2>&1 3>&- &
        HOLDERS+=($!)
}

answered() {
        [ -s "$NSR/$1" ]
}

alice_is_served() {
        SERVED=$((SERVED + 1))
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json "good$SERVED" 1)" "userns:$USERNS" >/dev/null
}

@test "a file that hangs whoever closes it, for each descriptor argument: exact errors, others served" {
        local kind n=0 method
        for method in "AllocateUserRange;$(allocate_json x 65536)" \
                'RegisterUserNamespace;{"name":"x","userNamespaceFileDescriptor":0}'; do
                for kind in file directory; do
                        hang_call "$((BOB + n))" "answer$n" "$SERVICE.${method%%;*}" "${method#*;}" "$kind:$NSR/hang/$([ $kind = directory ] || echo f)"
                        wait_for answered "answer$n"
                        if [ $kind = file ]; then
                                grep -q '"userNamespaceFileDescriptor"' "$NSR/answer$n"
                        else
                                grep -q EREMOTEIO "$NSR/answer$n"
                        fi
                        alice_is_served
                        n=$((n + 1))
                done
        done
}

@test "more of them than one user may have doors: that user waits, nobody else does" {
        local i
        for i in 0 1 2 3 4 5; do
                hang_call "$BOB" "answer$i" "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" \
                        "file:$NSR/hang/f" "file:$NSR/hang/g" "file:$NSR/hang/h"
                alice_is_served
        done
        for i in 0 1 2 3 4 5; do
                wait_for answered "answer$i"
        done
        # Four have a door, which hangs; the others have waited for one.
        grep -l '"userNamespaceFileDescriptor"' "$NSR"/answer? | wc -l >"$NSR/four"
        [ "$(cat "$NSR/four")" = 4 ]
        grep -l EBUSY "$NSR"/answer? | wc -l >"$NSR/two"
        [ "$(cat "$NSR/two")" = 2 ]
        count_is doorsStuck 4
        alice_is_served
}

@test "stop and start with doors that hang: at once, and served again" {
        local before
        hang_call "$BOB" answer "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "file:$NSR/hang/f"
        wait_for answered answer
        alice_is_served
        daemon_stop
        daemon_start
        alice_is_served
        wait_for count_is helpers 0
        before=$(descriptors_at_rest)
        hang_call "$BOB" answer2 "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "file:$NSR/hang/f"
        wait_for answered answer2
        kill -KILL "$FUSE"
        wait_for count_is doorsStuck 0
        wait_for descriptors_are "$before"
}

@test "a namespace beside files that hang: allocated, and the rest of the call's descriptors hang a door, not the daemon" {
        namespace_as "$BOB"
        hang_call "$BOB" answer "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "userns:$USERNS" "file:$NSR/hang/f"
        wait_for answered answer
        grep -q "$BOB-x" "$NSR/answer"
        alice_is_served
        daemon_stop
}

# with_more N: a request of Bob's with N descriptors more than it is about.
with_more() {
        local many=() i
        for ((i = 0; i < $1; i++)); do
                many+=(null)
        done
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "userns:$USERNS" "${many[@]}"
}

@test "descriptors of one message: 8 are taken, 9 count as none, as do the kernel's most, 253; none is kept" {
        local before
        alice_is_served
        namespace_as "$BOB"
        before=$(descriptors_at_rest)
        refused io.systemd.System '{"errno":6,"errnoName":"ENXIO","origin":"linux"}' with_more 8
        refused io.systemd.System '{"errno":6,"errnoName":"ENXIO","origin":"linux"}' with_more 252
        run with_more 7
        [ "$status" = 0 ]
        [ "$output" = "{\"name\":\"$BOB-x\"}" ]
        wait_for descriptors_are "$before"
        alice_is_served
}

@test "the UIDs of a container whose range no file knows are one account" {
        local base=$((0x70000000)) container i
        unshare -U -- sleep 1000 3>&- &
        container=$!
        HOLDERS+=("$container")
        wait_for namespace_is_new "$container"
        echo "0 $base 65536" >"/proc/$container/uid_map"
        echo "0 $base 65536" >"/proc/$container/gid_map"
        for i in 1 2 3 4 5; do
                nsenter -t "$FUSE" -m -- nsenter -t "$container" -U -S "$i" -G "$i" -- \
                        "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" "$SERVICE.AllocateUserRange" \
                        "$(allocate_json x 65536)" "file:$NSR/hang/f" >"$NSR/answer$i" 2>&1 3>&- &
                HOLDERS+=($!)
                wait_for answered "answer$i"
        done
        # The fifth waits, and is told when the four are known to hang.
        grep -q '"userNamespaceFileDescriptor"' "$NSR/answer4"
        grep -q EBUSY "$NSR/answer5"
        alice_is_served
        # A user of some directory, with such a UID on the host, is nobody's container.
        namespace_as $((base + 6))
        call_as $((base + 6)) "$SERVICE.AllocateUserRange" "$(allocate_json directory 1)" "userns:$USERNS" >/dev/null
        # Within a sandbox of their own they are who they are outside, who may have no fifth door.
        for i in 6 7 8 9; do
                nsenter -t "$FUSE" -m -- setpriv --reuid=$((base + 6)) --regid=$((base + 6)) --clear-groups unshare -U -- \
                        "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" "$SERVICE.AllocateUserRange" \
                        "$(allocate_json x 65536)" "file:$NSR/hang/f" >"$NSR/answer$i" 2>&1 3>&- &
                HOLDERS+=($!)
                wait_for answered "answer$i"
        done
        hang_call $((base + 6)) answer10 "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "file:$NSR/hang/f"
        wait_for answered answer10
        grep -q '"userNamespaceFileDescriptor"' "$NSR/answer9"
        grep -q EBUSY "$NSR/answer10"
}

# Reading the status of these would take minutes.
@test "a user whose processes have 65,536 groups each: others get ranges, and these are released" {
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json crowd 65536)" "userns:$USERNS" >/dev/null
        setpriv --reuid="$ALICE" --regid="$ALICE" --clear-groups -- \
                "$abs_top_builddir/tests/tools/many-groups" "$USERNS" 500 >"$NSR/crowd" 2>&1 3>&- &
        HOLDERS+=($!)
        wait_for grep -q ready "$NSR/crowd"

        namespace_as "$BOB"
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json one 65536)" "userns:$USERNS" >/dev/null
        namespace_end "$HOLDER"
        wait_for count_is quarantined 1
        found 'could not be looked at' "$NSR/log" | absent .
}
