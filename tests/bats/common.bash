# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What every bats file loads.  The folders come from `make check`; a file run by hand finds the sources by its
# own place and takes the current folder for the build.

# A pipeline fails if any part of it does.
set -o pipefail

abs_top_srcdir=${abs_top_srcdir:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
abs_top_builddir=${abs_top_builddir:-$PWD}

# cannot NAME REASON: skip the test, unless NSR_REQUIRE (names separated by blanks) says that this machine has NAME.
cannot() {
        if [[ " ${NSR_REQUIRE:-} " == *" $1 "* ]]; then
                echo "NSR_REQUIRE has $1, but: $2" >&2
                return 1
        fi
        skip "$2"
}

# need_command NAME...: each must be in PATH.
need_command() {
        local name
        for name; do
                command -v "$name" >/dev/null || cannot "$name" "$name is not installed"
        done
}

need_root() {
        [ "$(id -u)" = 0 ] || cannot root "this test needs root"
}

# found GREP-ARGUMENTS...: what matches; that nothing does is no failure.
found() {
        grep "$@" || [ $? = 1 ]
}

# found_in GREP-ARGUMENTS...: likewise in the files that standard input names, one a line.
found_in() {
        # shellcheck disable=SC2016
        xargs -d '\n' bash -c 'grep "$@" || [ $? = 1 ]' grep "$@"
}

# absent GREP-ARGUMENTS...: no line of standard input matches; prints those that do.  (`! grep` does not fail a bats
# test unless it is its last command.)
absent() {
        if grep "$@"; then
                return 1
        fi
}
