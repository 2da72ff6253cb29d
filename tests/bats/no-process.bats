#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon where the pids controller lets it make no process: nobody waits for the main loop, and it recovers.

load common
load daemon

setup() {
        daemon_setup
        PIDS=
        pids_setup
        daemon_start
        move_daemon
}

teardown() {
        local failed=0
        daemon_teardown || failed=1
        pids_teardown
        return "$failed"
}

# A control group of this test's with the pids controller, of whichever version it is.
pids_setup() {
        local mount
        mount=$(awk '/ - cgroup / && $NF ~ /(^|,)pids(,|$)/ { print $5; exit }' /proc/self/mountinfo)
        if [ -z "$mount" ]; then
                mount=$(awk '$4 == "/" && / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
                grep -qw pids "$mount/cgroup.subtree_control" 2>/dev/null || cannot cgroup2 "no pids controller"
        fi
        PIDS=$(mktemp -d "$mount/nsr-bats-XXXXXX") || cannot cgroup2 "no control group can be made"
}

pids_teardown() {
        [ -z "$PIDS" ] || wait_for rmdir "$PIDS"
}


move_daemon() {
        local pid children
        echo "$DAEMON" >"$PIDS/cgroup.procs"
        read -ra children <"/proc/$DAEMON/task/$DAEMON/children" || true
        for pid in "${children[@]}"; do
                echo "$pid" >"$PIDS/cgroup.procs" 2>/dev/null || true
        done
}

# allocate_in_background UID NAME: its answer goes to the file NAME.
allocate_in_background() {
        namespace_as "$1"
        setpriv --reuid="$1" --regid="$1" --clear-groups -- "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" \
                "$SERVICE.AllocateUserRange" "$(allocate_json "$2" 1)" "userns:$USERNS" >"$NSR/$2" 2>&1 3>&- &
        HOLDERS+=($!)
}

fork_was_refused() {
        [ "$(awk '$1 == "max" { print $2 }' "$PIDS/pids.events")" -gt 0 ]
}

@test "no process can be made: calls are answered or refused, it recovers" {
        local i before
        before=$(descriptors_at_rest)
        echo 0 >"$PIDS/pids.max"
        # Those that are idle are used up, and more than those.
        for i in {1..20}; do
                allocate_in_background "$BOB" "n$i"
        done
        wait_for fork_was_refused
        # Whoever comes after those is told at once.
        wait_for [ -s "$NSR/n20" ]
        grep -q 'io.systemd.System {"errno": 11, "errnoName": "EAGAIN"' "$NSR/n20" || { cat "$NSR/n20" >&2; false; }
        for i in {1..20}; do
                call org.varlink.service.GetInfo '{}' >/dev/null
        done
        call_as "$ALICE" org.varlink.service.GetInfo '{}' >/dev/null
        echo max >"$PIDS/pids.max"
        namespace_as "$ALICE"
        wait_for call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json good 1)" "userns:$USERNS"
        for i in {1..20}; do
                wait_for [ -s "$NSR/n$i" ]
        done
        wait_for descriptors_are "$before"
}
