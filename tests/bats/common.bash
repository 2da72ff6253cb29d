# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What every bats file loads.  The folders come from `make check`; a file run by hand finds the sources by its
# own place and takes the current folder for the build.

# A pipeline fails if any part of it does.
set -o pipefail

# Seconds that a test may take, however slow machine and build are: one that hangs fails.
: "${BATS_TEST_TIMEOUT:=600}"

# time_limit SECONDS: another limit for this test, because it does more than others.
time_limit() {
        BATS_TEST_TIMEOUT=$1
        echo "$1" >"$BATS_TEST_TMPDIR/time-limit"
}

# halt PID: stop the process.  One that is stopped makes no more of them; the signal may find it making one.
halt() {
        local i state
        kill -STOP "$1" 2>/dev/null || return 0
        for ((i = 0; i < 100; i++)); do
                state=$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null) || return 0
                [[ "$state" != [TtZX] ]] || break
                sleep 0.01 # a moment, not a wait
        done
        echo "$1"
}

# family PID: stop each process that comes from this one, and print their IDs.
family() {
        local child
        while read -r child; do
                [ "$child" != "$BASHPID" ] || continue
                halt "$child"
                family "$child"
        done < <(cat "/proc/$1/task/"*/children 2>/dev/null | tr -s ' ' '\n' | grep .)
}

# strays: likewise those that were left by whoever started them, as far as they have this test's folder in their environment.
strays() {
        local file files
        # All of them before the first is stopped: those who look are of this test, too.
        files=$(grep -lzxF "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" /proc/[0-9]*/environ 2>/dev/null)
        for file in $files; do
                file=${file#/proc/}
                [ "${file%/environ}" = $$ ] || [ "${file%/environ}" = "$BASHPID" ] || halt "${file%/environ}"
        done
}

# bats_start_timeout_countdown SECONDS: in place of bats' own, which ends the children of the test only.  Theirs went on,
# and `run` waited for them as long as they had its pipe open: for ever.  Bats ends it by SIGABRT.
bats_start_timeout_countdown() {
        # shellcheck disable=SC2064
        trap "bats_timeout_trap $$" ABRT
        # Without a descriptor that bats waits for the end of.
        count_down "$1" </dev/null >/dev/null 2>&1 3>&- 4>&- &
}

# test_is_there: whether the shell that count_down belongs to has not ended.  Its number may be another's then.
test_is_there() {
        grep -q "^PPid:[[:space:]]$$\$" "/proc/$BASHPID/status"
}

count_down() {
        local passed=0 limit before=$!
        # Bats ends a shell of its own at the first command that fails.
        set +eET
        trap '[ "$!" = "$before" ] || kill "$!"; exit 0' ABRT
        while limit=$(grep . "$BATS_TEST_TMPDIR/time-limit" || echo "$1") && [ "$passed" -lt "$limit" ]; do
                sleep $((limit - passed)) & # a moment, not a wait
                wait
                passed=$limit
        done
        test_is_there || return 0
        # The test that clears up sends it, too: not before all of this is done.
        trap '' ABRT
        # Before the test begins to clear up, for which it starts others.
        {
                family $$
                strays
        } >"$BATS_TEST_TMPDIR/family"
        kill -ABRT $$
        xargs -r kill -KILL <"$BATS_TEST_TMPDIR/family"
        # It has so long to clear up.  A shell that waits for somebody's output heeds no other signal.
        for ((passed = 0; passed < ${NSR_CLEAR_UP_SECONDS:-120}; passed++)); do
                sleep 1 # a moment, not a wait
                test_is_there || return 0
        done
        kill -KILL $$
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
