# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a machine's kernel had to complain about.

# Lines a healthy kernel does not write, save for these that tell of the emulated processor.
QUIET='clocksource|TSC|Spectre|unpatched|RETBleed|ITS:'

check_kernel_log() {
        local log=$1 bad
        bad=$(tr -d '\r' <"$log" | grep -aE \
                'WARNING: |BUG:|Oops|general protection|Kernel panic|rcu.*stall|blocked for more than|[Rr]emount.* read-only|forced readonly|[Tt]ransaction aborted|Aborting journal|EXT4-fs (error|warning)|BTRFS (error|critical)|XFS .*([Cc]orrupt|[Ss]hut(ting)? ?down|[Aa]ssert)|Out of memory|refcount_t|UBSAN|segfault at' |
                grep -avE "$QUIET" || true)
        # Said by the machine itself, when it has done all: else this may not be all of the log.
        grep -aq 'vm: end' "$log" || bad+=$'\nthe log does not reach to the end'
        if [ -z "$bad" ]; then
                echo "ok - the kernel log has no complaint"
        else
                printf '%s\n' "$bad" | head -n 20 | sed 's/^/# /'
                echo "not ok - the kernel log has no complaint"
        fi
}
