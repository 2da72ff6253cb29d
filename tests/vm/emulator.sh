# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The emulator that every machine of the tests runs in.

# EMULATOR_THREAD=single: the processors take turns.  With a thread for each, one may translate code again just before
# another one's write to it arrives, and keep what it read: a kernel that switches a static key (a cpuset is made) then
# meets the int3 of its own patching for good, and panics ("Oops: int3", seen with QEMU 7.2 where containers started).
# Where the policy is proved, two of its programs have to run at once.
# shellcheck disable=SC2034
EMULATOR=(qemu-system-x86_64 -nodefaults -no-user-config -M q35 -accel "tcg,thread=${EMULATOR_THREAD:-multi}" -cpu max
        -m 2G -smp 2 -display none -monitor none -nic none -no-reboot)
