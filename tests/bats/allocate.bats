#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# AllocateUserRange: what it gives, each refusal with its exact error, and that a refusal changes nothing.

load common
load daemon

setup() {
        daemon_setup
        daemon_start
        # Slots in use on this host, by a container for instance.
        QUARANTINED=$(count quarantined)
}

teardown() {
        daemon_teardown
}

allocate() {
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$@"
}

# nothing_taken: a refusal left no record, no descriptor, no process.
nothing_taken() {
        local state
        for state in reserved mapping active releasing helpers; do
                wait_for count_is "$state" 0
        done
        count_is quarantined "$QUARANTINED"
        [ "$(find "$NSR/nspawn" -type f -name '[0-9]*' 2>/dev/null | wc -l)" = "$QUARANTINED" ]
}

@test "65,536 IDs: both maps are written alike, 64K-aligned, and the reply names the namespace" {
        namespace_as "$ALICE"
        run allocate "$(allocate_json web 65536)" "userns:$USERNS"
        [ "$status" = 0 ]
        [ "$output" = "{\"name\":\"$ALICE-web\"}" ]
        read -r inside outside size <"/proc/$HOLDER/uid_map"
        [ "$inside" = 0 ]
        [ "$size" = 65536 ]
        [ $((outside % 65536)) = 0 ]
        [ "$outside" -ge $((0x80000)) ]
        [ "$outside" -le $((0x6fff0000)) ]
        [ "$(cat "/proc/$HOLDER/uid_map")" = "$(cat "/proc/$HOLDER/gid_map")" ]
        [ "$(cat "/proc/$HOLDER/setgroups")" = allow ]
        count_is active 1
}

@test "any size: 1, 2, 65,535, 65,537 and 1,048,576 IDs; 0 and 1,048,577 are refused" {
        local size
        for size in 1 2 65535 65537 1048576; do
                namespace_as "$ALICE"
                allocate "$(allocate_json "s$size" "$size")" "userns:$USERNS"
                read -r inside outside mapped <"/proc/$HOLDER/uid_map"
                [ "$inside" = 0 ]
                [ "$mapped" = "$size" ]
        done
        namespace_as "$ALICE"
        for size in 0 -1 1048577 4294967297; do
                invalid size allocate "$(allocate_json "x" "$size")" "userns:$USERNS"
        done
        count_is active 5
}

@test "no two ranges overlap" {
        local i
        for i in 1 2 3 4 5 6 7 8; do
                namespace_as "$ALICE"
                allocate "$(allocate_json "n$i" $((i % 3 * 65535 + 1)))" "userns:$USERNS"
                sed "s/$/ $i/" "/proc/$HOLDER/uid_map" >>"$NSR/maps"
        done
        sort -k2n "$NSR/maps" | awk '{ if ($2 < end) exit 1; end = $2 + $3 }'
}

@test "target: the first ID inside; out of range is refused" {
        namespace_as "$ALICE"
        allocate "$(allocate_json t 65536 '"target":1000')" "userns:$USERNS"
        read -r inside _ <"/proc/$HOLDER/uid_map"
        [ "$inside" = 1000 ]

        namespace_as "$ALICE"
        allocate "$(allocate_json u 1 '"target":4294967294')" "userns:$USERNS"
        namespace_as "$ALICE"
        invalid target allocate "$(allocate_json v 1 '"target":4294967295')" "userns:$USERNS"
        invalid target allocate "$(allocate_json v 65536 '"target":4294901760')" "userns:$USERNS"
        invalid target allocate "$(allocate_json v 1 '"target":-1')" "userns:$USERNS"
        invalid target allocate "$(allocate_json v 1 '"target":65535')" "userns:$USERNS"
        allocate "$(allocate_json v 65536 '"target":4294901759')" "userns:$USERNS"
}

@test "explicit nulls count as absent, and numbers may be strings" {
        namespace_as "$ALICE"
        allocate "$(allocate_json n '"65536"' '"mangleName":null,"type":null,"target":null,"delegateContainerRanges":null,"mapForeign":null')" \
                "userns:$USERNS"
        namespace_as "$ALICE"
        allocate "$(allocate_json m 65536 '"type":"managed","delegateContainerRanges":0,"mapForeign":false')" "userns:$USERNS"
}

@test "names: lengths, bytes, mangling" {
        namespace_as "$ALICE"
        # UID and dash take 7 of the 22 bytes.
        invalid name allocate "$(allocate_json 1234567890123456 65536)" "userns:$USERNS"
        invalid name allocate "$(allocate_json 'a b' 65536)" "userns:$USERNS"
        invalid name allocate "$(allocate_json 'a/b' 65536)" "userns:$USERNS"
        invalid name allocate "$(allocate_json 'ä' 65536)" "userns:$USERNS"
        invalid name allocate "$(allocate_json 'a\n' 65536)" "userns:$USERNS"
        nothing_taken
        run allocate "$(allocate_json 123456789012345 65536)" "userns:$USERNS"
        [ "$output" = "{\"name\":\"$ALICE-123456789012345\"}" ]
        namespace_as "$ALICE"
        run allocate "$(allocate_json 1234567890abcdef 65536 '"mangleName":true')" "userns:$USERNS"
        [ "$output" = "{\"name\":\"$ALICE-1234567890abcde\"}" ]
        namespace_as "$ALICE"
        run allocate "$(allocate_json 'a b' 65536 '"mangleName":true')" "userns:$USERNS"
        [[ $output =~ ^\{\"name\":\"$ALICE-[0-9a-f]{15}\"\}$ ]]
        namespace_as "$ALICE"
        run allocate "$(allocate_json '' 65536)" "userns:$USERNS"
        [ "$output" = "{\"name\":\"$ALICE-\"}" ]
}

@test "root's names are taken as they are" {
        namespace_as 0
        run call "$SERVICE.AllocateUserRange" "$(allocate_json web 65536)" "userns:$USERNS"
        [ "$output" = '{"name":"web"}' ]
        namespace_as 0
        invalid name call "$SERVICE.AllocateUserRange" "$(allocate_json '' 65536)" "userns:$USERNS"
        invalid name call "$SERVICE.AllocateUserRange" "$(allocate_json 12345678901234567890123 65536)" "userns:$USERNS"
        call "$SERVICE.AllocateUserRange" "$(allocate_json 1234567890123456789012 65536)" "userns:$USERNS"
}

@test "missing, unknown and ill-typed fields are refused by name" {
        namespace_as "$ALICE"
        invalid name allocate '{"size":65536,"userNamespaceFileDescriptor":0}' "userns:$USERNS"
        invalid size allocate '{"name":"x","userNamespaceFileDescriptor":0}' "userns:$USERNS"
        invalid userNamespaceFileDescriptor allocate '{"name":"x","size":65536}' "userns:$USERNS"
        invalid userNamespaceFileDescriptor allocate '{"name":"x","size":65536,"userNamespaceFileDescriptor":null}' "userns:$USERNS"
        invalid allowInteractiveAuthentication allocate "$(allocate_json x 65536 '"allowInteractiveAuthentication":true')" "userns:$USERNS"
        invalid name allocate '{"name":7,"size":65536,"userNamespaceFileDescriptor":0}' "userns:$USERNS"
        invalid size allocate '{"name":"x","size":"big","userNamespaceFileDescriptor":0}' "userns:$USERNS"
        invalid mangleName allocate "$(allocate_json x 65536 '"mangleName":1')" "userns:$USERNS"
        invalid type allocate "$(allocate_json x 65536 '"type":"other"')" "userns:$USERNS"
        invalid type allocate "$(allocate_json x 65536 '"type":"self"')" "userns:$USERNS"
        invalid delegateContainerRanges allocate "$(allocate_json x 65536 '"delegateContainerRanges":16')" "userns:$USERNS"
        refused "$SERVICE.TooManyDelegations" '' allocate "$(allocate_json x 65536 '"delegateContainerRanges":17')" "userns:$USERNS"
        invalid mapForeign allocate "$(allocate_json x 65536 '"mapForeign":true')" "userns:$USERNS"
        nothing_taken
}

@test "a descriptor of every wrong kind" {
        local before
        namespace_as "$ALICE"
        before=$(descriptors_at_rest)
        mkfifo -m 666 "$NSR/fifo"
        for kind in null "file:/etc/passwd" "file:/" "file:/proc/self/ns/mnt" "file:/proc/self/ns/net" \
                "file:/proc/self/ns/pid" "file:/proc/self/ns/uts" "file:/proc/self/ns/ipc" "file:/proc/self/ns/cgroup" \
                "rw:$NSR/fifo" "userns:/proc/self/ns/user"; do
                invalid userNamespaceFileDescriptor allocate "$(allocate_json x 65536)" "$kind"
        done
        for kind in "opath:$USERNS" "directory:/"; do
                refused io.systemd.System '{"errno":121,"errnoName":"EREMOTEIO","origin":"linux"}' \
                        allocate "$(allocate_json x 65536)" "$kind"
        done
        refused io.systemd.System '{"errno":6,"errnoName":"ENXIO","origin":"linux"}' allocate "$(allocate_json x 65536)"
        for index in 1 -1 2147483648 9223372036854775807; do
                refused io.systemd.System '{"errno":6,"errnoName":"ENXIO","origin":"linux"}' \
                        allocate "{\"name\":\"x\",\"size\":65536,\"userNamespaceFileDescriptor\":$index}" "userns:$USERNS"
        done
        nothing_taken
        wait_for descriptors_are "$before"
        allocate '{"name":"x","size":65536,"userNamespaceFileDescriptor":1}' null "userns:$USERNS"
}

@test "another user's namespace is refused, to root it is not" {
        namespace_as "$ALICE"
        # Bob cannot even open it: root opens it for him.
        invalid userNamespaceFileDescriptor call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" dup:9 9<"$USERNS"
        nothing_taken
        run call "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "userns:$USERNS"
        [ "$output" = '{"name":"x"}' ]
}

@test "a namespace that is mapped, one that has a range, a name that is taken" {
        namespace_as "$ALICE"
        echo "0 $ALICE 1" | as "$ALICE" tee "/proc/$HOLDER/uid_map" >/dev/null
        invalid userNamespaceFileDescriptor allocate "$(allocate_json x 65536)" "userns:$USERNS"
        nothing_taken

        namespace_as "$ALICE"
        allocate "$(allocate_json x 65536)" "userns:$USERNS"
        invalid userNamespaceFileDescriptor allocate "$(allocate_json y 65536)" "userns:$USERNS"
        namespace_as "$ALICE"
        refused "$SERVICE.NameExists" '' allocate "$(allocate_json x 65536)" "userns:$USERNS"
        namespace_as "$BOB"
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json x 65536)" "userns:$USERNS"
        count_is active 2
}

@test "a name that passwd or group has already" {
        echo "ns-$ALICE-p-0:x:5:5::/:/bin/sh" >>"$NSR/etc/passwd"
        echo "ns-$ALICE-g-0:x:5:" >>"$NSR/etc/group"
        namespace_as "$ALICE"
        refused "$SERVICE.NameExists" '' allocate "$(allocate_json p 65536)" "userns:$USERNS"
        refused "$SERVICE.NameExists" '' allocate "$(allocate_json g 65536)" "userns:$USERNS"
        nothing_taken
        grep -q "UID $ALICE is refused the name \"$ALICE-g\": it is that of an account in passwd or group" "$NSR/log"
}

@test "a nested namespace: its parent was lent nothing to hand on" {
        background "$ALICE" unshare -r -- unshare -U -- sleep 3600
        wait_for namespace_is_new "$BACKGROUND"
        # Its owner is the outer namespace's nobody, who is Alice outside.
        refused "$SERVICE.DynamicRangeUnavailable" '' allocate "$(allocate_json x 65536)" "userns:/proc/$BACKGROUND/ns/user"
        nothing_taken
}

@test "slots claimed by passwd, group, subuid or subgid are not lent; without any left, NoDynamicRange" {
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x80000' 'End=0xcffff'
        rm -r "$NSR/run"
        echo "p:x:$((0x80000)):1::/:/bin/sh" >>"$NSR/etc/passwd"
        echo "g:x:$((0x9ffff)):" >>"$NSR/etc/group"
        echo "root:$((0xa8000)):10" >"$NSR/etc/subuid"
        echo "root:$((0xb0000)):65536" >"$NSR/etc/subgid"
        daemon_start
        namespace_as "$ALICE"
        allocate "$(allocate_json x 65536)" "userns:$USERNS"
        read -r _ outside _ <"/proc/$HOLDER/uid_map"
        [ "$outside" = $((0xc0000)) ]
        namespace_as "$ALICE"
        refused "$SERVICE.NoDynamicRange" '' allocate "$(allocate_json y 65536)" "userns:$USERNS"
        count_is active 1
}

@test "a slot that systemd-nspawn has locked is not lent" {
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x80000' 'End=0x8ffff'
        rm -r "$NSR/run"
        daemon_start
        namespace_as "$ALICE"
        mkdir -p "$NSR/nspawn"
        # nspawn takes F_OFD_SETLK locks, flock(1) cannot.  F_WRLCK, SEEK_SET, the whole file.
        exec 8>"$NSR/nspawn/$((0x80000))"
        perl -e 'open F, ">&=8"; $lock = pack "s s x4 q q i x4", 1, 0, 0, 0, 0; fcntl F, 37, $lock or die "fcntl: $!"'
        refused "$SERVICE.NoDynamicRange" '' allocate "$(allocate_json x 65536)" "userns:$USERNS"
        exec 8>&-
        allocate "$(allocate_json x 65536)" "userns:$USERNS"
}

@test "quotas: namespaces and IDs at the limit and one more, per user" {
        daemon_configure '[Policy]' 'Enforcement=none' '[Limits]' 'NamespacesPerUser=3' 'IDsPerUser=131073'
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        for name in a b; do
                namespace_as "$ALICE"
                allocate "$(allocate_json $name 65536)" "userns:$USERNS"
        done
        namespace_as "$ALICE"
        refused io.systemd.System '{"errno":87,"errnoName":"EUSERS","origin":"linux"}' \
                allocate "$(allocate_json c 2)" "userns:$USERNS"
        allocate "$(allocate_json c 1)" "userns:$USERNS"
        local third=$HOLDER
        namespace_as "$BOB"
        call_as "$BOB" "$SERVICE.AllocateUserRange" "$(allocate_json c 65536)" "userns:$USERNS"
        daemon_configure '[Policy]' 'Enforcement=none' '[Limits]' 'NamespacesPerUser=3'
        : >"$NSR/log"
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        namespace_as "$ALICE"
        refused io.systemd.System '{"errno":87,"errnoName":"EUSERS","origin":"linux"}' \
                allocate "$(allocate_json d 1)" "userns:$USERNS"
        # What has died does not count.  (The kernel lets go of a namespace a moment after its last process.)
        namespace_end "$third"
        wait_for allocate "$(allocate_json d 1)" "userns:$USERNS"
}

# What the table's header says of enumerations: the number at its byte 88 (lib/table/format.h).
set_entries() {
        od -An -tu4 -j88 -N4 "$NSR/run/table" | tr -d ' '
}

@test "SetEntries= reaches the table at the start and on a reload" {
        [ "$(set_entries)" = 0 ]
        daemon_configure '[Policy]' 'Enforcement=none' '[Names]' 'SetEntries=all'
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        [ "$(set_entries)" = 1 ]
        daemon_stop
        daemon_start
        [ "$(set_entries)" = 1 ]
        daemon_stop
        daemon_configure '[Policy]' 'Enforcement=none'
        daemon_start
        [ "$(set_entries)" = 0 ]
}

@test "a UID of a range counts as the range's owner" {
        daemon_configure '[Policy]' 'Enforcement=none' '[Limits]' 'NamespacesPerUser=1'
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        namespace_as "$ALICE"
        allocate "$(allocate_json a 65536)" "userns:$USERNS"
        read -r _ outside _ <"/proc/$HOLDER/uid_map"
        namespace_as $((outside + 5))
        refused io.systemd.System '{"errno":87,"errnoName":"EUSERS","origin":"linux"}' \
                call_as $((outside + 5)) "$SERVICE.AllocateUserRange" "$(allocate_json b 1)" "userns:$USERNS"
}

@test "methods of later versions say that they are not implemented" {
        refused org.varlink.service.MethodNotImplemented "{\"method\":\"$SERVICE.AddNetworkToUserNamespace\"}" \
                call "$SERVICE.AddNetworkToUserNamespace" '{"userNamespaceFileDescriptor":0,"mode":"veth"}'
        refused org.varlink.service.MethodNotFound "{\"method\":\"$SERVICE.Nothing\"}" call "$SERVICE.Nothing" '{}'
        refused org.varlink.service.MethodNotFound '{"method":"io.example.Nothing"}' call io.example.Nothing '{}'
}

@test "Enforcement=required without a policy: refused before any descriptor is looked at" {
        daemon_stop
        daemon_configure ''
        rm -r "$NSR/run"
        daemon_start
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' \
                call "$SERVICE.AllocateUserRange" '{"name":"test-supported","size":65536,"userNamespaceFileDescriptor":0}'
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' allocate "$(allocate_json x 65536)" "userns:$USERNS"
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' \
                call_as "$ALICE" "$SERVICE.RegisterUserNamespace" '{"name":"x","userNamespaceFileDescriptor":0}' "userns:$USERNS"
        # What is wrong with the call itself comes first.
        invalid size call "$SERVICE.AllocateUserRange" '{"name":"x","userNamespaceFileDescriptor":0}'
        [ "$(call org.nsresource.Manager.GetStatus '{}' | jq -r .serving)" = false ]
        nothing_taken
}

@test "each refusal is logged once, with the caller's UID" {
        namespace_as "$ALICE"
        invalid size allocate "$(allocate_json x 0)" "userns:$USERNS"
        [ "$(grep -c "AllocateUserRange by UID $ALICE refused: org.varlink.service.InvalidParameter size" "$NSR/log")" = 1 ]
}

@test "a misspelt setting stops the daemon with file, group and key" {
        daemon_stop
        daemon_configure '[Policy]' 'Enforcment=none'
        : >"$NSR/log"
        "$abs_top_builddir/nsresourced" --config="$NSR/nsresourced.conf" --socket="$NSR/socket2" --runtime-dir="$NSR/run" \
                --state-dir="$NSR/state" --etc="$NSR/etc" --nspawn-dir="$NSR/nspawn" --userdb-socket="$NSR/userdb" --nscd-socket="$NSR/nscd" --pin-dir="$NSR/pins" 2>"$NSR/log" && return 1
        grep -q 'nsresourced.conf.*Enforcment' "$NSR/log"
}
