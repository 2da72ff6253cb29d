# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What every bats file loads.  The folders come from `make check`; a file run by hand finds the sources by its
# own place and takes the current folder for the build.

# A pipeline fails if any part of it does.
set -o pipefail

# Seconds that a test may take, however slow machine and build are: one that hangs fails.
: "${BATS_TEST_TIMEOUT:=900}"

# time_limit SECONDS: another limit for this test, because it does more than others.
time_limit() {
        BATS_TEST_TIMEOUT=$1
        echo "$1" >"$BATS_TEST_TMPDIR/time-limit"
}

# family PID: stop each process that comes from this one, and print their IDs.  One that is stopped makes no more of them.
family() {
        local child
        while read -r child; do
                [ "$child" != "$BASHPID" ] || continue
                kill -STOP "$child" 2>/dev/null || continue
                echo "$child"
                family "$child"
        done < <(cat "/proc/$1/task/"*/children 2>/dev/null | tr -s ' ' '\n' | grep .)
}

# bats_start_timeout_countdown SECONDS: in place of bats' own, which ends the children of the test only.  Theirs went on,
# and `run` waited for them as long as they had its pipe open: for ever.  Bats ends it by SIGABRT.
bats_start_timeout_countdown() {
        # shellcheck disable=SC2064
        trap "bats_timeout_trap $$" ABRT
        (
                passed=0
                while limit=$(cat "$BATS_TEST_TMPDIR/time-limit" 2>/dev/null || echo "$1") && [ "$passed" -lt "$limit" ]; do
                        sleep $((limit - passed)) & # a moment, not a wait
                        # shellcheck disable=SC2064
                        trap "kill $! 2>/dev/null; exit 0" ABRT
                        wait
                        passed=$limit
                done
                # Before the test begins to clear up, for which it starts others.
                family $$ >"$BATS_TEST_TMPDIR/family" 2>/dev/null
                kill -ABRT $$
                xargs -r kill -KILL <"$BATS_TEST_TMPDIR/family" 2>/dev/null
        ) &
}

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
        local status=0
        grep "$@" || status=$?
        # Not where grep could not look, either.
        [ "$status" = 1 ]
}

# wait_for COMMAND...: until it succeeds; a bound so long that only a real failure meets it.
wait_for() {
        local i
        for ((i = 0; i < 600; i++)); do
                if "$@"; then
                        return 0
                fi
                sleep 0.05
        done
        echo "gave up waiting for: $*" >&2
        return 1
}

# as UID COMMAND...
as() {
        local uid=$1
        shift
        setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"
}

# call [--more] METHOD JSON [DESCRIPTOR...]: the service at $SOCKET, as root; call_as UID METHOD ... as somebody else.  Prints
# compact JSON, after an error's id and a blank.
call() {
        call_as 0 "$@"
}

call_as() {
        local uid=$1 more=()
        shift
        if [ "$1" = --more ]; then
                more=(--more)
                shift
        fi
        as "$uid" "$abs_top_builddir/tests/tools/varlink-call" "${more[@]}" "$SOCKET" "$@" | sed 's/": /":/g; s/, "/,"/g'
}

# refused ERROR-ID PARAMETERS COMMAND...: the command's call is answered with exactly that error; '' means none.
refused() {
        local expected="$1 ${2:-{\}}"
        shift 2
        run "$@"
        if [ "$status" -ne 1 ] || [ "$output" != "$expected" ]; then
                printf 'expected %s, got (%s):\n%s\n' "$expected" "$status" "$output" >&2
                return 1
        fi
}

# invalid FIELD COMMAND...
invalid() {
        local field=$1
        shift
        refused org.varlink.service.InvalidParameter "{\"parameter\":\"$field\"}" "$@"
}
