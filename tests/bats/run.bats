#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nsresourcectl against a daemon of its own, with Enforcement=none: `run` above all, then what list, status, check, show
# and whose say of what runs.

load common
load cgroups

bats_require_minimum_version 1.5.0

USER_ID=4242

# One daemon for all tests of this file.
setup_file() {
        need_root
        nsresourced=${NSRESOURCED:-$abs_top_builddir/nsresourced}
        [ -x "$nsresourced" ] || skip "nsresourced is not built"
        need_command setpriv unshare
        work=$(mktemp -d "${TMPDIR:-/tmp}/nsresource-run.XXXXXX")
        export work
        chmod 755 "$work"
        mkdir "$work/run" "$work/state" "$work/nspawn" "$work/bin"
        # The build folder may be closed to the ordinary user whom we play.
        cp "$abs_top_builddir/nsresourcectl" "$abs_top_builddir/nsresource-ask" "$abs_top_builddir"/tests/tools/{caller-keys,forbid,terminal,type} "$work/bin"
        # What runs inside must not lie in /tmp, which is private there.
        inside=$(mktemp -d /var/tmp/nsresource-run.XXXXXX)
        export inside
        chmod 755 "$inside"
        cp "$abs_top_builddir"/tests/tools/{caller-keys,type} "$inside"
        printf '[Policy]\nEnforcement=none\n[Limits]\nNamespacesPerUser=4\n' >"$work/conf"
        "$nsresourced" --config="$work/conf" --socket="$work/socket" --runtime-dir="$work/run" \
                --state-dir="$work/state" --nspawn-dir="$work/nspawn" --userdb-socket="$work/userdb" --nscd-socket="$work/nscd" --pin-dir="$work/pins" \
                --run-user-dir="$work/run-user" --linger-dir="$work/linger" --logind-dir="$work/logind" \
                --ask-program="$work/bin/nsresource-ask" >"$work/log" 2>&1 3>&- &
        echo $! >"$work/pid"
        wait_for daemon_answers || {
                cat "$work/log"
                return 1
        }
}

daemon_answers() {
        ctl status >/dev/null 2>&1
}

teardown_file() {
        [ -n "${work:-}" ] || return 0
        local pid
        pid=$(cat "$work/pid")
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        rm -rf "${work:?}" "${inside:?}"
}

setup() {
        cd "$work" || return
        wait_for_none
}

teardown() {
        cgroups_teardown
}

ctl() {
        "$work/bin/nsresourcectl" --socket "$work/socket" --table "$work/run/table" "$@"
}

# As an ordinary user.
user() {
        setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --bounding-set=-all --inh-caps=-all -- "$@"
}

user_ctl() {
        user "$work/bin/nsresourcectl" --socket "$work/socket" --table "$work/run/table" "$@"
}

in_run() {
        user_ctl run "$@"
}

# start_run ...: for the background: becomes nsresourcectl, so that $! is its PID.
start_run() {
        exec setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --bounding-set=-all --inh-caps=-all -- \
                "$work/bin/nsresourcectl" --socket "$work/socket" --table "$work/run/table" run "$@"
}

# No range in use any more: each test begins with the whole quota.
wait_for_none() {
        wait_for none_in_use || {
                ctl list
                return 1
        }
}

none_in_use() {
        local listed
        listed=$(ctl list) && ! grep -qE ' (reserved|mapping|active|releasing) ' <<<"$listed"
}

@test "the command is root, with 65536 IDs, alone, in private /proc and /tmp" {
        mkdir -p /tmp
        touch "/tmp/nsresource-outside.$$"
        run -0 in_run --name web -- sh -c '
                id -u; id -g; id -G; cat /proc/self/uid_map /proc/self/gid_map
                echo $$; ls -d /proc/[0-9]* | wc -l; ls -A /tmp; stat -c %a /tmp; touch /tmp/mine && ls /tmp
                hostname inside && hostname'
        rm "/tmp/nsresource-outside.$$"
        echo "$output"
        [ "${lines[0]}" = 0 ]
        [ "${lines[1]}" = 0 ]
        [ "${lines[2]}" = 0 ]
        [[ "${lines[3]}" =~ ^\ +0\ +[0-9]+\ +65536$ ]]
        [ "${lines[4]}" = "${lines[3]}" ]
        [ "${lines[5]}" = 2 ]
        # PID 1, the shell, ls, wc
        [ "${lines[6]}" -le 4 ]
        [ "${lines[7]}" = 1777 ]
        [ "${lines[8]}" = mine ]
        [ "${lines[9]}" = inside ]
        [ "$(hostname)" != inside ]
        [ ! -e /tmp/mine ]
}

@test "each namespace is new, and none of our descriptors is inside" {
        local kind
        run -0 in_run sh -c 'cd /proc/self/ns && readlink user mnt pid ipc uts net; ls -l /proc/self/fd'
        set -- "${lines[@]}"
        for kind in user mnt pid ipc uts; do
                [[ "$1" == "$kind:["* ]]
                [ "$1" != "$(readlink /proc/self/ns/$kind)" ]
                shift
        done
        [ "$1" = "$(readlink /proc/self/ns/net)" ]
        absent -E 'signalfd|socket:|ns/user|/dev/tty' <<<"$output"
}

# forbidden STATUS TEXT SCRIPT: it runs inside, and fails so.
forbidden() {
        run_anew "-$1" in_run sh -c "$3"
        echo "$output"
        [[ "$output" == *"$2"* ]]
}

@test "capabilities are those of the namespace, and nothing outside is gained" {
        forbidden 1 "mknod: /tmp/null: Operation not permitted" 'mknod /tmp/null c 1 3'
        forbidden 1 "cat: /etc/shadow: Permission denied" 'cat /etc/shadow'
        forbidden 2 "/proc/sys/kernel/panic: Permission denied" 'echo 1 >/proc/sys/kernel/panic'
        forbidden 1 "touch: cannot touch '/etc/nsresource-test': Permission denied" 'touch /etc/nsresource-test'
        # PID 1 is the host's program: who is root inside can neither trace nor end nor stop it
        forbidden 2 "/proc/1/fd': Permission denied" 'ls /proc/1/fd'
        run_anew -0 in_run sh -c 'kill -KILL 1; kill -TERM 1; kill -STOP 1; grep -E "^(State|SigPnd|ShdPnd):" /proc/1/status; echo here'
        echo "$output"
        [[ "${lines[0]}" == $'State:\t'[SR]* ]]
        [ "${lines[1]}" = $'SigPnd:\t0000000000000000' ]
        [ "${lines[2]}" = $'ShdPnd:\t0000000000000000' ]
        [ "${lines[3]}" = here ]
}

@test "a mount of the host's keeps its flags inside, and stays" {
        mkdir -p "$inside/locked"
        mount -t tmpfs -o ro,noexec none "$inside/locked"
        run_anew in_run sh -c "mount -o remount,bind,rw,noexec '$inside/locked' || mount -o remount,bind,ro,exec '$inside/locked' ||
                umount '$inside/locked' || echo refused"
        umount "$inside/locked"
        echo "$output"
        [ "$status" = 0 ]
        [ "$(grep -c 'permission denied' <<<"$output")" = 2 ]
        [ "${lines[-1]}" = refused ]
}

# run_anew ARGUMENTS...: `run`, when the namespace before is gone: the kernel lets go of it a moment after its last process,
# and the quota of these tests is small.
run_anew() {
        wait_for_none
        run "$@"
}

@test "the exit status is the command's" {
        local status_wanted
        for status_wanted in 0 1 42 255; do
                run_anew -$status_wanted in_run sh -c "exit $status_wanted"
        done
        run_anew -137 in_run sh -c 'kill -KILL $$'
        run_anew -143 in_run sh -c 'kill -TERM $$'
        run_anew -127 in_run no-such-command-here
        [[ "$output" == *'cannot run "no-such-command-here": No such file or directory'* ]]
        run_anew -127 in_run /no/such/command
        run_anew -126 in_run /etc/passwd
        run_anew -126 in_run /
        [[ "$output" == *"Permission denied"* ]]
}

@test "options of the command are the command's" {
        run -0 in_run echo --json --help
        [ "$output" = "--json --help" ]
        run -0 in_run -- echo --size 5
        [ "$output" = "--size 5" ]
        run -0 in_run --size 1 --name x -- echo --
        [ "$output" = -- ]
}

@test "sizes: one ID, two slots, the largest" {
        run -0 in_run --size 1 cat /proc/self/uid_map
        [[ "$output" =~ ^\ +0\ +[0-9]+\ +1$ ]]
        run -0 in_run --size 65537 cat /proc/self/gid_map
        [[ "$output" =~ ^\ +0\ +[0-9]+\ +65537$ ]]
        run -0 in_run --size 1048576 cat /proc/self/uid_map
        [[ "$output" =~ ^\ +0\ +[0-9]+\ +1048576$ ]]
}

@test "names: what was asked for, the command's, and a number where that is taken" {
        start_run --name web sleep 100.3 3>&- &
        local one=$!
        wait_for grep_list 4242-web
        run -125 in_run --name web true
        [[ "$output" == *"the namespace 4242-web has that name, and has not ended"*"next: nsresourcectl show 4242-web, or choose another with --name"* ]]
        start_run sleep 100 3>&- &
        local two=$!
        wait_for grep_list 4242-sleep
        start_run sleep 100 3>&- &
        local three=$!
        wait_for grep_list 4242-sleep-2
        kill $one $two $three
        wait $one $two $three || true
}

grep_list() {
        ctl list | grep -E "^$1 "
}

@test "the quota is told, with what to do" {
        local i pids=()
        for i in 1 2 3 4; do
                start_run --name "n$i" sleep 100 3>&- &
                pids+=($!)
                wait_for grep_list "4242-n$i"
        done
        run -125 in_run --name n5 true
        [[ "$output" == *"as many namespaces or IDs as one user may have"*"next: "* ]]
        kill "${pids[@]}"
        wait "${pids[@]}" || true
}

@test "a caller that ignores the end of its children gets the command's status, too" {
        run -7 timeout 60 env --ignore-signal=CHLD setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \
                --bounding-set=-all --inh-caps=-all -- "$work/bin/nsresourcectl" --socket "$work/socket" \
                --table "$work/run/table" run sh -c 'exit 7'
}

@test "signals reach the command, and only the command" {
        start_run sh -c 'trap "echo got USR1" USR1; trap "echo got HUP; exit 3" HUP; echo ready; while :; do sleep 0.05; done' >out 3>&- &
        local pid=$!
        wait_for grep ready out
        kill -USR1 $pid
        wait_for grep USR1 out
        kill -HUP $pid
        local status=0
        wait $pid || status=$?
        [ "$status" = 3 ]
        [ "$(cat out)" = $'ready\ngot USR1\ngot HUP' ]
}

@test "the end of the command is the end of everything inside" {
        run -0 in_run sh -c 'setsid sleep 4711.3 & until pgrep -f "^sleep 4711\.3$" >&2; do :; done 2>/dev/null; echo done'
        [ "$output" = "done" ]
        run ! pgrep -f '^sleep 4711\.3$'
        # and the end of run, however hard
        start_run sh -c 'sleep 4712.3 & wait' 3>&- &
        local pid=$!
        wait_for pgrep -f '^sleep 4712\.3$'
        kill -KILL $pid
        wait $pid || true
        wait_for sh -c '! pgrep -f "^sleep 4712\.3$"'
}

@test "zombies are reaped" {
        # Whose parent has gone before them.
        run -0 timeout 60 setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$work/bin/nsresourcectl" --socket "$work/socket" \
                run sh -c 'for i in 1 2 3 4 5; do (sleep 0.1 & exit); done
                until ! pgrep -x sleep >/dev/null; do :; done; echo gone'
        [ "$output" = gone ]
}

@test "list, show, whose, status and check see it" {
        start_run --name web sleep 100.3 3>&- &
        local pid=$! start
        wait_for grep_list 4242-web
        run -0 ctl list
        [[ "$output" == *"NAMESPACE "*"4242-web "*"65536"*" active "* ]]
        run -0 ctl list --json
        [[ "$output" == *'"name": "4242-web"'* ]]
        run -0 ctl show 4242-web
        [[ "$output" == *"Processes:  2 ("* ]]
        start=$(ctl show --json 4242-web | sed -n 's/.*"start": \([0-9]*\).*/\1/p')
        run -0 ctl whose "$start"
        [[ "$output" == *"is ns-4242-web-0, number 0 of its range, 0 inside"* ]]
        run -0 user_ctl whose --pid "$(pgrep -n -f '^sleep 100\.3$')"
        [[ "$output" == *"effective UID of process"*"is ns-4242-web-0,"* ]]
        run -0 ctl status
        [[ "$output" == *"Ranges:        1 active"* ]]
        [[ "$output" == *"enforcement none, kernel policy not loaded"* ]]
        run -0 ctl status --json
        run -1 ctl check
        [[ "$output" == *"ok      nsresourced "*" answers"* ]]
        [[ "$output" == *"note    Enforcement=none"* ]]
        [[ "$output" == *"ok      $work/run/table is readable"* ]]
        kill $pid
        wait $pid || true
}

@test "list: chosen columns, for scripts, on a terminal" {
        need_command script stty
        start_run --name a-long-name sleep 100.4 3>&- &
        local pid=$! start line
        wait_for grep_list 4242-a-long-name
        start=$(ctl show --json 4242-a-long-name | sed -n 's/.*"start": \([0-9]*\).*/\1/p')
        run -0 ctl list --raw --noheadings --output Start,state,NAMESPACE,policy
        [ "$output" = "$start active 4242-a-long-name none" ]
        run -0 ctl list --raw
        [ "${lines[0]}" = "NAMESPACE OWNER START IDS INSIDE STATE SINCE POLICY" ]
        [[ "${lines[1]}" =~ ^4242-a-long-name\ 4242[^\ ]*\ $start\ 65536\ 0\ active\ 20[0-9-]*\\x20[0-9:]*\ none$ ]]
        run -0 ctl list --noheadings
        [[ "$output" == "4242-a-long-name 4242"*" none" ]]
        # As wide as it is, and cut to fit.
        local list
        list="$abs_top_builddir/nsresourcectl --socket $work/socket list --output namespace,owner,state"
        run -0 env TERM=xterm script -qec "stty cols 200 -onlcr; $list" /dev/null </dev/null
        [[ "${lines[1]}" == "4242-a-long-name 4242"*$'\033[32mactive\033[0m' ]]
        run -0 env TERM=dumb script -qec "stty cols 24 -onlcr; $list" /dev/null </dev/null
        echo "$output"
        for line in "${lines[@]}"; do
                [ ${#line} -le 24 ]
        done
        [[ "${lines[1]}" == 4242-a-*" active" && "${lines[1]}" != *a-long-name* ]]
        # Too narrow for all of them: nothing is cut.
        run -0 env TERM=dumb script -qec "stty cols 10 -onlcr; $list" /dev/null </dev/null
        [[ "${lines[1]}" == "4242-a-long-name 4242  active" ]]
        # Not on a terminal: whatever a shell says of one.
        COLUMNS=24 run -0 ctl list
        [[ "${lines[1]}" == "4242-a-long-name "*" none" ]]
        kill $pid
        wait $pid || true
}

@test "a daemon that is gone or refuses: nothing runs, nothing stays behind" {
        run -125 user "$work/bin/nsresourcectl" --socket "$work/none" run sh -c 'echo ran'
        [[ "$output" == *"cannot reach nsresourced"* && "$output" != *ran* ]]
        # the process that waited for its IDs has gone too
        run ! pgrep -u $USER_ID -f "^$work/bin/nsresourcectl"
}

# What the command does not get of its caller.

@test "secrets in the caller's keyrings are not inside" {
        local wanted
        wanted=$(printf '%s\n' 'KEY_SESSION by name: secret' 'KEY_SESSION by number: secret' \
                'KEY_USER by name: secret' 'KEY_USER by number: secret')
        # a program that the caller just starts reads them
        run -0 user "$work/bin/caller-keys" give "$inside/caller-keys" take
        [ "$output" = "$wanted" ]
        run -0 user "$work/bin/caller-keys" give "$work/bin/nsresourcectl" --socket "$work/socket" \
                run "$inside/caller-keys" take
        wanted=$(printf '%s\n' 'KEY_SESSION by name: ENOKEY' 'KEY_SESSION by number: EACCES' \
                'KEY_USER by name: ENOKEY' 'KEY_USER by number: EACCES')
        echo "$output"
        [ "$output" = "$wanted" ]
}

@test "without a keyring of its own, or without the filter, the command is not started" {
        run -125 user "$work/bin/forbid" keyctl "$work/bin/nsresourcectl" --socket "$work/socket" run sh -c 'echo ran'
        [[ "$output" == *"cannot part our keyrings from the caller's: Operation not permitted"*"keyctl(2)"* ]]
        absent '^ran' <<<"$output"
        run -125 user "$work/bin/forbid" seccomp "$work/bin/nsresourcectl" --socket "$work/socket" run sh -c 'echo ran'
        [[ "$output" == *"cannot keep the command from typing into your terminal: Operation not permitted"*"seccomp(2)"* ]]
        absent '^ran' <<<"$output"
}

@test "at a terminal: the command cannot type, by any way into the kernel" {
        local line
        # what it tries is what would type: without `run`, where this kernel lets anybody
        if [ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1 ]; then
                run -0 user "$work/bin/terminal" "$inside/type" </dev/null
                echo "$output"
                [[ "$output" == *"TIOCSTI: done"* && "$output" == *"more than 32 bits TIOCSTI: done"* ]]
        fi
        run -0 user "$work/bin/terminal" "$work/bin/nsresourcectl" --socket "$work/socket" run "$inside/type" </dev/null
        echo "$output"
        # All ways are tried, and each is refused; what everybody needs of a terminal works.
        grep -c 'TIOC\(STI\|LINUX\): EPERM' <<<"$output" >"$BATS_TEST_TMPDIR/n"
        [ "$(cat "$BATS_TEST_TMPDIR/n")" -ge 4 ]
        [[ "$(uname -m)" != x86_64 ]] || [ "$(cat "$BATS_TEST_TMPDIR/n")" -ge 7 ]
        found -E 'TIOC(STI|LINUX)' <<<"$output" | absent -v ': EPERM'
        [[ "$output" == *"TIOCINQ: done"* ]]
}

@test "the filter leaves programs that gain privilege alone" {
        run -0 in_run grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status
        [ "${lines[0]}" = $'NoNewPrivs:\t0' ]
        [ "${lines[1]}" = $'Seccomp:\t2' ]
        # a set-user-ID program of the namespace's own: /tmp is nosuid
        run -0 in_run sh -c 'mkdir -m 755 /tmp/bin && mount -t tmpfs -o mode=755 none /tmp/bin &&
                cp /usr/bin/id /tmp/bin && chmod 4755 /tmp/bin/id && setpriv --reuid 5 --clear-groups /tmp/bin/id -u'
        [ "$output" = 0 ]
}

@test "descriptors of the caller are not inside, but those it asks for" {
        echo secret >"$work/secret"
        chmod 600 "$work/secret"
        chown $USER_ID "$work/secret"
        local list='ls -l /proc/self/fd'
        run -0 in_run sh -c "$list" 3<"$work/secret" 5<"$work/secret" 200<"$work/secret"
        echo "$output"
        absent secret <<<"$output"
        run -0 in_run --preserve-fds 1 sh -c "cat <&3; $list" 3<"$work/secret" 4</dev/zero 200</dev/zero
        echo "$output"
        [ "${lines[0]}" = secret ]
        [ "$(grep -c "/secret$" <<<"$output")" = 1 ]
        absent zero <<<"$output"
        run -0 in_run --preserve-fds 2 sh -c "$list" 3<"$work/secret" 4</dev/zero 5<"$work/conf"
        [[ "$output" == */secret*/dev/zero* && "$output" != */conf* ]]
        run -125 in_run --preserve-fds 3 true 3</dev/null 4</dev/null 5<&-
        [[ "$output" == *"--preserve-fds 3: descriptor 5 is not open"* ]]
        local n
        for n in -1 1025 x '' 4294967296; do
                run -125 in_run --preserve-fds "$n" true
                [[ "$output" == *"--preserve-fds takes a number from 0 to 1024, not \"$n\""* ]]
        done
}

@test "closed standard descriptors are not taken by ours" {
        # shellcheck disable=SC2016
        in_run --preserve-fds 1 sh -c 'all=$(readlink /proc/$$/fd/[0-3]); echo "$all" >&3' <&- >&- 2>&- 3>out
        [ "$(cat out)" = "$(printf '/dev/null\n/dev/null\n/dev/null\n%s/out' "$work")" ]
        # a message of ours goes nowhere, not to the daemon or the first process
        local status=0
        in_run no-such-command-here 2>&- || status=$?
        [ "$status" = 127 ]
}

@test "the command stands where it gets by itself" {
        mkdir -p "$inside/closed/open" "$inside/open"
        chown -R $USER_ID "$inside/closed"
        chmod 700 "$inside/closed"
        echo secret >"$inside/closed/open/file"
        cd "$inside/open"
        run -0 in_run sh -c pwd
        [ "$output" = "$inside/open" ]
        cd "$inside/closed/open"
        run -0 in_run sh -c 'pwd; echo $PWD; cat file || echo closed'
        echo "$output"
        [ "${lines[0]}" = / ]
        [ "${lines[1]}" = / ]
        [[ "$output" == *closed && "$output" != *secret* ]]
        run -127 in_run ./file
        [[ "$output" == *"the current directory inside is /"* ]]
        # and not in a /tmp that is hidden inside
        cd "$work"
        [[ "$work" != /tmp/* ]] || { run -0 in_run pwd && [ "$output" = / ]; }
        # a folder that is gone
        mkdir "$inside/gone"
        chmod 755 "$inside/gone"
        cd "$inside/gone"
        rmdir "$inside/gone"
        run -0 in_run sh -c 'pwd'
        [ "$output" = / ]
}

@test "what lies below /tmp and /proc is seen as anybody sees it" {
        mkdir -p /tmp
        echo secret >"/tmp/nsresource-below.$$"
        chmod 600 "/tmp/nsresource-below.$$"
        chown $USER_ID "/tmp/nsresource-below.$$"
        # Where this test's file is may be another mount; it is enough that the private one can be taken away.
        run in_run sh -c "umount /tmp && cat /tmp/nsresource-below.$$"
        rm "/tmp/nsresource-below.$$"
        [ "$status" = 1 ]
        [[ "$output" == *"cat: /tmp/nsresource-below.$$: Permission denied" ]]
}

@test "capabilities, groups and right to new ones are the namespace's" {
        # root's own: the command must not have what its caller has
        run -0 setpriv --groups 4,27 --inh-caps +kill --ambient-caps +kill "$work/bin/nsresourcectl" \
                --socket "$work/socket" run sh -c 'id -G; grep -E "^(Groups|CapInh|CapAmb):" /proc/self/status'
        echo "$output"
        [ "${lines[0]}" = 0 ]
        [[ "${lines[1]}" =~ ^Groups:[[:space:]]*$ ]]
        [ "${lines[2]}" = $'CapInh:\t0000000000000000' ]
        [ "${lines[3]}" = $'CapAmb:\t0000000000000000' ]
}

@test "names that cannot be are refused before anything is started" {
        local name
        for name in 'a b' '' böse a/b 'a.b' $'a\n' "$(printf 'a%.0s' {1..18})"; do
                run -125 in_run --name "$name" sh -c 'echo ran'
                echo "$output"
                [[ "$output" == *"--name takes 1 to 17 letters, digits, - and _, not"* && "$output" != *ran* ]]
        done
        run -125 in_run --name "$(printf 'a%.0s' {1..16})" --size 1048576 true
        [[ "$output" == *"--name takes 1 to 15 "* ]]
        ctl list | absent -E '^4242-'
        # as long as may be
        start_run --name "$(printf 'a%.0s' {1..17})" sleep 100 3>&- &
        local pid=$!
        wait_for grep_list "4242-$(printf 'a%.0s' {1..17})"
        kill $pid
        wait $pid || true
}

# The one process that the signal's sender knows has no time to hand it on: it is stopped by us, for the machine need not be
# busy then.  It is the kernel that ends the rest.
@test "when run is killed, its control group is killed from outside, where it has one" {
        cgroups_setup
        cgroup_as $USER_ID caller
        # in the caller's group, as a shell of the user's would be
        (
                # shellcheck disable=SC2016
                echo $BASHPID >"$CGROUPS/caller/cgroup.procs"
                exec 3>&-
                start_run --name grouped sh -c 'setsid sleep 4713.3 & exec sleep 4714.3'
        ) &
        local pid=$! first
        wait_for pgrep -f '^sleep 4713\.3$'
        wait_for test -d "$CGROUPS/caller/nsresource-run-$pid"
        grep -q "/caller/nsresource-run-$pid\$" "/proc/$(pgrep -f '^sleep 4713\.3$')/cgroup"
        # nobody inside can write to it
        run in_run --name other sh -c "echo 0 >$CGROUPS/caller/nsresource-run-$pid/cgroup.kill"
        echo "$output"
        [ "$status" = 2 ]
        [[ "$output" == *"cgroup.kill: Permission denied" ]]
        first=$(pgrep -x nsresource-init | while read -r p; do
                ! grep -q "nsresource-run-$pid\$" "/proc/$p/cgroup" || echo "$p"
        done)
        kill -STOP "$first"
        kill -KILL $pid
        wait $pid || true
        wait_for sh -c '! pgrep -f "^sleep 471[34]\.3$"'
        wait_for test ! -d "$CGROUPS/caller/nsresource-run-$pid"
        wait_for sh -c '! pgrep -x nsresource-end'
        # a command that ends by itself leaves neither group nor guard
        # shellcheck disable=SC2016
        run -3 bash -c 'echo $$ >"$1/cgroup.procs"; shift; "$@"' - "$CGROUPS/caller" \
                setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --bounding-set=-all --inh-caps=-all -- \
                "$work/bin/nsresourcectl" --socket "$work/socket" run sh -c 'cat /proc/self/cgroup; exit 3'
        echo "$output"
        [[ "$output" == *"/caller/nsresource-run-"* ]]
        find "$CGROUPS/caller" -mindepth 1 -type d | absent .
        run ! pgrep -x nsresource-end
        # nor one whose daemon is away
        # shellcheck disable=SC2016
        run -125 bash -c 'echo $$ >"$1/cgroup.procs"; shift; "$@"' - "$CGROUPS/caller" \
                setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --bounding-set=-all --inh-caps=-all -- \
                "$work/bin/nsresourcectl" --socket "$work/none" run true
        find "$CGROUPS/caller" -mindepth 1 -type d | absent .
        # somebody else's group is not divided, nor root's own
        # shellcheck disable=SC2016
        run -0 bash -c 'echo $$ >"$1/cgroup.procs"; shift; "$@"' - "$CGROUPS/caller" \
                "$work/bin/nsresourcectl" --socket "$work/socket" run cat /proc/self/cgroup
        absent nsresource-run <<<"$output"
}

# Commands are stopped where they wait: a shell that is just starting a program (vfork) cannot be, by anybody.
# at_terminal SCRIPT: an interactive shell of the ordinary user's, where `r` is `nsresourcectl run`.
at_terminal() {
        cat >"$work/rc" <<END
PS1='OUT> '
alias r='"$work/bin/nsresourcectl" --socket "$work/socket" --table "$work/run/table" run'
END
        # A script knows no job control: whoever takes the terminal there has to give it back.
        cat >"$work/script" <<END
"$work/bin/nsresourcectl" --socket "$work/socket" --table "$work/run/table" run bash --norc -i -c true
echo "gave"" back"
read -r x
echo "got-\$x"
END
        user env HISTFILE=/dev/null INPUTRC=/dev/null TERM=dumb "$work/bin/terminal" bash --noprofile --rcfile "$work/rc" -i
}

@test "at a terminal: Ctrl-C ends the command" {
        run -5 at_terminal <<'END'
expect OUT>
send r sh -c 'sleep 100 & echo on''e; wait' || echo st''atus $?\n
expect one
send \003
expect status 130
send exit 5\n
END
        echo "$output"
}

@test "at a terminal: Ctrl-Z, jobs, bg, fg" {
        mkfifo -m 666 "$inside/fifo"
        run -5 at_terminal <<'END'
expect OUT>
send r sh -c 'echo on''e; read x <$inside/fifo; echo tw''o'\n
expect one
send \032
expect Stopped
expect OUT>
send echo >$inside/fifo &\n
expect OUT>
send jobs; echo ju''st\n
expect Stopped
expect just
send bg %1\n
expect two
send wait; r sh -c 'echo thr''ee; read x; exit 7'\n
expect three
send \032
expect Stopped
send fg; echo st''atus $?\n
expect run sh
send \n
expect status 7
send exit 5\n
END
        echo "$output"
}

@test "at a terminal: a shell inside has job control, and gives the terminal back" {
        run -5 at_terminal <<'END'
expect OUT>
send r env PS1='I''N> ' bash --noprofile --norc -i\n
expect IN>
send sh -c 'sleep 100 & echo fo''ur; wait'\n
expect four
send \032
expect Stopped
expect IN>
send suspend -f\n
expect OUT>
send jobs; echo ju''st\n
expect Stopped
expect just
send fg\n
send \n
expect IN>
send jobs; echo ag''ain\n
expect Stopped
expect again
send kill -9 %1; while jobs %1 >/dev/null 2>&1; do sleep 0.1; done; exit 9\n
expect OUT>
send echo st''atus $?\n
expect status 9
send bash ./script\n
expect gave back
send typed\n
expect got-typed
send exit 5\n
END
        echo "$output"
}

@test "at a terminal: in the background, reading stops it; what ignores Ctrl-Z is not stopped" {
        run -5 at_terminal <<'END'
expect OUT>
send r cat &\n
expect OUT>
send until jobs | grep -q Stop''ped; do sleep 0.1; done; jobs; echo ju''st\n
expect Stopped
expect just
send fg\n
expect run cat
send typed\n
expect typed
expect typed
send \004
expect OUT>
send r sh -c 'trap "" TSTP; echo on''e; read x; echo tw''o $x'\n
expect one
send \032
send three\n
expect two three
expect OUT>
send jobs; echo no''ne\n
expect none
send exit 5\n
END
        echo "$output"
}
