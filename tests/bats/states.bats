#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a range is in each state: taken, for whoever follows systemd-nspawn's rules; charged, for whoever had it; and its
# name, which comes back.

load common
load daemon

bats_require_minimum_version 1.5.0

setup() {
        need_command jq perl
        daemon_setup
        daemon_start
}

teardown() {
        daemon_teardown
}

allocate() {
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$@"
}

# start_of HOLDER: the first ID that it was lent.
start_of() {
        awk '{ print $2 }' "/proc/$1/uid_map"
}

# nspawn_finds_free ID: the lock of systemd-nspawn's rules.  F_OFD_SETLK, which flock(1) cannot: F_WRLCK, SEEK_SET, all of
# the file.  What is made for it is removed as nspawn does.
nspawn_finds_free() {
        perl -e 'use Fcntl;
                sysopen F, $ARGV[0], O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or die "open: $!";
                $lock = pack "s s x4 q q i x4", 1, 0, 0, 0, 0;
                fcntl F, 37, $lock or $!{EAGAIN} ? exit 1 : die "fcntl: $!";
                unlink $ARGV[0] or die "unlink: $!"' "$NSR/nspawn/$1"
}

reload() {
        daemon_configure "$@"
        : >"$NSR/log"
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
}

nobody_is_active() {
        count_is active 0 && count_is releasing 0
}

@test "the lock of a slot is held as long as it is not free, over the daemon's death too" {
        local start single large
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        local holder=$HOLDER
        start=$(start_of "$holder")
        namespace_as "$ALICE"
        allocate "$(allocate_json b 1)" "userns:$USERNS"
        single=$(($(start_of "$HOLDER") / 65536 * 65536))
        namespace_as "$ALICE"
        allocate "$(allocate_json c 131072)" "userns:$USERNS"
        large=$(start_of "$HOLDER")
        local id
        for id in "$start" "$single" "$large" $((large + 65536)); do
                run -1 nspawn_finds_free "$id"
        done
        # What is free is, and stays so.
        nspawn_finds_free $((0x6FFF0000))
        [ ! -e "$NSR/nspawn/$((0x6FFF0000))" ]

        daemon_stop KILL || true
        daemon_start
        for id in "$start" "$single" "$large" $((large + 65536)); do
                run -1 nspawn_finds_free "$id"
        done
        # Quarantined: without enforcement it is not lent again, nor is it anybody else's.
        namespace_end "$holder"
        wait_for count_is quarantined 1
        run -1 nspawn_finds_free "$start"
        # One descriptor for all.
        [ "$(find "$NSR/nspawn" -type f -printf '%i\n' | sort -u | wc -l)" = 1 ]
        call org.nsresource.Manager.ClearUnenforced '{}'
        count_is quarantined 0
        wait_for nspawn_finds_free "$start"
        run -1 nspawn_finds_free "$single"
}

@test "the lock is there while the maps are written by the client" {
        # Whoever writes one map itself, between two steps of the daemon's, has the IDs in a range that is never answered for.
        # Here: a map of its own beforehand, and so nothing is lent; and what was chosen for it is free again.
        background "$ALICE" unshare -Ur -- sleep 3600
        wait_for namespace_is_new "$BACKGROUND"
        refused org.varlink.service.InvalidParameter '{"parameter":"userNamespaceFileDescriptor"}' \
                allocate "$(allocate_json x 65536)" "userns:/proc/$BACKGROUND/ns/user"
        [ "$(find "$NSR/nspawn" -type f -name '[0-9]*' | wc -l)" = 0 ]
}

@test "what the host uses is not shown as free to systemd-nspawn either, and what nspawn has is left alone" {
        local ours=$((0x80000)) theirs=$((0x90000))
        daemon_stop
        rm -f "$NSR/run/table"
        background $((ours + 7)) sleep 3600
        background $((theirs + 7)) sleep 3600
        exec 8>"$NSR/nspawn/$theirs"
        perl -e 'open F, ">&=8"; $lock = pack "s s x4 q q i x4", 1, 0, 0, 0, 0; fcntl F, 37, $lock or die "fcntl: $!"'
        daemon_start 8>&-
        grep -q "IDs from $ours on are in use" "$NSR/log"
        grep -q "IDs from $theirs on are in use" "$NSR/log"
        run -1 nspawn_finds_free "$ours"
        # Its lock is its own: it goes with it, and nothing of ours is in its place.
        run -1 nspawn_finds_free "$theirs"
        exec 8>&-
        nspawn_finds_free "$theirs"
}

@test "what is out of use is charged: exact refusal, over a restart and a lost table, until it is cleared" {
        reload '[Policy]' 'Enforcement=none' '[Limits]' 'QuarantinedPerUser=2'
        local name i
        for name in a b; do
                namespace_as "$ALICE"
                allocate "$(allocate_json $name 65536)" "userns:$USERNS"
                namespace_end "$HOLDER"
                wait_for nobody_is_active
        done
        namespace_as "$ALICE"
        refused io.systemd.System '{"errno":122,"errnoName":"EDQUOT","origin":"linux"}' \
                allocate "$(allocate_json c 65536)" "userns:$USERNS"
        grep -q "UID $ALICE gets no more IDs.*nsresourcectl unenforced clear" "$NSR/log"
        local alice=$USERNS
        namespace_as "$BOB"
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json c 65536)" "userns:$USERNS"
        namespace_end "$HOLDER"
        wait_for nobody_is_active

        daemon_stop KILL || true
        daemon_start
        refused io.systemd.System '{"errno":122,"errnoName":"EDQUOT","origin":"linux"}' \
                allocate "$(allocate_json d 65536)" "userns:$alice"
        # As after a reboot: the marks are there, the table is not.
        daemon_stop
        rm "$NSR/run/table"
        daemon_start
        refused io.systemd.System '{"errno":122,"errnoName":"EDQUOT","origin":"linux"}' \
                allocate "$(allocate_json d 65536)" "userns:$alice"
        namespace_as "$BOB"
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json d 65536)" "userns:$USERNS"

        call org.nsresource.Manager.ClearUnenforced '{}'
        allocate "$(allocate_json d 65536)" "userns:$alice"
}

@test "single IDs: eight slots each" {
        reload '[Policy]' 'Enforcement=none' '[Limits]' 'QuarantinedPerUser=8'
        namespace_as "$ALICE"
        allocate "$(allocate_json a 1)" "userns:$USERNS"
        namespace_as "$ALICE"
        refused io.systemd.System '{"errno":122,"errnoName":"EDQUOT","origin":"linux"}' \
                allocate "$(allocate_json b 65536)" "userns:$USERNS"
}

@test "marks of an earlier version are read: nobody's, and still marks" {
        daemon_stop
        rm "$NSR/run/table"
        head -c 65536 /dev/zero | tr '\0' 0 >"$NSR/state/unenforced"
        printf 1 | dd of="$NSR/state/unenforced" bs=1 seek=8 conv=notrunc status=none
        daemon_start
        count_is unenforced 1
        count_is quarantined 1
        [ "$(stat -c %s "$NSR/state/unenforced")" = $((65536 * 9)) ]
}

@test "one command after the other under one name: each is served" {
        local i
        mkdir "$NSR/bin"
        cp "$abs_top_builddir/nsresourcectl" "$NSR/bin"
        reload '[Policy]' 'Enforcement=none' '[Limits]' 'QuarantinedPerUser=1000'
        for ((i = 0; i < 20; i++)); do
                as "$ALICE" "$NSR/bin/nsresourcectl" --socket "$NSR/socket" run --name box -- true || {
                        echo "number $i was refused"
                        return 1
                }
        done
}

@test "the name of a namespace that lives is refused, to its owner and to others" {
        namespace_as "$ALICE"
        allocate "$(allocate_json box 65536)" "userns:$USERNS"
        namespace_as "$ALICE"
        refused "$SERVICE.NameExists" '' allocate "$(allocate_json box 65536)" "userns:$USERNS"
        # Root's names are nobody else's.
        background 0 unshare -U -- sleep 3600
        wait_for namespace_is_new "$BACKGROUND"
        refused "$SERVICE.NameExists" '' call "$SERVICE.AllocateUserRange" "$(allocate_json "$ALICE-box" 65536)" \
                "userns:/proc/$BACKGROUND/ns/user"
        # Who has it is in the log.
        local uid
        for uid in "$ALICE" 0; do
                grep -q "UID $uid is refused the name \"$ALICE-box\": it is that of a namespace of UID $ALICE, charged to UID $ALICE, that lives" \
                        "$NSR/log"
        done
}

@test "who has names that are refused: twenty lines a minute" {
        local i start=$SECONDS lines
        namespace_as "$ALICE"
        allocate "$(allocate_json box 65536)" "userns:$USERNS"
        namespace_as "$ALICE"
        for ((i = 0; i < 45; i++)); do
                refused "$SERVICE.NameExists" '' allocate "$(allocate_json box 65536)" "userns:$USERNS"
        done
        lines=$(grep -c 'is refused the name' "$NSR/log")
        [ "$lines" -ge 20 ]
        # However long that took.
        [ "$lines" -le $((20 * (1 + (SECONDS - start + 1) / 60))) ]
}

@test "more requests for a name at once than may wait: all are answered, one gets it" {
        local i pids=()
        namespace_as "$ALICE"
        allocate "$(allocate_json box 65536)" "userns:$USERNS"
        # No process, but something keeps it: its descriptor.
        exec 9<"$USERNS"
        namespace_end "$HOLDER"
        for ((i = 0; i < 12; i++)); do
                namespace_as "$ALICE" 9<&-
                allocate "$(allocate_json box 65536)" "userns:$USERNS" >"$NSR/answer-$i" 2>&1 9<&- &
                pids+=($!)
        done
        # Others are served meanwhile.
        namespace_as "$BOB" 9<&-
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json box 65536)" "userns:$USERNS"
        for i in "${pids[@]}"; do
                wait "$i" || true
        done
        [ "$(cat "$NSR"/answer-* | sort -u)" = "$SERVICE.NameExists {}" ]
        exec 9<&-
        namespace_as "$ALICE"
        allocate "$(allocate_json box 65536)" "userns:$USERNS"
}
