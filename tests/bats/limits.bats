#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A test that hangs fails, and nothing of it is left: the limits of common.bash and of `isolated`.

load common

setup() {
        # In the command line of each process that is to be gone.
        mark="4242.$BASHPID"
}

# fresh COMMAND...: without what this file's own bats has set.
fresh() {
        env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" TMPDIR="$BATS_TEST_TMPDIR" abs_top_srcdir="$abs_top_srcdir" MARK="$mark" "$@"
}

nothing_left() {
        run pgrep -af "sleep $mark"
        echo "$output"
        [ "$status" = 1 ]
}

@test "a bats test that hangs in any way fails at its limit, is cleared up after, and leaves no process" {
        # Not in bats' own words, which would be taken for tests of this file.
        sed 's/^@TEST/@test/' >"$BATS_TEST_TMPDIR/hang.bats" <<'END'
load "$abs_top_srcdir/tests/bats/common"
hang() {
        sleep "$MARK"
}
teardown() {
        echo "$BATS_TEST_DESCRIPTION" >>"$BATS_TEST_DIRNAME/cleared"
}
@TEST "a" {
        sleep "$MARK"
}
@TEST "b" {
        run hang
}
@TEST "c" {
        hang 3>&- &
        wait $!
}
@TEST "d" {
        run bash -c 'trap "" TERM; setsid sleep "$MARK" & wait'
}
@TEST "e" {
        bash -c 'kill -STOP $$; sleep "$MARK"'
}
@TEST "f" {
        time_limit 60
        sleep 3.5 # a moment, not a wait
}
@TEST "g" {
        time_limit 4
        hang | cat
}
@TEST "h" {
        run bash -c 'sleep "$MARK" &'
}
END
        run fresh BATS_TEST_TIMEOUT=3 NSR_CLEAR_UP_SECONDS=60 bats --tap "$BATS_TEST_TMPDIR/hang.bats"
        echo "$output"
        [ "$status" = 1 ]
        [ "$(grep -cE '^not ok . [a-egh] # timeout after' <<<"$output")" = 7 ]
        grep -qx 'ok 6 f' <<<"$output"
        [ "$(xargs <"$BATS_TEST_TMPDIR/cleared")" = "a b c d e f g h" ]
        nothing_left
}

@test "a unit test that hangs fails at its limit, as does a bats file that hangs outside its tests, and leaves no process" {
        need_root
        printf '%s\n' '#!/bin/bash' 'trap "" HUP' 'setsid bash -c "trap \"\" TERM; sleep $MARK" &' 'sleep $MARK' >"$BATS_TEST_TMPDIR/unit"
        chmod 755 "$BATS_TEST_TMPDIR/unit"
        run fresh "$abs_top_srcdir/tests/isolated" 1 "$BATS_TEST_TMPDIR/unit"
        [ "$status" = 124 ]
        nothing_left
        # shellcheck disable=SC2016
        printf '%s\n' 'setup_file() {' 'sleep $MARK' '}' '@test "a" {' true '}' >"$BATS_TEST_TMPDIR/file.bats"
        run fresh "$abs_top_srcdir/tests/isolated" 1 bats --tap "$BATS_TEST_TMPDIR/file.bats"
        echo "$output"
        [ "$status" = 124 ] || [ "$status" = 137 ]
        nothing_left
        # A stray that nobody can find makes a bats file hang behind its tests.
        # shellcheck disable=SC2016
        printf '%s\n' 'load "$abs_top_srcdir/tests/bats/common"' '@test "a" {' \
                'run env -i setsid -f sleep $MARK' '}' >"$BATS_TEST_TMPDIR/stray.bats"
        run fresh BATS_TEST_TIMEOUT=5 NSR_CLEAR_UP_SECONDS=1 "$abs_top_srcdir/tests/isolated" 10 bats --tap "$BATS_TEST_TMPDIR/stray.bats"
        echo "$output"
        [ "$status" = 124 ] || [ "$status" = 137 ]
        nothing_left
}

@test "make check runs each kind of test with a limit" {
        local compiler
        for compiler in LOG_COMPILER BATS_LOG_COMPILER; do
                grep -qE "^$compiler = .*/tests/isolated [0-9]+( |\$)" "$abs_top_builddir/Makefile"
        done
        # There is no third kind.
        [ "$(sed -n 's/^TEST_EXTENSIONS = //p' "$abs_top_srcdir/Makefile.am")" = .bats ]
}

@test "signals that whoever runs the tests has ignored are as usual for them" {
        local ignored
        # As nohup, cron and a shell's background do.
        ignored=$(fresh env --ignore-signal=INT,QUIT,HUP,PIPE,CHLD "$abs_top_srcdir/tests/isolated" 60 grep '^SigIgn' /proc/self/status)
        echo "$ignored"
        # But for two of the C library's own, 32 and 33, which posix_spawn(3) has ignored and nobody else can set.
        [[ "$ignored" =~ ^SigIgn:[[:space:]]([0-9a-f]{16})$ ]]
        [ $((16#${BASH_REMATCH[1]} & ~(3 << 31))) = 0 ]
}
