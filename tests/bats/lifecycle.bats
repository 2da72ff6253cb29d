#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# From a namespace's birth to its end, through restarts and crashes of the daemon, and with clients that mean harm.

load common
load daemon

setup() {
        daemon_setup
        # A part of the pool that nothing else on this host uses.
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x10000000' 'End=0x1fffffff'
        daemon_start
}

teardown() {
        daemon_teardown
}

allocate() {
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$@"
}

live_names() {
        call --more org.nsresource.Manager.List '{}' | jq -r 'select(.range).range | select(.state == "active").name'
}

# nothing_but_quarantine N
nothing_but_quarantine() {
        local state
        for state in reserved mapping active releasing helpers; do
                wait_for count_is "$state" 0
        done
        wait_for count_is quarantined "$1"
}

@test "a namespace ends: its name goes, its slot is kept out of use" {
        namespace_as "$ALICE"
        allocate "$(allocate_json web 65536)" "userns:$USERNS"
        [ "$(live_names)" = "$ALICE-web" ]
        namespace_end "$HOLDER"
        nothing_but_quarantine 1
        [ -z "$(live_names)" ]
        # The name can be used again.
        namespace_as "$ALICE"
        allocate "$(allocate_json web 65536)" "userns:$USERNS"
}

@test "a dead namespace's name is free as soon as the kernel has let go of it" {
        local i
        for i in 1 2 3 4 5; do
                namespace_as "$ALICE"
                wait_for allocate "$(allocate_json same 65536)" "userns:$USERNS"
                namespace_end "$HOLDER"
        done
}

@test "10,000 allocations and ends: no record, name, descriptor or memory is left; then NoDynamicRange, exactly" {
        time_limit 1200
        local descriptors memory
        daemon_stop
        # 10,250 slots: the first 250 warm the daemon up.
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x10000000' "End=$((0x10000000 + 10250 * 65536 - 1))" \
                '[Limits]' 'QuarantinedPerUser=20000'
        rm -r "$NSR/run"
        daemon_start
        run "$abs_top_builddir/tests/tools/cycle" "$NSR/socket" 250 65536
        [ "$output" = "done 250" ]
        nothing_but_quarantine 250
        descriptors=$(descriptors_at_rest)

        run "$abs_top_builddir/tests/tools/cycle" "$NSR/socket" 5000 65536
        [ "$output" = "done 5000" ]
        nothing_but_quarantine 5250
        # How many ranges wait at once for the look at their leftovers, and what that takes, is the machine's affair: what
        # the first half has needed is enough for the second.
        memory=$(awk '/^VmData:/ { print $2 }' "/proc/$DAEMON/status")
        run "$abs_top_builddir/tests/tools/cycle" "$NSR/socket" 5000 65536
        [ "$output" = "done 5000" ]
        nothing_but_quarantine 10250
        [ -z "$(live_names)" ]
        wait_for descriptors_are "$descriptors"
        # AddressSanitizer keeps what was freed, and looks for leaks itself.
        [ "${NSR_SANITIZERS:-no}" != no ] ||
                [ "$(awk '/^VmData:/ { print $2 }' "/proc/$DAEMON/status")" -le $((memory + 2048)) ]

        run "$abs_top_builddir/tests/tools/cycle" "$NSR/socket" 3 65536
        [ "${lines[0]}" = "done 0" ]
        [ "${lines[1]}" = "$SERVICE.NoDynamicRange 3" ]
        count_is quarantined 10250
}

@test "what was lent without enforcement stays out of use after the table is lost, as at a reboot" {
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x10000000' 'End=0x1001ffff'
        rm -r "$NSR/run"
        daemon_start
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        read -r _ first _ <"/proc/$HOLDER/uid_map"
        namespace_end "$HOLDER"
        daemon_stop
        rm -r "$NSR/run"
        daemon_start
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        read -r _ second _ <"/proc/$HOLDER/uid_map"
        [ "$first" != "$second" ]
        namespace_as "$ALICE"
        refused "$SERVICE.NoDynamicRange" '' allocate "$(allocate_json b 65536)" "userns:$USERNS"
}

@test "the administrator clears what was lent without enforcement; what lives stays marked" {
        namespace_as "$ALICE"
        allocate "$(allocate_json dies 131072)" "userns:$USERNS"
        namespace_end "$HOLDER"
        namespace_as "$ALICE"
        allocate "$(allocate_json single 1)" "userns:$USERNS"
        namespace_end "$HOLDER"
        namespace_as "$ALICE"
        allocate "$(allocate_json lives 65536)" "userns:$USERNS"
        nothing_but_quarantine_and 2 1
        refused org.varlink.service.PermissionDenied '' call_as "$ALICE" org.nsresource.Manager.ClearUnenforced '{}'
        run call org.nsresource.Manager.ClearUnenforced '{}'
        [ "$output" = '{"cleared":3,"kept":1}' ]
        count_is quarantined 0
        count_is unenforced 1
        [ "$("$abs_top_builddir/nsresourcectl" --socket "$NSR/socket" unenforced)" = "1 slots of 65536 IDs were lent without enforcement" ]
        [ "$("$abs_top_builddir/nsresourcectl" --socket "$NSR/socket" --json unenforced | jq -c .)" = '{"slots":1}' ]
        namespace_end "$HOLDER"
        nothing_but_quarantine 1
        # After a restart with a new table, as at a reboot.
        daemon_stop
        rm -r "$NSR/run"
        daemon_start
        count_is quarantined 1
        run call org.nsresource.Manager.ClearUnenforced '{}'
        [ "$output" = '{"cleared":1,"kept":0}' ]
        count_is quarantined 0
}

@test "restart: ranges and names stay, and what died meanwhile is noticed" {
        namespace_as "$ALICE"
        local keeps=$HOLDER
        allocate "$(allocate_json keeps 65536)" "userns:$USERNS"
        namespace_as "$ALICE"
        allocate "$(allocate_json dies 65536)" "userns:$USERNS"
        daemon_stop
        namespace_end "$HOLDER"
        daemon_start
        nothing_but_quarantine_and 1 1
        [ "$(live_names)" = "$ALICE-keeps" ]
        namespace_end "$keeps"
        nothing_but_quarantine 2
}

nothing_but_quarantine_and() {
        wait_for count_is quarantined "$1"
        wait_for count_is active "$2"
}

@test "SIGTERM ends it at once with status 0, with connections open" {
        local i
        for i in 1 2 3 4 5 6 7 8; do
                # Calls for ever: it is connected all the time.
                background "$BOB" "$abs_top_builddir/tests/tools/flood" "$NSR/socket" 0 \
                        '{"method":"org.varlink.service.GetInfo"}'
                wait_for is_connected "$BACKGROUND"
        done
        for i in "${HOLDERS[@]}"; do
                is_connected "$i"
        done
        daemon_stop
        for i in "${HOLDERS[@]}"; do
                wait_for is_over "$i"
        done
}

# is_connected PID: has a socket that the daemon has accepted.
is_connected() {
        local socket
        socket=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -cd '0-9\n' | head -n 1)
        # ESTAB is 03 there; one that waits to be accepted is, too, but has no file of the daemon's, and so no inode.
        [ -n "$socket" ] && awk -v path="$NSR/socket" '$6 == "03" && $8 == path && $7 != 0 { n++ } END { exit n < 1 }' /proc/net/unix
}

is_over() {
        ! kill -0 "$1" 2>/dev/null || [ "$(awk '{ print $3 }' "/proc/$1/stat")" = Z ]
}

@test "a second daemon on the same table is refused" {
        run "$abs_top_builddir/nsresourced" --config="$NSR/nsresourced.conf" --socket="$NSR/socket2" --runtime-dir="$NSR/run" \
                --state-dir="$NSR/state" --etc="$NSR/etc" --nspawn-dir="$NSR/nspawn" --userdb-socket="$NSR/userdb" --nscd-socket="$NSR/nscd" --pin-dir="$NSR/pins"
        [ "$status" = 1 ]
        [[ $output == *"Another nsresourced holds"* ]]
}

@test "a damaged table is set aside, nothing is served until the administrator says so, then it is" {
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        daemon_stop
        printf 'X' | dd of="$NSR/run/table" bs=1 seek=20 conv=notrunc status=none
        cp "$NSR/run/table" "$NSR/copy"
        daemon_start
        [ -f "$NSR/run/table.set-aside" ]
        # Not a byte of it was changed but the word that sends readers to the new table.
        local changed
        changed=$(cmp -l "$NSR/run/table.set-aside" "$NSR/copy" | wc -l || true)
        [ "$changed" -ge 1 ]
        [ "$changed" -le 4 ]
        grep -q 'table.set-aside' "$NSR/log"
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' allocate "$(allocate_json b 65536)" "userns:$USERNS"
        call org.nsresource.Manager.GetStatus '{}' | jq -e '.messages[0] | contains("table.set-aside")'
        rm "$NSR/run/table.set-aside"
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        allocate "$(allocate_json b 65536)" "userns:$USERNS"
}

# set_aside_is_found RUNTIME-FOLDER: with a lost table in it, nothing is served.
set_aside_is_found() {
        mkdir -m 755 "$1"
        : >"$1/table.set-aside.2"
        daemon_start --runtime-dir="$1"
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' allocate "$(allocate_json b 65536)" "userns:$USERNS"
        daemon_stop
}

@test "a lost table is found whatever its folder is called" {
        daemon_stop
        set_aside_is_found "$NSR/run.plain"
        set_aside_is_found "$NSR/run.[x]"
}

# start_unreadable FOLDER: a start that cannot read this folder to its end fails; what it says goes to $NSR/log.
start_unreadable() {
        local status=0
        timeout 60 strace -qq -o "$NSR/trace" -f -P "$1" -e trace=getdents64 -e inject=getdents64:error=EIO \
                "${NSR_DAEMON:-$abs_top_builddir/nsresourced}" --config="$NSR/nsresourced.conf" --socket="$NSR/socket2" \
                --runtime-dir="$NSR/run" --state-dir="$NSR/state" --etc="$NSR/etc" --nspawn-dir="$NSR/nspawn" --userdb-socket="$NSR/userdb" --nscd-socket="$NSR/nscd" \
                --pin-dir="$NSR/pins" 2>>"$NSR/log" 3>&- || status=$?
        grep -q INJECTED "$NSR/trace"
        [ "$status" = 1 ]
}

@test "what cannot be read to its end is not taken for empty" {
        need_command strace
        daemon_stop
        start_unreadable "$NSR/run"
        grep -q "Cannot find out whether $NSR/run holds a table that was lost" "$NSR/log"
        start_unreadable /proc
        grep -q 'Cannot find out which IDs are in use on this host' "$NSR/log"
}

@test "a reload that fails half way is not taken for served: the next one serves" {
        daemon_stop
        echo X >"$NSR/run/table"
        echo X >"$NSR/run/details"
        mkdir -p "$NSR/run/details.set-aside/in-the-way"
        daemon_start
        rm "$NSR/run/table.set-aside"
        kill -HUP "$DAEMON"
        wait_for grep -q 'The configuration was not taken' "$NSR/log"
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' allocate "$(allocate_json a 65536)" "userns:$USERNS"
        rm -r "$NSR/run/details.set-aside"
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
}

@test "truncated, foreign-owned and wrong-version tables are set aside too" {
        local damage
        daemon_stop
        for damage in 'truncate -s 4096' 'chown 1000' 'chmod 666' wrong_version; do
                cp -p "$NSR/run/table" "$NSR/good"
                $damage "$NSR/run/table"
                daemon_start
                [ -f "$NSR/run/table.set-aside" ]
                [ ! -e "$NSR/run/table" ]
                daemon_stop
                rm "$NSR/run/table.set-aside"
                mv "$NSR/good" "$NSR/run/table"
        done
}

wrong_version() {
        printf '\377' | dd of="$1" bs=1 seek=8 conv=notrunc status=none
}

@test "an owner who stops whoever joins: others are served meanwhile, the helper is killed, nothing is taken" {
        local round hostile asking
        # Whichever of the two is faster: until it is the owner.  Each owner is another, for they stop all that is theirs.
        for ((round = 1; round <= 100; round++)); do
                background $((BOB + round)) "$abs_top_builddir/tests/tools/stop-joiners"
                hostile=$BACKGROUND
                wait_for namespace_differs "$hostile"
                # Root asks, for the owner's own client would be stopped with the rest.
                call "$SERVICE.AllocateUserRange" "$(allocate_json "hostile$round" 65536)" "userns:/proc/$hostile/ns/user" \
                        >"$NSR/hostile" 2>&1 3>&- &
                asking=$!
                namespace_as "$ALICE"
                allocate "$(allocate_json "good$round" 65536)" "userns:$USERNS"
                wait "$asking" || true
                cat "$NSR/hostile"
                wait_for count_is helpers 0
                count_is reserved 0
                count_is mapping 0
                if [ "$(cat "$NSR/hostile")" != "{\"name\":\"hostile$round\"}" ]; then
                        [ "$(cat "$NSR/hostile")" = 'io.systemd.System {"errno":110,"errnoName":"ETIMEDOUT","origin":"linux"}' ]
                        count_is active "$round"
                        [ -z "$(cat "/proc/$hostile/uid_map" "/proc/$hostile/gid_map")" ]
                        break
                fi
                count_is active $((round + 1))
                [ "$(awk '{ print $1, $3 }' "/proc/$hostile/uid_map" "/proc/$hostile/gid_map" | xargs)" = "0 65536 0 65536" ]
                namespace_end "$hostile"
                wait_for count_is active "$round"
        done
        # It was, once.
        [ "$round" -le 100 ]
        daemon_stop
}

namespace_differs() {
        [ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

@test "maps written by the client between check and write: never two owners of an ID" {
        local i racer
        for i in $(seq 1 40); do
                namespace_as "$ALICE"
                (
                        # From none to 0.7 seconds: whatever the machine, it comes before, between and after.
                        sleep "$(printf '0.%03d' $((i * i * (RANDOM % 10) / 20)))" # a moment, not a wait
                        as "$ALICE" sh -c "echo deny >/proc/$HOLDER/setgroups; echo '0 $ALICE 1' >/proc/$HOLDER/gid_map"
                ) 2>/dev/null 3>&- &
                racer=$!
                allocate "$(allocate_json "r$i" 65536)" "userns:$USERNS" >>"$NSR/answers" 2>&1 || true
                wait "$racer" || true
                awk -v ns="$i" '$3 == 65536 { print $2, $3, ns }' "/proc/$HOLDER/uid_map" "/proc/$HOLDER/gid_map" | sort -u >>"$NSR/maps"
        done
        # Some rounds were won by us.
        [ "$(wc -l <"$NSR/maps")" -gt 0 ]
        # Each start belongs to one namespace.
        [ "$(sort -u "$NSR/maps" | wc -l)" = "$(cut -d' ' -f1 "$NSR/maps" | sort -u | wc -l)" ]
        # A half-mapped namespace keeps its slot: it is neither free nor nameable.
        while read -r start _; do
                call --more org.nsresource.Manager.List '{}' |
                        jq -es "any(.[]; .range.start == $start and (.range.state == \"active\" or .range.state == \"mapping\"))" >/dev/null
        done <"$NSR/maps"
}

@test "killed at each step of a request with the namespace kept alive: no ID is lent twice" {
        time_limit 1200
        need_command strace
        local step steps calls status early kept=0 killed=0
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x10000000' 'End=0x103fffff'
        rm -r "$NSR/run"
        calls=openat,close,read,write,pwrite64,sendmsg,sendto,recvmsg,recvfrom,clone,clone3,ioctl,unlink,flock,fcntl
        # What a request does, call by call: each by its name and how often that was called before, which is how strace counts.
        daemon_start
        namespace_as "$ALICE"
        trace_daemon "$NSR/trace" -e trace="$calls"
        allocate "$(allocate_json all 65536)" "userns:$USERNS"
        trace_end
        daemon_stop
        awk -F '(' '/^[a-z_0-9]+\(/ { print $1 ":" ++n[$1] }' "$NSR/trace" >"$NSR/steps"
        [ "$(wc -l <"$NSR/steps")" -ge 40 ]
        # About forty of them.
        mapfile -t steps < <(awk -v n="$(wc -l <"$NSR/steps")" 'NR % int((n + 39) / 40) == 0' "$NSR/steps")
        for step in "${steps[@]}"; do
                daemon_start
                namespace_as "$ALICE"
                trace_daemon /dev/null -e trace="${step%:*}" -e inject="${step%:*}:signal=KILL:when=${step#*:}"
                status=0 early=0
                ! daemon_is_dead || early=1
                allocate "$(allocate_json "${step/:/-}" 65536 '"mangleName":true')" "userns:$USERNS" >/dev/null 2>&1 || status=$?
                # No answer came to a request that was made.
                [ "$status$early" != 20 ] || killed=$((killed + 1))
                trace_end
                # It has ended by nothing else.
                daemon_stop KILL 2>/dev/null || [ "$?" = 137 ]
                awk -v ns="$step" '{ print $2, $3, ns }' "/proc/$HOLDER/uid_map" "/proc/$HOLDER/gid_map" | sort -u >>"$NSR/maps"
        done
        # Now and then it does less than it did.
        echo "# killed $killed times of ${#steps[@]}"
        [ "$killed" -ge $((${#steps[@]} / 2)) ]
        # Now take everything that is left, with the killed ones' namespaces still alive.
        daemon_start
        while :; do
                namespace_as "$BOB"
                call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json "b$kept" 65536)" "userns:$USERNS" >"$NSR/answer" || break
                awk -v ns="b$kept" '{ print $2, $3, ns }' "/proc/$HOLDER/uid_map" >>"$NSR/maps"
                kept=$((kept + 1))
        done
        [ "$(cat "$NSR/answer")" = "$SERVICE.NoDynamicRange {}" ]
        [ "$kept" -gt 0 ]
        [ "$(sort -u "$NSR/maps" | wc -l)" = "$(cut -d' ' -f1 "$NSR/maps" | sort -u | wc -l)" ]
        count_is reserved 0
}

# trace_daemon FILE OPTION...; trace_end
trace_daemon() {
        strace -qq -o "$1" -p "$DAEMON" "${@:2}" 3>&- &
        TRACER=$!
        wait_for traced
}

trace_end() {
        kill "$TRACER" 2>/dev/null || true
        wait "$TRACER" 2>/dev/null || true
}

daemon_is_dead() {
        grep -q '^State:[[:space:]]Z' "/proc/$DAEMON/status"
}

# What a daemon does after its start may be the call that it is killed at: then it is dead already.
traced() {
        daemon_is_dead || ! grep -q '^TracerPid:[[:space:]]0$' "/proc/$DAEMON/status"
}

# answers_of_list: the daemon's answers to many lists at once that nobody reads for a while.
answers_of_list() {
        "$abs_top_builddir/tests/tools/flood" "$NSR/socket" 1500 '{"method":"org.nsresource.Manager.List","more":true}'
}

@test "a list whose reader is slow is complete" {
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        answers_of_list >"$NSR/answers"
        [ "$(grep -c error "$NSR/answers")" = 0 ]
        [ "$(grep -c "\"$ALICE-a\"" "$NSR/answers")" = 1500 ]
}

@test "calls without a pause keep nobody from a range, however many" {
        local i
        for i in 1 2 3 4; do
                background "$BOB" "$abs_top_builddir/tests/tools/flood" "$NSR/socket" 0 \
                        '{"method":"org.varlink.service.GetInfo"}'
        done
        # More than the helpers of one account, each of which is done with once its range is mapped.
        run timeout 60 setpriv --reuid="$ALICE" --regid="$ALICE" --clear-groups -- \
                "$abs_top_builddir/tests/tools/cycle" "$NSR/socket" 40 65536
        [ "$output" = "done 40" ]
        # They end unnoticed by nobody, too.
        nothing_but_quarantine 40
}

@test "lock files that cannot be made: the error is told, not that the pool is empty" {
        rm -rf "$NSR/nspawn"
        : >"$NSR/nspawn"
        namespace_as "$ALICE"
        refused io.systemd.System '{"errno":20,"errnoName":"ENOTDIR","origin":"linux"}' \
                allocate "$(allocate_json a 65536)" "userns:$USERNS"
        rm "$NSR/nspawn"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
}

@test "what stands in a lock file's place takes one slot out, not all" {
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x10000000' 'End=0x1002ffff'
        rm -rf "$NSR/run" "$NSR/nspawn"
        mkdir -p "$NSR/nspawn/$((0x10000000))"
        ln -s /dev/null "$NSR/nspawn/$((0x10010000))"
        daemon_start
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        read -r _ outside _ <"/proc/$HOLDER/uid_map"
        [ "$outside" = $((0x10020000)) ]
        namespace_as "$ALICE"
        refused "$SERVICE.NoDynamicRange" '' allocate "$(allocate_json b 65536)" "userns:$USERNS"
}

@test "a client's text is one short line in the log" {
        local long
        long=$(printf '%05000d' 0)
        run call_as "$ALICE" "io.example.$long" '{}'
        grep -q "io.example.0* by UID $ALICE refused: org.varlink.service.MethodNotFound" "$NSR/log"
        run call_as "$ALICE" org.varlink.service.GetInfo "{\"$long\":1}"
        grep -q "GetInfo by UID $ALICE refused: org.varlink.service.InvalidParameter 0*$" "$NSR/log"
        [ "$(awk '{ print length }' "$NSR/log" | sort -n | tail -n 1)" -le 400 ]
}

@test "the provider's socket is told of the pool at each start: another table may be of another" {
        need_command strace
        local start ids children
        daemon_stop
        for start in 10000000 20000000; do
                rm -rf "$NSR/run"
                daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' "Start=0x$start" "End=0x${start%0000}ffff"
                # A kernel that takes attributes of sockets, whatever this one does.  LeakSanitizer has to trace, too: beside
                # strace it does not see what the stack holds.
                printf '%s\n' '#!/bin/sh' "export ASAN_OPTIONS=detect_leaks=0" \
                        "exec strace -qq -o '$NSR/trace' -e trace=lsetxattr -e inject=lsetxattr:retval=0 \\" \
                        "'$abs_top_builddir/nsresourced' \"\$@\"" >"$NSR/traced"
                chmod 755 "$NSR/traced"
                NSR_DAEMON=$NSR/traced daemon_start
                sed -n 's/^lsetxattr("\([^"]*\)", "\([^"]*\)", "\([^"]*\)", .*/\1 \2=\3/p' "$NSR/trace" >"$NSR/attributes"
                cat "$NSR/attributes"
                ids=$((0x$start))-$((0x$start + 65535))
                printf '%s\n' "$NSR/userdb user.userdb.uid=$ids" "$NSR/userdb user.userdb.gid=$ids" | diff - "$NSR/attributes"
                # strace passes no signal on.
                read -ra children <"/proc/$DAEMON/task/$DAEMON/children" || true
                kill "${children[0]}"
                wait "$DAEMON" || true
                DAEMON=
        done
}
