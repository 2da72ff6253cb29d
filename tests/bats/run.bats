#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nsresourcectl against a daemon of its own, with Enforcement=none: `run` above all, then what list, status, check, show
# and whose say of what runs.

load common

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
        cp "$abs_top_builddir/nsresourcectl" "$abs_top_builddir/tests/tools/terminal" "$work/bin"
        printf '[Policy]\nEnforcement=none\n[Limits]\nNamespacesPerUser=4\n' >"$work/conf"
        "$nsresourced" --config="$work/conf" --socket="$work/socket" --runtime-dir="$work/run" \
                --state-dir="$work/state" --nspawn-dir="$work/nspawn" --pin-dir="$work/pins" \
                --run-user-dir="$work/run-user" --linger-dir="$work/linger" >"$work/log" 2>&1 3>&- &
        echo $! >"$work/pid"
        local i
        for ((i = 0; i < 500; i++)); do
                ctl status >/dev/null 2>&1 && return 0
                sleep 0.02
        done
        cat "$work/log"
        return 1
}

teardown_file() {
        [ -n "${work:-}" ] || return 0
        local pid
        pid=$(cat "$work/pid")
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        rm -rf "${work:?}"
}

setup() {
        cd "$work" || return
        wait_for_none
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
        local i
        for ((i = 0; i < 300; i++)); do
                ctl list 2>/dev/null | grep -qE ' (reserved|mapping|active|releasing) ' || return 0
                sleep 0.1
        done
        ctl list
        return 1
}

# wait_until COMMAND...: ten seconds at most.
wait_until() {
        local i
        for ((i = 0; i < 200; i++)); do
                "$@" >/dev/null 2>&1 && return 0
                sleep 0.05
        done
        echo "never: $*"
        return 1
}

@test "the command is root, with 65536 IDs, alone, in private /proc and /tmp" {
        touch "$work/outside" && mkdir -p /tmp && touch "/tmp/nsresource-outside.$$"
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

@test "capabilities are those of the namespace, and nothing outside is gained" {
        run ! in_run sh -c 'mknod /tmp/null c 1 3'
        run ! in_run mount -o remount,exec /proc/sys
        run ! in_run sh -c 'cat /etc/shadow'
        run ! in_run sh -c 'echo 1 >/proc/sys/kernel/panic'
        run ! in_run sh -c "touch /etc/nsresource-test"
        # PID 1 is the host's program: who is root inside can neither trace nor end nor stop it
        run ! in_run sh -c 'ls /proc/1/fd'
        run -0 in_run sh -c 'kill -KILL 1; kill -TERM 1; kill -STOP 1; sleep 0.2; echo here'
        [[ "$output" == *here ]]
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
        wait_until grep_list 4242-web
        run -125 in_run --name web true
        [[ "$output" == *"another namespace has that name"*"next: choose another with --name"* ]]
        start_run sleep 100 3>&- &
        local two=$!
        wait_until grep_list 4242-sleep
        start_run sleep 100 3>&- &
        local three=$!
        wait_until grep_list 4242-sleep-2
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
                wait_until grep_list "4242-n$i"
        done
        run -125 in_run --name n5 true
        [[ "$output" == *"as many namespaces or IDs as one user may have"*"next: "* ]]
        kill "${pids[@]}"
        wait "${pids[@]}" || true
}

@test "signals reach the command, and only the command" {
        start_run sh -c 'trap "echo got USR1" USR1; trap "echo got HUP; exit 3" HUP; echo ready; while :; do sleep 0.05; done' >out 3>&- &
        local pid=$!
        wait_until grep ready out
        kill -USR1 $pid
        wait_until grep USR1 out
        kill -HUP $pid
        local status=0
        wait $pid || status=$?
        [ "$status" = 3 ]
        [ "$(cat out)" = $'ready\ngot USR1\ngot HUP' ]
}

@test "the end of the command is the end of everything inside" {
        run -0 in_run sh -c 'setsid sleep 4711.3 & sleep 0.1; echo done'
        [ "$output" = "done" ]
        run ! pgrep -f '^sleep 4711\.3$'
        # and the end of run, however hard
        start_run sh -c 'sleep 4712.3 & wait' 3>&- &
        local pid=$!
        wait_until pgrep -f '^sleep 4712\.3$'
        kill -KILL $pid
        wait $pid || true
        wait_until sh -c '! pgrep -f "^sleep 4712\.3$"'
}

@test "zombies are reaped" {
        run -0 in_run sh -c 'for i in 1 2 3 4 5; do (sleep 0.1 & exit) ; done; sleep 0.5; ls -d /proc/[0-9]* | wc -l'
        [ "$output" -le 4 ]
}

@test "list, show, whose, status and check see it" {
        start_run --name web sleep 100.3 3>&- &
        local pid=$! start
        wait_until grep_list 4242-web
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

@test "a daemon that is gone or refuses: nothing runs, nothing stays behind" {
        run -125 user "$work/bin/nsresourcectl" --socket "$work/none" run sh -c 'echo ran'
        [[ "$output" == *"cannot reach nsresourced"* && "$output" != *ran* ]]
        # the process that waited for its IDs has gone too
        run ! pgrep -u $USER_ID -f "^$work/bin/nsresourcectl"
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
        run -5 at_terminal <<'END'
expect OUT>
send r sh -c 'sleep 2 & echo on''e; wait; echo tw''o'\n
expect one
send \032
expect Stopped
expect OUT>
send sleep 2; jobs; echo ju''st\n
expect Stopped
expect just
send bg\n
expect two
send wait; r sh -c 'sleep 1 & echo thr''ee; wait; exit 7'\n
expect three
send \032
expect Stopped
send fg; echo st''atus $?\n
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
send sleep 1; jobs; echo ju''st\n
expect Stopped
expect just
send fg\n
expect run cat
send typed\n
expect typed
expect typed
send \004
expect OUT>
send r sh -c 'trap "" TSTP; echo on''e; sleep 1; echo tw''o'\n
expect one
send \032
expect two
expect OUT>
send jobs; echo no''ne\n
expect none
send exit 5\n
END
        echo "$output"
}
