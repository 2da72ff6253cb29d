#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A descriptor carries its client's mounts: whatever lies over the names below it, the daemon looks nothing up there.

load common
load daemon
load cgroups

setup() {
        daemon_setup
        # Other tests' daemons look through the same hierarchy for what ranges of theirs left in it.
        daemon_configure '[Policy]' 'Enforcement=none' '[Pool]' 'Start=0x50000000' 'End=0x50ffffff'
        daemon_start
        FUSE=
}

teardown() {
        # First of all: it is what everything that hangs waits for.
        [ -z "$FUSE" ] || kill -KILL "$FUSE" 2>/dev/null || true
        local failed=0
        daemon_teardown || failed=1
        cgroups_teardown
        return "$failed"
}

alice_is_served() {
        SERVED=$((SERVED + 1))
        namespace_as "$ALICE"
        call_as "$ALICE" "$SERVICE.AllocateUserRange" "$(allocate_json "good$SERVED" 1)" "userns:$USERNS" >/dev/null
}

# names DIR: what is in a control group's directory.
names() {
        find "$1" -mindepth 1 -maxdepth 1 -type f -printf '%f\n' | sort
}

# Every name that any code of ours looks up in a control group, and all others that it has.
@test "a user's bind mounts over the files of a control group: what is below them is not touched, in success and failure" {
        cgroups_setup
        cgroup_as "$ALICE" box
        ranged_as "$ALICE" c
        local name real=$CGROUPS/box
        mkdir "$NSR/secrets"
        while read -r name; do
                echo secret >"$NSR/secrets/$name"
                chmod 600 "$NSR/secrets/$name"
        done < <(names "$real")
        [ -e "$NSR/secrets/cgroup.procs" ]
        [ -e "$NSR/secrets/cgroup.events" ]
        owners "$NSR/secrets" >"$NSR/before"

        # All by an ordinary user, in namespaces of theirs.
        # shellcheck disable=SC2016
        printf '%s\n' 'secrets=$1 box=$2 program=$3 socket=$4 method=$5' \
                'for file in "$secrets"/*; do mount --bind "$file" "$box/${file##*/}" || exit 3; done' \
                'two="{\"userNamespaceFileDescriptor\":0,\"controlGroupFileDescriptor\":1}"' \
                'exec "$program" "$socket" "$method" "$two" dup:9 "directory:$box"' >"$NSR/attack"
        run as "$ALICE" bash -c 'exec 9<"$1"; shift; exec unshare -Urm bash "$@"' attack "$USERNS" "$NSR/attack" \
                "$NSR/secrets" "$real" "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" \
                "$SERVICE.AddControlGroupToUserNamespace"
        owners "$NSR/secrets" | diff "$NSR/before" -
        [ "$status" = 0 ]
        [ "$output" = '{}' ]
        # What was meant is what was handed over.
        [ "$(stat -c '%u %g %a' "$real")" = "$START $START 755" ]
        for name in procs subtree_control threads; do
                [ "$(stat -c '%u %g %a' "$real/cgroup.$name")" = "$START $START 644" ]
        done

        # A call that fails changes nothing of them either: the second time it is "added already".
        refused "$SERVICE.ControlGroupAlreadyAdded" '' as "$ALICE" bash -c 'exec 9<"$1"; shift; exec unshare -Urm bash "$@"' \
                attack "$USERNS" "$NSR/attack" "$NSR/secrets" "$real" "$abs_top_builddir/tests/tools/varlink-call" \
                "$NSR/socket" "$SERVICE.AddControlGroupToUserNamespace"
        owners "$NSR/secrets" | diff "$NSR/before" -

        # Nor does the end of the namespace, for which the control group is killed and removed.
        namespace_end "$HOLDER"
        wait_for is_gone "$real"
        owners "$NSR/secrets" | diff "$NSR/before" -
}

is_gone() {
        [ ! -e "$1" ]
}

# hang_setup: a file system whose server answers until a file of it is open, in a mount namespace of its own.
hang_setup() {
        [ -c /dev/fuse ] || cannot fuse "there is no /dev/fuse"
        mkdir "$NSR/hang"
        background 0 "$abs_top_builddir/tests/tools/hang-fuse" "$NSR/hang"
        FUSE=$BACKGROUND
        wait_for grep -q hang-fuse "/proc/$FUSE/mounts"
}

# from_there UID NAME METHOD JSON DESCRIPTOR...: a call from that mount namespace.  The client may hang too, so its answer
# goes to the file NAME.
from_there() {
        local uid=$1 name=$2
        shift 2
        nsenter -t "$FUSE" -m -- setpriv --reuid="$uid" --regid="$uid" --clear-groups -- \
                "$abs_top_builddir/tests/tools/varlink-call" "$NSR/socket" "$@" >"$NSR/$name" 2>&1 3>&- &
        HOLDERS+=($!)
}

answered() {
        [ -s "$NSR/$1" ]
}

@test "a file that never answers over each name in a control group: the daemon asks none of them" {
        local name
        cgroups_setup
        cgroup_as "$BOB" box
        ranged_as "$BOB" c
        hang_setup
        while read -r name; do
                nsenter -t "$FUSE" -m -- mount --bind "$NSR/hang/f" "$CGROUPS/box/$name"
        done < <(names "$CGROUPS/box")
        # From now on it says nothing at all, about any file.
        kill -STOP "$FUSE"
        from_there "$BOB" answer "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":1}' "userns:$USERNS" "directory:$CGROUPS/box"
        wait_for answered answer
        [ "$(cat "$NSR/answer")" = '{}' ]
        [ "$(stat -c %u "$CGROUPS/box/cgroup.procs")" = "$START" ]
        from_there 0 mount "$SERVICE.AddMountToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"mountFileDescriptor":1}' "userns:$USERNS" "directory:$CGROUPS/box"
        wait_for answered mount
        [ "$(cat "$NSR/mount")" = '{}' ]
        alice_is_served
        # Its removal meets none of them.
        namespace_end "${HOLDERS[0]}"
        wait_for is_gone "$CGROUPS/box"
        alice_is_served
}

# Each method's descriptor arguments: METHOD WHICH PARAMETERS, the file in question is descriptor 0 or 1 as WHICH says.
arguments() {
        local two='{"userNamespaceFileDescriptor":0,'
        echo "AllocateUserRange 0 $(allocate_json x 65536)"
        echo 'RegisterUserNamespace 0 {"name":"x","userNamespaceFileDescriptor":0}'
        echo "AddMountToUserNamespace 0 $two\"mountFileDescriptor\":1}"
        echo "AddMountToUserNamespace 1 $two\"mountFileDescriptor\":1}"
        echo "AddControlGroupToUserNamespace 0 $two\"controlGroupFileDescriptor\":1}"
        echo "AddControlGroupToUserNamespace 1 $two\"controlGroupFileDescriptor\":1}"
}

@test "a file and a folder that never answer as each descriptor of each method: an answer, and others are served" {
        local method which json kind n=0 uid path
        cgroups_setup
        cgroup_as 0 box
        hang_setup
        ranged_as 0 c
        while read -r method which json; do
                for kind in file directory; do
                        path=$NSR/hang
                        [ "$kind" = directory ] || path=$NSR/hang/f
                        uid=0
                        if [ "$which" = 0 ]; then
                                from_there "$uid" "answer$n" "$SERVICE.$method" "$json" "$kind:$path" "directory:$CGROUPS/box"
                        else
                                from_there "$uid" "answer$n" "$SERVICE.$method" "$json" "userns:$USERNS" "$kind:$path"
                        fi
                        wait_for answered "answer$n"
                        case $method$which$kind in
                        *0file) grep -q 'InvalidParameter.*"userNamespaceFileDescriptor"' "$NSR/answer$n" ;;
                        *0directory) grep -q EREMOTEIO "$NSR/answer$n" ;;
                        AddMount*1file) grep -q ENOTDIR "$NSR/answer$n" ;;
                        AddMount*1directory) [ "$(cat "$NSR/answer$n")" = '{}' ] ;;
                        AddControlGroup*) grep -q 'InvalidParameter.*"controlGroupFileDescriptor"' "$NSR/answer$n" ;;
                        esac
                        # A server that is asked nothing more; the doors of the last one are let go.
                        kill -KILL "$FUSE"
                        hang_restart
                        alice_is_served
                        ranged_as 0 "c$n"
                        n=$((n + 1))
                done
        done < <(arguments)
        [ "$n" = 12 ]
}

hang_restart() {
        background 0 "$abs_top_builddir/tests/tools/hang-fuse" "$NSR/hang"
        FUSE=$BACKGROUND
        wait_for grep -q hang-fuse "/proc/$FUSE/mounts"
}
