#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What quickstart says without doing anything; what it does is run by quickstart itself.

load common

setup() {
        quickstart=$abs_top_srcdir/quickstart
}

@test "without a word it explains itself" {
        run "$quickstart"
        [ "$status" = 0 ]
        [[ $output == "usage: sudo ./quickstart demo"* ]]
}

@test "an unknown word is refused with the usage" {
        run "$quickstart" dmeo
        [ "$status" = 2 ]
        [[ $output == "usage: "* ]]
}

@test "without root it says how, and does nothing" {
        need_root
        # A copy that nobody in particular may read; the sources may lie where nobody may not.
        cp "$quickstart" "$BATS_TEST_TMPDIR/quickstart"
        chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR"
        run setpriv --reuid=65534 --regid=65534 --clear-groups "$BATS_TEST_TMPDIR/quickstart" demo
        echo "$output"
        [ "$status" = 1 ]
        [[ $output == *"sudo ./quickstart demo" ]]
        [ ! -e "$BATS_TEST_TMPDIR/build-quickstart" ]
}

@test "README shows the commands that there are" {
        grep -qxF '    sudo ./quickstart demo' "$abs_top_srcdir/README.md"
        grep -qxF '    sudo ./quickstart test' "$abs_top_srcdir/README.md"
}
