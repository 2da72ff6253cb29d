#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a namespace that has a range can be given: mounts, control groups.

load common
load daemon
load cgroups

EREMOTEIO='{"errno":121,"errnoName":"EREMOTEIO","origin":"linux"}'
ENXIO='{"errno":6,"errnoName":"ENXIO","origin":"linux"}'

setup() {
        daemon_setup
        # Other tests' daemons look through the same hierarchy for what ranges of theirs left in it.
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x51000000' 'End=0x51ffffff'
        daemon_start
}

teardown() {
        # Alive ones first: a control group cannot go before them.
        local failed=0
        daemon_teardown || failed=1
        cgroups_teardown
        return "$failed"
}

add_mount() {
        local uid=$1
        shift
        call_as "$uid" "$SERVICE.AddMountToUserNamespace" '{"userNamespaceFileDescriptor":0,"mountFileDescriptor":1}' "$@"
}

@test "a control group is handed over: the directory and three files, nothing else" {
        cgroups_setup
        cgroup_as "$ALICE" box
        ranged_as "$ALICE" c
        run add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box"
        [ "$status" = 0 ]
        [ "$output" = '{}' ]
        [ "$(stat -c '%u %g %a' "$CGROUPS/box")" = "$START $START 755" ]
        owners "$CGROUPS/box" | awk -v start="$START" '
                { sub(".*/", "", $1); mine = $2 == start || $3 == start }
                mine && $1 == "box" { n++; next }
                mine && $1 ~ /^cgroup\.(procs|subtree_control|threads)$/ && $4 == 644 && $2 == $3 { n++; next }
                mine { print "too much: " $0; bad = 1 }
                END { exit bad || n != 4 }'
        # What a container does with it.
        nsenter -U -t "$HOLDER" -S 0 -G 0 mkdir "$CGROUPS/box/init" "$CGROUPS/box/init/deep"
        [ "$(stat -c %u "$CGROUPS/box/init/deep")" = "$START" ]
}

@test "sixteen control groups, and not one more; none twice" {
        cgroups_setup
        ranged_as "$ALICE" c
        local i
        for ((i = 1; i <= 17; i++)); do
                cgroup_as "$ALICE" "box$i"
        done
        for ((i = 1; i <= 16; i++)); do
                add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box$i"
        done
        owners "$CGROUPS/box17" >"$NSR/before"
        refused "$SERVICE.TooManyControlGroups" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box17"
        refused "$SERVICE.TooManyControlGroups" '' add_cgroup 0 "userns:$USERNS" "directory:$CGROUPS/box17"
        refused "$SERVICE.ControlGroupAlreadyAdded" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box16"
        owners "$CGROUPS/box17" | diff "$NSR/before" -
        # The list outlives the daemon.
        daemon_stop
        daemon_start
        refused "$SERVICE.ControlGroupAlreadyAdded" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box1"
        refused "$SERVICE.TooManyControlGroups" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box17"
        [ "$(stat -c '%u %a' "$NSR/run/details")" = "0 600" ]
}

@test "control groups of others, the root, one's own, other directories: exact errors, nothing changed" {
        cgroups_setup
        cgroup_as "$BOB" bobs
        cgroup_as "$ALICE" box
        ranged_as "$ALICE" c
        owners "$CGROUPS/bobs" >"$NSR/before"
        refused org.varlink.service.PermissionDenied '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/bobs"
        refused org.varlink.service.PermissionDenied '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS"
        owners "$CGROUPS/bobs" | diff "$NSR/before" -
        invalid controlGroupFileDescriptor add_cgroup 0 "userns:$USERNS" "directory:$HIERARCHY"
        [ "$(stat -c %u "$HIERARCHY")" = 0 ]

        # The daemon's own, and what is above it.
        mkdir "$CGROUPS/service" "$CGROUPS/service/daemon"
        echo "$DAEMON" >"$CGROUPS/service/daemon/cgroup.procs"
        invalid controlGroupFileDescriptor add_cgroup 0 "userns:$USERNS" "directory:$CGROUPS/service/daemon"
        invalid controlGroupFileDescriptor add_cgroup 0 "userns:$USERNS" "directory:$CGROUPS/service"
        echo "$DAEMON" >"$HIERARCHY/cgroup.procs"

        for what in "null" "file:/etc/passwd" "directory:/" "file:$CGROUPS/box/cgroup.procs" "userns:$USERNS" \
                "file:/proc/self/ns/cgroup"; do
                invalid controlGroupFileDescriptor add_cgroup "$ALICE" "userns:$USERNS" "$what"
        done
        refused io.systemd.System "$EREMOTEIO" add_cgroup "$ALICE" "userns:$USERNS" "opath:$CGROUPS/box"
        refused io.systemd.System "$ENXIO" add_cgroup "$ALICE" "userns:$USERNS"
        refused io.systemd.System "$ENXIO" call_as "$ALICE" "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":-1}' "userns:$USERNS"
        # The same index twice.
        invalid controlGroupFileDescriptor call_as "$ALICE" "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":0}' "userns:$USERNS"
        invalid userNamespaceFileDescriptor call_as "$ALICE" "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":0}' "file:$CGROUPS/box"
        [ "$(stat -c %u "$CGROUPS/box")" = "$ALICE" ]
        # Root may give anybody's.
        add_cgroup 0 "userns:$USERNS" "directory:$CGROUPS/bobs"
        [ "$(stat -c %u "$CGROUPS/bobs")" = "$START" ]
}

@test "namespaces that control groups cannot be added to" {
        cgroups_setup
        cgroup_as "$ALICE" box
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceNotRegistered" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box"
        as "$ALICE" sh -c "echo deny >/proc/$HOLDER/setgroups && echo '0 $ALICE 1' >/proc/$HOLDER/gid_map && echo '0 $ALICE 1' >/proc/$HOLDER/uid_map"
        call_as "$ALICE" "$SERVICE.RegisterUserNamespace" '{"name":"r","userNamespaceFileDescriptor":0}' "userns:$USERNS"
        refused "$SERVICE.UserNamespaceWithoutUserRange" '' add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box"

        ranged_as "$BOB" b
        invalid userNamespaceFileDescriptor call_as "$ALICE" "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":1}' dup:9 "directory:$CGROUPS/box" 9<"$USERNS"
        invalid userNamespaceFileDescriptor add_cgroup "$ALICE" userns:/proc/self/ns/user "directory:$CGROUPS/box"
        for what in null file:/ file:/proc/self/ns/net; do
                invalid userNamespaceFileDescriptor add_cgroup "$ALICE" "$what" "directory:$CGROUPS/box"
        done
        refused io.systemd.System "$EREMOTEIO" add_cgroup "$ALICE" "directory:/" "directory:$CGROUPS/box"
        [ "$(stat -c %u "$CGROUPS/box")" = "$ALICE" ]
}

@test "mounts: root only, looked at and not kept" {
        ranged_as "$ALICE" m
        local before
        # First of all who asks, whatever is sent.
        refused org.varlink.service.PermissionDenied '' add_mount "$ALICE" null null
        refused org.varlink.service.PermissionDenied '' add_mount "$ALICE"
        refused org.varlink.service.PermissionDenied '' add_mount "$ALICE" "userns:$USERNS" directory:/
        before=$(descriptors_at_rest)
        for what in directory:/ opath:/ file:/ "directory:$NSR" "opath:$NSR"; do
                run add_mount 0 "userns:$USERNS" "$what"
                [ "$status" = 0 ]
                [ "$output" = '{}' ]
        done
        wait_for descriptors_are "$before"
        for what in null file:/etc/passwd "userns:$USERNS"; do
                refused io.systemd.System '{"errno":20,"errnoName":"ENOTDIR","origin":"linux"}' add_mount 0 "userns:$USERNS" "$what"
        done
        refused io.systemd.System '{"errno":20,"errnoName":"ENOTDIR","origin":"linux"}' add_mount 0 "userns:$USERNS" opath:/etc/passwd
        refused io.systemd.System "$ENXIO" add_mount 0 "userns:$USERNS"
        refused io.systemd.System '{"errno":20,"errnoName":"ENOTDIR","origin":"linux"}' \
                call "$SERVICE.AddMountToUserNamespace" '{"userNamespaceFileDescriptor":0,"mountFileDescriptor":0}' "userns:$USERNS"
        refused io.systemd.System "$EREMOTEIO" add_mount 0 "opath:$USERNS" directory:/
        invalid userNamespaceFileDescriptor add_mount 0 null directory:/
        invalid userNamespaceFileDescriptor add_mount 0 userns:/proc/self/ns/user directory:/
        invalid mountFileDescriptor call "$SERVICE.AddMountToUserNamespace" '{"userNamespaceFileDescriptor":0}' "userns:$USERNS"
        namespace_as "$ALICE"
        refused "$SERVICE.UserNamespaceNotRegistered" '' add_mount 0 "userns:$USERNS" directory:/
        # Clients do not know whose it is: no line of the log for that, but for what is wrong.
        grep -q 'AddMountToUserNamespace by UID 0 refused: org.varlink.service.InvalidParameter mountFileDescriptor$' "$NSR/log"
        grep AddMountToUserNamespace "$NSR/log" | absent NotRegistered
}

is_gone() {
        [ ! -e "$1" ]
}

# ended: the last namespace's control groups are gone, and its record with them.
ended() {
        [ ! -e "$CGROUPS/box" ] && count_is releasing 0 && count_is active 0
}

@test "at a namespace's end its control groups go with every process in them, and nothing beside them" {
        cgroups_setup
        cgroup_as "$ALICE" box
        cgroup_as "$ALICE" beside
        ranged_as "$ALICE" c
        mkdir -p "$CGROUPS/box/a/b/c/d" "$CGROUPS/box/e/f" "$CGROUPS/beside/box/a"
        add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box"
        background "$ALICE" sleep 3600
        local inside=$BACKGROUND
        echo "$inside" >"$CGROUPS/box/a/b/c/cgroup.procs"
        background "$ALICE" sleep 3600
        echo "$BACKGROUND" >"$CGROUPS/beside/box/a/cgroup.procs"
        namespace_end "$HOLDER"
        wait_for ended
        run kill -0 "$inside"
        [ "$status" != 0 ] || [ "$(awk '{ print $3 }' "/proc/$inside/stat")" = Z ]
        kill -0 "$BACKGROUND"
        [ -d "$CGROUPS/beside/box/a" ]
        kill -0 "$DAEMON"
}

@test "a thousand control groups, three hundred deep, and a daemon that is killed meanwhile" {
        cgroups_setup
        cgroup_as "$ALICE" box
        ranged_as "$ALICE" c
        add_cgroup "$ALICE" "userns:$USERNS" "directory:$CGROUPS/box"
        local i deep=$CGROUPS/box
        for ((i = 0; i < 300; i++)); do
                deep=$deep/d
        done
        mkdir -p "$deep"
        seq -f "$CGROUPS/box/%.0f" 700 | xargs mkdir
        daemon_stop KILL || true
        namespace_end "$HOLDER"
        daemon_start
        wait_for ended
}

# What was lent without a policy stays quarantined: that it was found clean before shows in what is releasing.
no_longer_releasing() {
        count_is releasing 0 && count_is active 0
}

@test "directories that a range's IDs made elsewhere go with it; a host user's process in one is not killed, and keeps it" {
        cgroups_setup
        cgroup_as "$BOB" pub
        chmod 777 "$CGROUPS/pub"
        ranged_as "$ALICE" c
        local made=$CGROUPS/pub/made busy=$CGROUPS/pub/busy
        nsenter -U -t "$HOLDER" -S 0 -G 0 mkdir -p "$made/a/b/c" "$busy"
        [ "$(stat -c %u "$made/a/b/c")" = "$START" ]
        mkdir "$CGROUPS/pub/bobs"
        chown "$BOB" "$CGROUPS/pub/bobs"
        background "$BOB" sleep 3600
        local bobs=$BACKGROUND
        echo "$bobs" >"$busy/cgroup.procs"
        namespace_end "$HOLDER"
        wait_for is_gone "$made"
        kill -0 "$bobs"
        [ -d "$busy" ]
        [ -d "$CGROUPS/pub/bobs" ]
        # It holds up nobody else.
        ranged_as "$BOB" other
        nsenter -U -t "$HOLDER" -S 0 -G 0 mkdir "$made"
        namespace_end "$HOLDER"
        wait_for is_gone "$made"
        kill -0 "$bobs"
        kill -KILL "$bobs"
        wait_for no_longer_releasing
}

@test "without a policy in force nothing is added, whoever asks" {
        daemon_stop
        daemon_configure ''
        rm -r "$NSR/run"
        daemon_start
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' add_mount "$ALICE" null null
        refused "$SERVICE.UserNamespaceInterfaceNotSupported" '' add_cgroup "$ALICE" null null
}

@test "details that are not to be believed are set aside" {
        ranged_as "$ALICE" d
        daemon_stop
        echo x >"$NSR/run/details"
        daemon_start
        [ "$(cat "$NSR/run/details.set-aside")" = x ]
        grep -q "details is not to be believed" "$NSR/log"
        count_is active 1
}
