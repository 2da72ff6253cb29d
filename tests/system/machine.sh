# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the checks in a machine of their own share, on top of system.sh.

# shellcheck source=tests/system/system.sh
. /check/system.sh

# Debian trees of alice's: Debian 12, and the machine's own release; and the first of the IDs that own them on disk.
TREE=/home/alice/tree
# shellcheck disable=SC2034
NEWEST=/home/alice/newest
# shellcheck disable=SC2034
FOREIGN=2147352576
POOL_FIRST=524288 POOL_LAST=1879048191

# session COMMAND...: as a service of alice's own service manager, with a control group of its own to delegate.
session() {
        timeout -k 5 "${SESSION_LIMIT:-300}" \
                systemd-run --quiet --user --machine=alice@ --pipe --wait --property=Delegate=yes "$@" </dev/null
}

# container OPTION...: alice runs her tree, with systemd's own tools.
container() {
        session systemd-nspawn --quiet --directory="$TREE" --private-users=managed --keep-unit --register=no \
                --console=pipe "$@"
}

# What IDs of the pool own: files anywhere but in the file systems of the kernel, control groups, processes.
owned_by_pool() {
        find / /run /tmp /dev/shm /dev/mqueue /run/user/* /sys/fs/cgroup -xdev \
                \( \( -uid +$((POOL_FIRST - 1)) -uid -$((POOL_LAST + 1)) \) \
                -o \( -gid +$((POOL_FIRST - 1)) -gid -$((POOL_LAST + 1)) \) \) -printf '%p is owned by %U:%G\n' 2>/dev/null
        ps -eo uid=,pid=,args= | awk -v first="$POOL_FIRST" -v last="$POOL_LAST" '$1 >= first && $1 <= last'
}

# The range of the only namespace there is, once there is one.
the_range() {
        nsresourcectl list --json | tr -d '\n ' | grep -o '"start":[0-9]*' | cut -d: -f2 | grep .
}

nobody_holds_a_range() {
        local list
        list=$(nsresourcectl list --json) && ! grep -q '"start"' <<<"$list"
}

# For what may take longer than wait_for has patience: an emulated machine has little, and shares it.
wait_longer() {
        local i
        for i in 1 2 3 4 5 6; do
                wait_for "$@" && return
        done
        return 1
}

# What containers might leave, beside files: a list to compare.
surroundings() {
        findmnt --noheadings --list --output TARGET,FSTYPE | sort
        ls /sys/class/net /run/user /var/lib/systemd/linger
        cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg | awk '{ print $1, $2 }'
        find /sys/fs/cgroup -type d -name payload
}
