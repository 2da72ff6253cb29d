#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# IDs that somebody else has, or gets later, are never lent: users of a directory, sessions, homes, Reserved=, subuid
# blocks.  The daemon runs in a mount namespace of its own, with an nsswitch.conf, a /home and a /run/user of ours.

load common
load daemon

# Four slots, and what lies in them.
FIRST=$((0x20000000))
SLOT=65536

setup() {
        need_command unshare
        unshare -m true 2>/dev/null || cannot userns "no mount namespace can be made here"
        daemon_setup
        mkdir -p "$NSR/home" "$NSR/run-user" "$NSR/linger" "$NSR/lib" "$NSR/cgroup/user.slice"
        cp "$abs_top_builddir/.libs/libnss_fake.so.2" "$NSR/lib"
        : >"$NSR/directory"
        sed '/^\(passwd\|group\)/d' /etc/nsswitch.conf >"$NSR/nsswitch.conf"
        printf '%s: files fake\n' passwd group >>"$NSR/nsswitch.conf"
        cat >"$NSR/daemon" <<SCRIPT
#!/bin/bash
set -e
mount --bind "$NSR/nsswitch.conf" /etc/nsswitch.conf
mount -t tmpfs -o mode=755 none /run
mkdir /run/user
mount --bind "$NSR/run-user" /run/user
mount --bind "$NSR/home" /home
mount --bind "$NSR/cgroup" /sys/fs/cgroup
export LD_LIBRARY_PATH=$NSR/lib NSR_FAKE_DIRECTORY=$NSR/directory
exec "${NSR_DAEMON:-$abs_top_builddir/nsresourced}" "\$@"
SCRIPT
        cat >"$NSR/isolated-daemon" <<SCRIPT
#!/bin/bash
exec unshare -m --propagation private bash "$NSR/daemon" "\$@"
SCRIPT
        chmod 755 "$NSR/isolated-daemon"
        NSR_DAEMON=$NSR/isolated-daemon
        # Each look for IDs in use is a line in $NSR/looks.
        mkdir -m 755 "$NSR/ask"
        mv "$NSR/nsresource-ask" "$NSR/ask"
        printf '%s\n' '#!/bin/sh' "[ \"\$1\" != used ] || echo >>'$NSR/looks'" "exec '$NSR/ask/nsresource-ask' \"\$@\"" >"$NSR/nsresource-ask"
        chmod 755 "$NSR/nsresource-ask"
        : >"$NSR/looks"
        chmod 666 "$NSR/looks"
        pool 4
}

# looked_anew: the look that is in force has begun later than this.  Each begins when the last one has ended.
looked_anew() {
        local before
        before=$(wc -l <"$NSR/looks")
        wait_for looks_are_more_than $((before + 1))
}

looks_are_more_than() {
        # Who asks for more than there is has it look, and gets nothing.
        nothing_is_left $((5 * SLOT)) >/dev/null || return
        [ "$(wc -l <"$NSR/looks")" -gt "$1" ]
}

# checked: what `nsresourcectl check` says; it fails for much that this machine does not have.
checked() {
        "$abs_top_builddir/nsresourcectl" --socket="$NSR/socket" check || [ $? = 1 ]
}

teardown() {
        daemon_teardown
}

# pool SLOTS [LINE...]: a pool of so many, and more lines for [Pool].
pool() {
        local slots=$1
        shift
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' "Start=$FIRST" "End=$((FIRST + slots * SLOT - 1))" "$@"
}

# lend NAME [SIZE]: to a new namespace of Alice's; sets HOLDER and GOT.
lend() {
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json "$1" "${2:-$SLOT}")" "userns:$USERNS" || return
        read -r _ GOT _ <"/proc/$HOLDER/uid_map"
}

nothing_is_left() {
        namespace_as "$ALICE"
        refused "$SERVICE.NoDynamicRange" '' call_as "$ALICE" "$SERVICE.AllocateUserRange" \
                "$(allocate_json none "${1:-$SLOT}")" "userns:$USERNS"
}

# slot_number ID
slot_number() {
        echo $((($1 - FIRST) / SLOT))
}

lends_slot() {
        lend "$1" >/dev/null 2>&1 && [ "$(slot_number "$GOT")" = "$2" ]
}

@test "a slot of which the name service knows a user or group is not lent, for ranges of any size" {
        printf '%s\n' "user carol $((FIRST + 1000))" "group staff $((FIRST + 2 * SLOT + 513))" \
                "user last $((FIRST + 4 * SLOT - 1))" >"$NSR/directory"
        daemon_start
        nothing_is_left $((2 * SLOT))
        lend web
        [ "$(slot_number "$GOT")" = 1 ]
        nothing_is_left
        nothing_is_left 1
}

@test "a directory user whose ID is in no sample, but who has a process, keeps the slot" {
        daemon_start
        background $((FIRST + 3 * SLOT + 4711)) sleep 1000
        local process=$BACKGROUND
        looked_anew
        lend a
        lend b
        lend c
        nothing_is_left
        namespace_end "$process"
        wait_for lends_slot d 3
}

@test "a session, a user's control group, a home and a linger file keep their slots" {
        pool 5
        daemon_start
        lend first >/dev/null
        namespace_end "$HOLDER"
        mkdir "$NSR/run-user/$((FIRST + 77))"
        local taken
        taken=$(slot_number "$GOT")
        # Of the four others: one each, at a number that no sample has.
        local others=()
        for slot in 0 1 2 3 4; do
                [ "$slot" = "$taken" ] || others+=("$slot")
        done
        daemon_stop
        rmdir "$NSR/run-user/$((FIRST + 77))"
        rm -rf "$NSR/run" "$NSR/state"
        mkdir "$NSR/run-user/$((FIRST + others[0] * SLOT + 77))"
        mkdir "$NSR/cgroup/user.slice/user-$((FIRST + others[1] * SLOT + 77)).slice"
        mkdir "$NSR/home/dora" "$NSR/home/emil"
        chown "$((FIRST + others[2] * SLOT + 77))" "$NSR/home/dora"
        chgrp "$((FIRST + others[3] * SLOT + 77))" "$NSR/home/emil"
        daemon_start
        lend only
        [ "$(slot_number "$GOT")" = "$taken" ]
        nothing_is_left
}

@test "what comes while the daemon runs counts too: a session after the first request" {
        daemon_start
        lend a
        local other=$(((GOT - FIRST) / SLOT == 0 ? 1 : 0))
        mkdir "$NSR/run-user/$((FIRST + other * SLOT + 77))"
        looked_anew
        lend b
        [ "$(slot_number "$GOT")" != "$other" ]
        lend c
        [ "$(slot_number "$GOT")" != "$other" ]
        nothing_is_left
}

@test "one slot that the name service never answers for is passed over; others are lent" {
        printf 'hang %s %s\n' $((FIRST + SLOT)) $((FIRST + 2 * SLOT - 1)) >"$NSR/directory"
        daemon_start
        lend a
        lend b
        lend c
        call --more org.nsresource.Manager.List '{}' | absent "\"start\":$((FIRST + SLOT)),"
        nothing_is_left
}

@test "a name service that hangs: nothing is lent, the log and check say why, everything else goes on" {
        printf 'hang %s %s\n' "$FIRST" $((FIRST + 64 * SLOT)) >"$NSR/directory"
        pool 64
        daemon_start
        nothing_is_left
        grep -q 'The name service does not answer whose some UIDs are (no answer in time)' "$NSR/log"
        [ "$(grep -c 'The name service does not answer' "$NSR/log")" = 1 ]
        nothing_is_left
        [ "$(grep -c 'The name service does not answer' "$NSR/log")" = 1 ]
        call org.nsresource.Manager.GetStatus '{}' | jq -e '.messages | any(startswith("The name service does not answer"))'
        checked | grep 'note.*The name service does not answer'
        # Registering lends nothing, and is not held up.
        background "$ALICE" unshare -U --map-root-user -- sleep 3600
        wait_for namespace_is_new "$BACKGROUND"
        call_as "$ALICE" "$SERVICE.RegisterUserNamespace" '{"name":"mine","userNamespaceFileDescriptor":0}' \
                "userns:/proc/$BACKGROUND/ns/user"
        pool 64 NameService=ignore
        kill -HUP "$DAEMON"
        wait_for lend without
        # The other way round it asks again.
        : >"$NSR/directory"
        pool 64 NameService=ask
        kill -HUP "$DAEMON"
        wait_for lend with
}

@test "a directory that is not there counts as one that does not answer" {
        printf 'refuse %s %s\n' "$FIRST" $((FIRST + 64 * SLOT)) >"$NSR/directory"
        pool 64
        daemon_start
        nothing_is_left
        grep -q 'The name service does not answer whose some UIDs are (fake: Connection refused)' "$NSR/log"
        : >"$NSR/directory"
        wait_for lend again
        grep -q 'The name service answers again' "$NSR/log"
}

@test "a directory that is not there is noticed whatever the services behind it say" {
        printf 'refuse %s %s\n' "$FIRST" $((FIRST + 64 * SLOT)) >"$NSR/directory"
        sed -i 's/files fake/files [!SUCCESS=continue] fake db files/' "$NSR/nsswitch.conf"
        grep -q 'passwd: .*fake db files' "$NSR/nsswitch.conf"
        pool 64
        daemon_start
        nothing_is_left
        grep -q 'The name service does not answer whose some UIDs are (fake: Connection refused)' "$NSR/log"
        # One without a server, as sss is where nobody set it up, is no directory.
        printf 'absent %s %s\n' "$FIRST" $((FIRST + 64 * SLOT)) >"$NSR/directory"
        wait_for lend again
}

@test "nobody hangs with the name service: the daemon asks in a child without privilege, and stops at once" {
        printf 'hang %s %s\n' "$FIRST" $((FIRST + 64 * SLOT)) >"$NSR/directory"
        pool 64
        daemon_start
        local child status
        wait_for asks
        child=$(pgrep -P "$DAEMON" -x nsresource-ask | head -n 1)
        status=$(cat "/proc/$child/status")
        grep -qE '^Uid:[[:blank:]]65534[[:blank:]]65534[[:blank:]]65534[[:blank:]]65534$' <<<"$status"
        grep -qE '^Gid:[[:blank:]]65534[[:blank:]]65534[[:blank:]]65534[[:blank:]]65534$' <<<"$status"
        grep -qE '^CapEff:[[:blank:]]0+$' <<<"$status"
        grep -qE '^NoNewPrivs:[[:blank:]]1$' <<<"$status"
        daemon_stop
        wait_for gone "$child"
}

asks() {
        pgrep -P "$DAEMON" -x nsresource-ask >/dev/null &&
                grep -q '^Uid:[[:blank:]]65534' "/proc/$(pgrep -P "$DAEMON" -x nsresource-ask | head -n 1)/status"
}

gone() {
        [ ! -e "/proc/$1" ]
}

@test "Reserved=: at the start, at a reload, and what is lent already stays" {
        pool 4 "Reserved=$((FIRST + 5)) $((FIRST + 2 * SLOT - 1))-$((FIRST + 2 * SLOT))"
        daemon_start
        lend a
        [ "$(slot_number "$GOT")" = 3 ]
        nothing_is_left
        pool 4 "Reserved=$((FIRST + 5))" "Reserved=$((FIRST + 3 * SLOT))"
        kill -HUP "$DAEMON"
        wait_for lend b
        lend c
        nothing_is_left
        [ "$(call --more org.nsresource.Manager.List '{}' | grep -c active)" = 3 ]
        # A mistake changes nothing.
        pool 4 "Reserved=5-"
        kill -HUP "$DAEMON"
        wait_for grep -q 'Reserved: "5-" is not FIRST-LAST' "$NSR/log"
        nothing_is_left
}

@test "nobody waits for answers about what Reserved= or a file of /etc names, nor for a directory that hangs there" {
        printf 'hang %s %s\n' $((FIRST + SLOT)) $((FIRST + 64 * SLOT - 1)) >"$NSR/directory"
        printf 'bob:%s:%s\n' $((FIRST + 40 * SLOT)) $((24 * SLOT)) >"$NSR/etc/subuid"
        pool 64 "Reserved=$((FIRST + SLOT))-$((FIRST + 40 * SLOT - 1))"
        daemon_start
        lend only
        [ "$(slot_number "$GOT")" = 0 ]
        nothing_is_left
        [ "$(grep -c 'The name service does not answer' "$NSR/log")" = 0 ]
}

@test "useradd's side of the pool comes last: first what lies above SUB_UID_MAX, then from the top down" {
        printf 'SUB_UID_MAX %s\nSUB_GID_MAX 600000\n' $((FIRST + 2 * SLOT)) >"$NSR/etc/login.defs"
        daemon_start
        local slot
        for slot in 3 2 1 0; do
                lend "n$slot"
                [ "$(slot_number "$GOT")" = "$slot" ]
        done
}

# replace FILE LINE...: as useradd does, by another file of the name.
replace() {
        printf '%s\n' "${@:2}" >"$NSR/etc/$1+"
        mv "$NSR/etc/$1+" "$NSR/etc/$1"
}

says() {
        grep -qF -- "$1" "$NSR/log"
}

message() {
        call org.nsresource.Manager.GetStatus '{}' | jq -e --arg text "$1" '.messages | any(contains($text))' >/dev/null
}

no_message() {
        ! message "$1"
}

@test "a subuid block added over a live range: named in the log, once, and in check, with its owner, until it is gone" {
        local range claim
        daemon_start
        lend web $((2 * SLOT))
        range="IDs $GOT to $((GOT + SLOT - 1)), lent to UID $ALICE as ns-$ALICE-web"
        claim="subuid block of bob in $NSR/etc/subuid"
        replace subuid "carol:100000:65536" "bob:$((GOT + 10)):100"
        wait_for says "$range, are claimed by somebody else now: $claim"
        message "$range, are claimed by somebody else now: $claim"
        checked | grep -F "note    nsresourced says: $range, are claimed"
        # Another change that is none of this range's.
        replace group 'root:x:0:' 'staff:x:50:'
        replace passwd 'root:x:0:0:root:/root:/bin/sh' "dora:x:$((GOT + SLOT + 5)):50::/:/bin/sh"
        wait_for says "IDs $((GOT + SLOT)) to $((GOT + 2 * SLOT - 1)), lent to UID $ALICE as ns-$ALICE-web, are claimed by somebody else now: user dora in"
        [ "$(grep -c "$claim" "$NSR/log")" = 1 ]
        # It goes on as it was.
        [ "$(count active)" = 1 ]
        replace subuid "carol:100000:65536"
        wait_for says "No longer so: $range"
        wait_for no_message "$claim"
        message 'user dora in'
}

@test "a reload whose Reserved= covers a live range names it too" {
        daemon_start
        lend web
        pool 4 "Reserved=$((GOT + 1))"
        kill -HUP "$DAEMON"
        wait_for says "are claimed by somebody else now: Reserved= of nsresourced.conf"
        message 'Reserved= of nsresourced.conf'
        [ "$(call org.nsresource.Manager.GetStatus '{}' | jq -c .reserved)" = "[{\"first\":$((GOT + 1)),\"last\":$((GOT + 1))}]" ]
        pool 4
        kill -HUP "$DAEMON"
        wait_for no_message 'Reserved= of nsresourced.conf'
}

@test "many live ranges: a change of /etc is found for each, and others are served meanwhile" {
        pool 64
        local i
        daemon_start
        for ((i = 0; i < 20; i++)); do
                lend "n$i"
        done
        replace subuid "bob:$FIRST:$((64 * SLOT))"
        wait_for message '4 more ranges are claimed by somebody else now'
        [ "$(grep -c 'are claimed by somebody else now' "$NSR/log")" = 20 ]
}

@test "a daemon that starts again finds what was claimed while it was away" {
        daemon_start
        lend web
        daemon_stop
        replace subuid "bob:$GOT:1"
        daemon_start
        wait_for says "are claimed by somebody else now: subuid block of bob"
}
