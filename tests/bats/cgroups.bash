# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Control groups of a test's own, with daemon.bash.

# cgroups_teardown: after daemon_teardown, for a control group cannot go before what is alive in it.
cgroups_teardown() {
        local i
        [ -n "${CGROUPS:-}" ] && [ -d "$CGROUPS" ] || return 0
        for ((i = 0; i < 100; i++)); do
                find "$CGROUPS" -depth -type d -exec rmdir {} + 2>/dev/null
                [ -d "$CGROUPS" ] || return 0
                sleep 0.05
        done
        echo "left behind: $CGROUPS" >&2
        return 1
}

# cgroups_setup: $CGROUPS, a control group of this test.
cgroups_setup() {
        HIERARCHY=$(awk '$4 == "/" && / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
        [ -n "$HIERARCHY" ] || cannot cgroup2 "no cgroup2 file system is mounted"
        CGROUPS=$(mktemp -d "$HIERARCHY/nsr-bats-XXXXXX") || cannot cgroup2 "no control group can be made"
        chmod 755 "$CGROUPS"
}

# cgroup_as UID NAME: $CGROUPS/NAME, delegated to UID.
cgroup_as() {
        mkdir "$CGROUPS/$2"
        chown "$1" "$CGROUPS/$2" "$CGROUPS/$2/"cgroup.{procs,subtree_control,threads}
}

# ranged_as UID NAME: a namespace with a range; sets HOLDER, USERNS and START.
ranged_as() {
        namespace_as "$1"
        call_as "$1" "$SERVICE.AllocateUserRange" "$(allocate_json "$2" 65536)" "userns:$USERNS"
        read -r _ START _ <"/proc/$HOLDER/uid_map"
}

# add_cgroup UID DESCRIPTOR...: the first is the namespace.
add_cgroup() {
        local uid=$1
        shift
        call_as "$uid" "$SERVICE.AddControlGroupToUserNamespace" \
                '{"userNamespaceFileDescriptor":0,"controlGroupFileDescriptor":1}' "$@"
}

# owners DIR: who has the directory and its files, with their modes.
owners() {
        stat -c '%n %u %g %a' "$1" "$1"/*
}
