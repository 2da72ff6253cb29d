#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nsresourcectl, as far as it needs no daemon: the command line, the table, /etc/nsswitch.conf, errors.

load common

bats_require_minimum_version 1.5.0

setup() {
        work=$(mktemp -d "${TMPDIR:-/tmp}/nsresourcectl.XXXXXX")
        cd "$work" || return
}

teardown() {
        [ -z "${sleeper:-}" ] || kill "$sleeper" 2>/dev/null || true
        cd /
        rm -rf "${work:?}"
}

ctl() {
        "$abs_top_builddir/nsresourcectl" --socket "$work/no-socket" --provider "$work/no-provider" --table "$work/table" "$@"
}

# A table as root's programs believe it.
table() {
        need_root
        "$abs_top_builddir/tests/bats/table-make" table 0x80000 256 "$@" >ranges
}

start_of() {
        awk -v name="$1" '$1 == name { print $2 }' ranges
}

@test "help and version, of everything and of each verb" {
        run -0 ctl --help
        local verb
        for verb in run list show whose status check nss unenforced; do
                [[ "$output" == *"  $verb "* ]]
        done
        for verb in run list show whose status check nss unenforced; do
                run -0 ctl $verb --help
                [[ "${lines[0]}" == "Usage: nsresourcectl $verb"* ]]
                [[ "${lines[0]}" != *" " ]]
        done
        run -0 ctl --version
        [[ "$output" == "nsresourcectl "[0-9]* ]]
}

@test "a command line that makes no sense is refused with what to do" {
        run -2 ctl
        [[ "$output" == *"a verb is missing"*"next: nsresourcectl --help"* ]]
        run -2 ctl frobnicate
        [[ "$output" == *'there is no verb "frobnicate"'* ]]
        run -2 ctl --frobnicate
        run -2 ctl list --frobnicate
        [[ "$output" == "nsresourcectl: list: there is no option --frobnicate"*"next: nsresourcectl list --help" ]]
        run -2 ctl list --json=yes
        [[ "$output" == "nsresourcectl: list: nothing may follow --json"* ]]
        run -2 ctl list extra
        [[ "$output" == *"too many arguments"* ]]
        run -2 ctl show
        run -2 ctl whose a b
        run -2 ctl nss
        run -2 ctl nss frobnicate
        run -2 ctl nss status --file
        [[ "$output" == "nsresourcectl: nss: --file must be followed by PATH"* ]]
        run -2 ctl whose --uid --file 5
        [[ "$output" == "nsresourcectl: whose: only one of --uid, --pid and --file may be given"* ]]
        run -125 ctl run
        run -125 ctl run --size
        run -125 ctl run --frobnicate true
}

@test "the daemons' command lines: help, version, and what makes no sense" {
        local program
        for program in nsresourced nsresource-userdbd; do
                run -0 "$abs_top_builddir/$program" --help
                [ "${lines[0]}" = "Usage: $program [OPTION]..." ]
                [[ "$output" == *$'\n'"  --socket PATH "* ]]
                run -0 "$abs_top_builddir/$program" --version --frobnicate
                [[ "$output" == "$program "[0-9]* ]]
        done
        run -2 "$abs_top_builddir/nsresourced" --frobnicate
        [ "$output" = "nsresourced: there is no option --frobnicate; see --help" ]
        run -2 "$abs_top_builddir/nsresourced" --socket
        [ "$output" = "nsresourced: --socket must be followed by PATH; see --help" ]
        run -2 "$abs_top_builddir/nsresourced" extra
        [ "$output" = 'nsresourced: unexpected argument "extra"; see --help' ]
        run -1 "$abs_top_builddir/nsresource-userdbd" --frobnicate
        [ "$output" = "nsresource-userdbd: there is no option --frobnicate; see --help" ]
        run -1 "$abs_top_builddir/nsresource-userdbd" extra
        [ "$output" = 'nsresource-userdbd: unexpected argument "extra"' ]
        local seconds
        for seconds in 86401 -1 x ""; do
                run -1 "$abs_top_builddir/nsresource-userdbd" --idle-seconds "$seconds"
                [ "$output" = "nsresource-userdbd: --idle-seconds takes a number from 0 to 86400" ]
        done
}

# no_daemon: how `run` ends then: where a user namespace can be made at all, that is not what it says.
no_daemon() {
        if unshare -U true 2>/dev/null; then
                [[ "$output" == *"cannot reach nsresourced"*"no-socket: No such file or directory"*"next: "*systemctl* ]]
        else
                [[ "$output" == *"cannot make a user namespace"* ]]
        fi
}

@test "run: sizes from 1 to 1048576" {
        local size
        for size in 0 1048577 -1 "" x 65536x 4294967296; do
                run -125 ctl run --size "$size" true
                [[ "$output" == *"from 1 to 1048576"* ]]
        done
        # these get as far as the daemon
        for size in 1 1048576; do
                run -125 ctl run --size $size true
                no_daemon
        done
}

@test "no daemon: each verb that needs it says so, and what to do" {
        local verb
        for verb in list status; do
                run -1 ctl $verb
                [[ "$output" == *"no-socket: No such file or directory"*"next: "*systemctl* ]]
        done
        run -125 ctl run true
        no_daemon
}

@test "check without anything fails, and says what to do about each thing" {
        run -1 ctl check
        [[ "$output" == *"failed  cannot reach nsresourced"* ]]
        [[ "$output" == *"failed  there is no table"* ]]
        [[ "$output" == *"next: systemctl enable --now nsresource-userdbd.socket"* ]]
        run -1 ctl check --json
        [ "$(grep -c '"result": "failed"' <<<"$output")" -ge 3 ]
}

@test "check: polkit's rule, where polkit reads it" {
        need_root
        chmod 755 .
        cp "$abs_top_builddir/nsresourcectl" .
        # Folders of the test's own over the host's.
        cat >in-namespace <<'END'
mount -t tmpfs -o mode=755 none /etc && mount -t tmpfs -o mode=755 none /run || exit 1
mount -t tmpfs -o mode=755 none /usr/share && mount -t tmpfs -o mode=755 none /usr/local || exit 1
looks() {
        local answer
        answer=$("${as[@]}" ./nsresourcectl --socket none --provider none --table none check | grep -A 1 polkit)
        [[ "$answer" == *"$1"* ]] || { printf 'wanted: %s\ngot: %s\n' "$1" "$answer"; exit 1; }
}
as=()
looks "ok      there is no polkit that could be asked"
mkdir -p /usr/share/dbus-1/system-services && touch /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service
looks "failed  polkit has no rule that denies lent IDs its actions (00-nsresource.rules)
        next: make install puts it there; or copy it to /etc/polkit-1/rules.d"
mkdir -p {/etc,/run,/usr/share,/usr/local/share}/polkit-1/rules.d
looks "failed  polkit has no rule"
echo rule >/usr/local/share/polkit-1/rules.d/00-nsresource.rules
looks "note    polkit denies lent IDs every action, if it is 125 or later (/usr/local/share/polkit-1/rules.d/00-nsresource.rules)"
ln -s /dev/null /etc/polkit-1/rules.d/00-nsresource.rules
looks "failed  polkit has no rule that denies lent IDs its actions (/etc/polkit-1/rules.d/00-nsresource.rules)"
rm /etc/polkit-1/rules.d/00-nsresource.rules
echo rule >/usr/share/polkit-1/rules.d/00-nsresource.rules
looks "ok      polkit denies lent IDs every action (/usr/share/polkit-1/rules.d/00-nsresource.rules)"
rm {/usr/share,/usr/local/share}/polkit-1/rules.d/*
: >/usr/share/polkit-1/rules.d/00-nsresource.rules
looks "failed  polkit has no rule"
echo rule >/etc/polkit-1/rules.d/00-nsresource.rules && chmod 700 /etc/polkit-1/rules.d
looks "ok      polkit denies lent IDs every action (/etc/polkit-1/rules.d/00-nsresource.rules)"
as=(setpriv --reuid 4242 --regid 4242 --clear-groups --bounding-set=-all)
rm /usr/share/polkit-1/rules.d/*
looks "note    only root sees whether polkit denies lent IDs its actions"
echo all of it
END
        run -0 unshare -m bash in-namespace
        echo "$output"
        [[ "$output" == *"all of it" ]]
}

@test "no table, a damaged table, somebody else's" {
        run -1 ctl show web
        [[ "$output" == *"there is no table"*"next: "* ]]
        run -1 ctl whose 524288
        [[ "$output" == *"there is no table"* ]]
        table add web 65536 1000
        run -0 ctl show web
        cp -p table good
        truncate -s 5000 table
        run -1 ctl show web
        [[ "$output" == *"damaged"*"next: "* ]]
        cp -p good table
        chown 12345 table
        run -1 ctl show web
        [[ "$output" == *"damaged"* ]]
}

@test "show: by name, by user name, by UID" {
        table add 1000-web 65536 1000 add ns-x-5 65536 0 add 4711 65536 0 add 1000-one 1 1000
        local start what
        start=$(start_of 1000-web)
        for what in 1000-web ns-1000-web-0 ns-1000-web-65535 "$start" $((start + 65535)); do
                run -0 ctl show "$what"
                [ "${lines[0]}" = "Namespace:  1000-web" ]
                [ "${lines[2]}" = "IDs:        $start ... $((start + 65535)) (65536)" ]
                [ "${lines[3]}" = "Inside:     0 ... 65535" ]
                [ "${lines[6]}" = "Processes:  0" ]
        done
        # a namespace whose name looks like something else
        run -0 ctl show ns-x-5
        [ "${lines[0]}" = "Namespace:  ns-x-5" ]
        run -0 ctl show 4711
        [ "${lines[0]}" = "Namespace:  4711" ]
        run -0 ctl show 1000-one
        [[ "$output" == *"(1)"* ]]
        for what in nobody ns-1000-web-65536 ns- "" 1 "$(printf 'x%.0s' {1..5000})"; do
                run -1 ctl show "$what"
                [[ "$output" == *"belongs to no namespace"* ]]
        done
        run -0 ctl show 1000-web --json
        [[ "$output" == *'"namespace": "1000-web"'*'"start": '$start,* ]]
}

# sleeps: $sleeper is what it was started for: sleep, in its namespace or as its user.
sleeps() {
        [ "$(cat "/proc/$sleeper/comm")" = sleep ]
}

@test "show: what was registered has no IDs of ours, and says who is in it" {
        unshare -U true || cannot userns "no user namespace can be made here"
        unshare -U sleep 1000 3>&- &
        sleeper=$!
        local inode
        wait_for sleeps
        inode=$(stat -Lc %i "/proc/$sleeper/ns/user")
        [ "$inode" != "$(stat -Lc %i /proc/self/ns/user)" ]
        table register own "$inode" 1000 add web 65536 0
        run -0 ctl show own
        echo "$output"
        [ "${lines[0]}" = "Namespace:  own" ]
        [ "${lines[2]}" = "IDs:        its own (registered)" ]
        [[ "${lines[3]}" == "Since: "* ]]
        [ "${lines[4]}" = "Processes:  1 ($sleeper)" ]
        [ ${#lines[@]} = 5 ]
        run -0 ctl show --json own
        [[ "$output" == *'"size": 0'* && "$output" == *"\"userNamespaceInode\": $inode"* ]]
        # it has no users
        run -1 ctl show ns-own-0
        [[ "$output" == *"ns-own-0 belongs to no namespace"* ]]
        run -1 ctl whose 4294967295
        [[ "$output" == *"there is no process 4294967295, and as a UID it is none of the pool's"* ]]
        kill $sleeper
}

@test "whose: a UID, a file, a process; what is nobody's" {
        table add 1000-web 131072 1000 add db 65536 0
        local start db
        start=$(start_of 1000-web)
        db=$(start_of db)
        run -0 ctl whose $((start + 65541))
        [ "${lines[0]}" = "ID:         $((start + 65541)) is ns-1000-web-65541, number 65541 of its range, 65541 inside" ]

        touch file
        chown $((start + 5)):"$db" file
        run -0 ctl whose file
        [[ "$output" == *"owner of file"*"is ns-1000-web-5,"*"group of file"*"is ns-db-0,"* ]]
        # a link is somebody's own, whatever it points to
        ln -s file link
        run -1 ctl whose link
        [[ "$output" == *"link is owned by 0:0, which belong to no namespace"* ]]
        chown -h 0:$((db + 7)) link
        run -0 ctl whose ./link
        [[ "$output" == *"group of ./link"*"is ns-db-7,"* && "$output" != *"owner of"* ]]

        setpriv --reuid $((db + 9)) --regid 0 --clear-groups sleep 1000 3>&- &
        sleeper=$!
        wait_for sleeps
        run -0 ctl whose --pid $sleeper
        [[ "$output" == *"effective UID of process $sleeper"*"is ns-db-9,"*"Processes:  1 ($sleeper)"* ]]
        run -0 ctl show db
        [[ "$output" == *"Processes:  1 ($sleeper)"* ]]
        kill $sleeper

        run -1 ctl whose --pid $$
        [[ "$output" == *"which belongs to no namespace"* ]]
        run -1 ctl whose --uid 0
        [[ "$output" == *"UID 0 belongs to no namespace now"* ]]
        run -1 ctl whose 4294967295
        [[ "$output" == *"as a UID it is none of the pool's"* ]]
        run -1 ctl whose --uid file
        [[ "$output" == *"file: Invalid argument"* ]]
        run -1 ctl whose nothing-there
        [[ "$output" == *"nothing-there: No such file or directory"* ]]
        # a number that is a file's name
        touch 5
        chown "$db" 5
        run -0 ctl whose --file 5
        [[ "$output" == *"is ns-db-0,"* ]]
        run -0 ctl whose ./5
        run -0 ctl whose --json file
        [[ "$output" == *'"role": "owner"'*'"role": "group"'* ]]
}

@test "bytes of file names do not reach the terminal" {
        table add web 65536 0
        local evil=$'evil\033]0;owned\007\n\xc2\x9b5m\xff'
        touch "$evil"
        run -1 ctl whose "$evil"
        [[ "$output" == *'evil\x1b]0;owned\x07\x0a\xc2\x9b5m\xff is owned by'* ]]
        chown "$(start_of web)" "$evil"
        run -0 ctl whose "$evil"
        [[ "$output" == *'owner of evil\x1b]0;owned\x07'* ]]
        LC_ALL=C.UTF-8 run -0 ctl whose "$evil"
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
        run -1 ctl show "$evil"
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
        run -1 ctl show --table "$evil/x" web
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
        run -2 ctl "$evil"
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
        # A name that a pattern of the shell made an option.
        run -2 ctl whose "--$evil"
        [[ "$output" == *'whose: there is no option --evil\x1b]0;owned\x07'* ]]
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
        run -2 ctl "--$evil" list
        [[ "$output" == *'there is no option --evil\x1b]0;owned\x07'* ]]
        absent -P '[\x00-\x08\x0b-\x1f\x7f]' <<<"$output"
}

@test "nss: enable, disable, status; each twice, and back to the byte" {
        printf '# mine\npasswd:         files systemd\ngroup:  files [SUCCESS=merge] systemd # x\n\nshadow: files\nhosts: files dns\n' >conf
        cp conf before
        run -1 ctl nss status --file conf
        [ "${lines[0]}" = "passwd  disabled" ]
        run -0 ctl nss enable --file conf
        [ "$output" = "conf: nsresource is now enabled" ]
        printf '# mine\npasswd:         files nsresource systemd\ngroup:  nsresource files [SUCCESS=merge] systemd # x\n\nshadow: files nsresource\nhosts: files dns\n' | cmp - conf
        run -0 ctl nss enable --file conf
        [ "$output" = "conf: nsresource was already enabled" ]
        run -0 ctl nss status --file conf
        run -0 ctl nss status --file conf --json
        [[ "$output" == *'"passwd": "enabled"'* ]]
        run -0 ctl nss disable --file conf
        cmp before conf
        run -0 ctl nss disable --file conf
        [ "$output" = "conf: nsresource was already disabled" ]
        cmp before conf
        # nothing else is left in the folder
        [ "$(ls)" = $'before\nconf' ]
}

# on_terminal COLUMNS COMMAND: run it by a shell on a terminal that is so wide.
on_terminal() {
        need_command script stty
        script -qec "stty cols $1 -onlcr; $2" /dev/null </dev/null
}

@test "colours: on a terminal only, and not with NO_COLOR, a dumb terminal or none" {
        printf 'passwd: files nsresource\ngroup: files\nshadow: files systemd nsresource\n' >conf
        local green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m' command="$abs_top_builddir/nsresourcectl nss status --file conf"
        export TERM=xterm
        unset NO_COLOR
        run on_terminal 120 "$command"
        echo "$output" | cat -v
        [[ "${lines[0]}" == "passwd  ${green}enabled$plain" ]]
        [[ "${lines[1]}" == "group   ${red}disabled$plain" ]]
        [[ "${lines[2]}" == "shadow  "$'\033['*"enabled, but after systemd: look-ups may wait for other services$plain" ]]
        # Empty is not set.
        NO_COLOR='' run on_terminal 120 "$command"
        [[ "$output" == *"$green"* ]]
        run on_terminal 120 "$command | cat"
        [[ "${lines[0]}" == "passwd  enabled" ]]
        absent $'\033' <<<"$output"
        NO_COLOR=1 run on_terminal 120 "$command"
        [[ "${lines[0]}" == "passwd  enabled" ]]
        absent $'\033' <<<"$output"
        TERM=dumb run on_terminal 120 "$command"
        [[ "${lines[0]}" == "passwd  enabled" ]]
        absent $'\033' <<<"$output"
        run on_terminal 120 "env -u TERM $command"
        [[ "${lines[0]}" == "passwd  enabled" ]]
        absent $'\033' <<<"$output"
        run on_terminal 120 "$abs_top_builddir/nsresourcectl check --socket none --provider none --table none"
        [[ "$output" == *$'\n'"${red}failed "*"cannot reach nsresourced"* ]]
}

@test "list: columns that there are not, and what JSON has not" {
        local names
        for names in "" "," "OWNER," NAMES $'STATE,\033[31m' "$(printf 'IDS,%.0s' {1..1000})"; do
                run -2 ctl list --output "$names"
                [[ "$output" == *"list: there is no column \""*"next: nsresourcectl list --help"* ]]
                absent $'\033' <<<"$output"
        done
        local option
        for option in --raw --noheadings --output=IDS; do
                run -2 ctl list --json $option
                [[ "$output" == *"list: --json prints all there is, and no columns"* ]]
                # as far as the daemon
                run -1 ctl list $option
                [[ "$output" == *"no-socket"* ]]
        done
}

@test "nss: a file that is not understood is not changed, and the line is named" {
        printf 'passwd: files\n\ngroup: files [NOTFOUND=return\nshadow: files\n' >conf
        cp -p conf before
        local verb
        for verb in enable disable status; do
                run -1 ctl nss $verb --file conf
                [[ "$output" == *"conf, line 3: a [ without its ]"*"next: "* ]]
        done
        cmp before conf
        printf 'passwd: files\0\n' >conf
        run -1 ctl nss enable --file conf
        printf '%300000s' ' ' >conf
        run -1 ctl nss enable --file conf
        [[ "$output" == *"File too large"* ]]
}

@test "nss: a link is somebody else's; a mounted file is written in place; no rights, no change" {
        printf 'passwd: files\n' >real
        ln -s real conf
        run -1 ctl nss enable --file conf
        [[ "$output" == *"cannot read conf: a symbolic link leads there"*"authselect"* ]]
        [ -L conf ]
        [ "$(cat real)" = "passwd: files" ]
        need_root
        rm conf
        touch conf
        cat >in-namespace <<END
set -e
mount --bind real conf
"$abs_top_builddir/nsresourcectl" nss enable --file conf
grep -q '^passwd: files nsresource$' conf
"$abs_top_builddir/nsresourcectl" nss disable --file conf
END
        run -0 unshare -m bash in-namespace
        [ "$(cat real)" = "passwd: files" ]
        [ ! -s conf ]
        chmod 755 .
        chmod 644 real
        # shellcheck disable=SC2016
        run -1 setpriv --reuid 4242 --regid 4242 --clear-groups --bounding-set=-all "$abs_top_builddir/nsresourcectl" nss enable --file real
        [[ "$output" == *"Permission denied"*"next: try again as root"* ]]
}

@test "nss: root edits nothing that somebody else could exchange meanwhile" {
        need_root
        # The user's folder: between two looks at the path, a link to what only root reads can stand there.
        mkdir theirs
        chown 4242 theirs
        printf 'passwd: files\n' >theirs/conf
        # Writable by others, with and without the sticky bit; by a group.
        mkdir sticky shared group
        chmod 1777 sticky
        chmod 777 shared
        chmod 770 group
        local folder verb
        for folder in theirs sticky shared group; do
                [ -e $folder/conf ] || printf 'passwd: files\n' >$folder/conf
                for verb in enable disable; do
                        run -1 ctl nss $verb --file $folder/conf
                        echo "$output"
                        [[ "$output" == *"cannot read $folder/conf: others than root can change what is in its folder"* ]]
                done
                [ "$(ls $folder)" = conf ]
                [ "$(cat $folder/conf)" = 'passwd: files' ]
        done
        # A link on the way
        mkdir real
        printf 'passwd: files\n' >real/conf
        ln -s real way
        run -1 ctl nss enable --file way/conf
        [[ "$output" == *"cannot read way/conf: a symbolic link leads there"* ]]
        run -1 ctl nss enable --file "$PWD/way/conf"
        [[ "$output" == *"a symbolic link leads there"* ]]
        [ "$(cat real/conf)" = 'passwd: files' ]
        run -0 ctl nss enable --file "$PWD/real/conf"
        # No file: it is made.  A FIFO: nobody waits.
        rm real/conf
        run -0 ctl nss enable --file real/conf
        [ "$(stat -c %a:%u real/conf)" = 644:0 ]
        rm real/conf
        mkfifo real/conf
        run -1 timeout 20 "$abs_top_builddir/nsresourcectl" nss enable --file real/conf
        [[ "$output" == *"cannot read real/conf: it is no regular file"* ]]
}

@test "nss: owner, mode and access list stay as they were" {
        need_root
        need_command setfacl getfacl
        printf 'passwd: files\n' >conf
        chown 4242:4343 conf
        chmod 640 conf
        if ! setfacl -m u:4444:r,g::- conf 2>/dev/null; then
                skip "no access lists on $PWD"
        fi
        getfacl -n conf >before
        run -0 ctl nss enable --file conf
        getfacl -n conf | diff before -
        # what the folder gives to new files is not given to one that had none
        setfacl -b conf
        chmod 604 conf
        setfacl -d -m u:4444:rw .
        getfacl -n conf >before
        run -0 ctl nss disable --file conf
        getfacl -n conf | diff before -
}
