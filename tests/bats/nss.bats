#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The NSS module as programs meet it, through glibc: in a private mount namespace with a /run and an nsswitch.conf of
# its own.  Names come from tables that a test helper writes.

load common

POOL=0x80000

setup() {
        need_root
        need_command unshare getent
        folder=$BATS_TEST_TMPDIR/state
        module=$abs_top_builddir/.libs/libnss_nsresource.so.2
        client=$abs_top_builddir/tests/bats/nss-client
        [ -e "$module" ] || skip "the module is not built yet"
        unshare -m true || cannot userns "no mount namespace can be made here"
        mkdir -p "$folder" "$BATS_TEST_TMPDIR/lib"
        # Only the module: other libraries of the build are not what the host's programs run with.
        cp "$module" "$BATS_TEST_TMPDIR/lib"
}

# The folder's table: see tests/bats/table-make.c.
make_table() {
        "$abs_top_builddir/tests/bats/table-make" "$folder/table" $POOL 1000 "$@"
}

# start NAME: first ID of the range that make_table told of.
start() {
        sed -n "s/^$1 \([0-9]*\) .*/\1/p" "$BATS_TEST_TMPDIR/ranges"
}

make_ranges() {
        make_table add 1000-web 65536 1000 add one 1 1000 add big 200000 0 >"$BATS_TEST_TMPDIR/ranges"
}

# in_sandbox COMMAND...: run where the module answers from the folder's table, after `files`.
in_sandbox() {
        unshare -m --propagation private bash -ec '
                folder=$1 lib=$2
                shift 2
                mount -t tmpfs -o mode=755 none /run
                mkdir /run/nsresource /run/etc
                mount --bind "$folder" /run/nsresource
                sed "/^\(passwd\|group\|shadow\|initgroups\)/d" /etc/nsswitch.conf >/run/etc/nsswitch.conf
                printf "%s: files nsresource\n" passwd group shadow >>/run/etc/nsswitch.conf
                mount --bind /run/etc/nsswitch.conf /etc/nsswitch.conf
                export LD_LIBRARY_PATH=$lib
                exec "$@"' sandbox "$folder" "$BATS_TEST_TMPDIR/lib" "$@"
}

@test "getent: passwd, group and shadow by name and number, first and last ID" {
        local base
        make_ranges
        base=$(start 1000-web)
        run in_sandbox getent passwd ns-1000-web-0 ns-1000-web-65535 "$base" $((base + 65535))
        echo "$output"
        [ "$status" = 0 ]
        [[ "${lines[0]}" == "ns-1000-web-0:x:$base:$base:User 0 of namespace 1000-web of UID 1000 since 20"??-??-??":/:/usr/sbin/nologin" ]]
        [[ "${lines[1]}" == "ns-1000-web-65535:x:$((base + 65535)):$((base + 65535)):User 65535 of "* ]]
        [ "${lines[2]}" = "${lines[0]}" ]
        [ "${lines[3]}" = "${lines[1]}" ]

        run in_sandbox getent group ns-1000-web-0 $((base + 65535))
        [ "$status" = 0 ]
        [ "${lines[0]}" = "ns-1000-web-0:x:$base:" ]
        [ "${lines[1]}" = "ns-1000-web-65535:x:$((base + 65535)):" ]

        run in_sandbox getent shadow ns-1000-web-7
        echo "$output"
        [ "$status" = 0 ]
        [[ "$output" =~ ^ns-1000-web-7:!\*::::::1:$ ]]
}

@test "getent: a range of several slots, and one ID" {
        local base
        make_ranges
        base=$(start big)
        run in_sandbox getent passwd ns-big-199999 $((base + 131072)) ns-one-0
        [ "$status" = 0 ]
        [[ "${lines[0]}" == "ns-big-199999:x:$((base + 199999)):"* ]]
        [[ "${lines[1]}" == "ns-big-131072:x:$((base + 131072)):"* ]]
        [[ "${lines[2]}" == "ns-one-0:x:$(start one):"* ]]
}

@test "getent: what is not there is not found" {
        local key
        make_ranges
        for key in ns-big-200000 $(($(start big) + 200000)) ns-1000-web-65536 ns-1000-web-00 ns-1000-web- ns-1000-web \
                ns--0 ns-one-1 ns-1000-web-+1 NS-1000-web-0 'ns-1000-web-0 ' $(($(start one) + 1)) 1; do
                run in_sandbox getent passwd "$key"
                echo "$key: $status $output"
                if [ "$key" = 1 ]; then
                        [[ "$output" == daemon:* ]]
                else
                        [ "$status" = 2 ]
                fi
        done
}

@test "id, ls and ps show names, and the primary group is the one of the same number" {
        local base
        make_ranges
        base=$(start 1000-web)
        touch "$BATS_TEST_TMPDIR/file"
        chown $((base + 3)):$((base + 4)) "$BATS_TEST_TMPDIR/file"
        run in_sandbox id ns-1000-web-3
        [ "$output" = "uid=$((base + 3))(ns-1000-web-3) gid=$((base + 3))(ns-1000-web-3) groups=$((base + 3))(ns-1000-web-3)" ]
        run in_sandbox stat -c '%U %G' "$BATS_TEST_TMPDIR/file"
        [ "$output" = "ns-1000-web-3 ns-1000-web-4" ]
        run in_sandbox bash -c "setpriv --reuid $((base + 5)) --clear-groups sleep 100 &
                until [ \"\$(cat /proc/\$!/comm)\" = sleep ]; do :; done
                ps -o user:32= -p \$!; kill \$!"
        [[ "$output" == *ns-1000-web-5* ]]
        chown 0:0 "$BATS_TEST_TMPDIR/file"
}

@test "enumeration lists each range's first ID, once, in passwd, group and shadow" {
        make_ranges
        make_table fill 300 65536
        for database in passwd group shadow; do
                in_sandbox getent "$database" >"$BATS_TEST_TMPDIR/all"
                [ "$(grep -c '^ns-' "$BATS_TEST_TMPDIR/all")" = 303 ]
                [ "$(grep '^ns-' "$BATS_TEST_TMPDIR/all" | cut -d: -f1 | sort -u | wc -l)" = 303 ]
                cut -d: -f1 "$BATS_TEST_TMPDIR/all" | found '^ns-' | absent -v -e '-0$'
                grep -q '^root:' "$BATS_TEST_TMPDIR/all"
        done
}

@test "SetEntries=all: enumeration lists every ID, in passwd, group and shadow" {
        local database
        make_table add 1000-web 65536 1000 add one 1 1000 add big 70000 0 entries-all >"$BATS_TEST_TMPDIR/ranges"
        for database in passwd group shadow; do
                in_sandbox getent "$database" | grep '^ns-' | cut -d: -f1 >"$BATS_TEST_TMPDIR/all"
                {
                        seq -f 'ns-1000-web-%.0f' 0 65535
                        echo ns-one-0
                        seq -f 'ns-big-%.0f' 0 69999
                } | sort | diff - <(sort "$BATS_TEST_TMPDIR/all")
        done
        # the module has read no file of configuration for that: the table says so, and says otherwise
        make_table
        [ "$(in_sandbox getent passwd | grep -c '^ns-')" = 3 ]
}

@test "a name does not become a user: expired, locked, no shell" {
        make_ranges
        run in_sandbox su -c true ns-1000-web-0
        echo "$output"
        [ "$status" = 1 ]
        [[ "$output" == *"Your account has expired"* ]]
        # That alone, and a password that none matches, and no shell, are enough.
        run in_sandbox getent shadow ns-1000-web-0
        [ "$output" = 'ns-1000-web-0:!*::::::1:' ]
        run in_sandbox getent passwd ns-1000-web-0
        [[ "$output" == *:/usr/sbin/nologin ]]
}

@test "no table: not found, and errno is kept" {
        run in_sandbox getent passwd ns-1000-web-0
        [ "$status" = 2 ]
        run in_sandbox getent passwd 524288
        [ "$status" = 2 ]
        run in_sandbox getent passwd root
        [ "$status" = 0 ]
}

@test "an untrusted table is not read, and looking on works" {
        local damage
        make_ranges
        cp "$folder/table" "$BATS_TEST_TMPDIR/good"
        for damage in 'chmod g+w "$1"' 'chmod o+w "$1"' 'chown 1000 "$1"' 'truncate -s 100 "$1"' 'truncate -s 100000 "$1"' \
                'truncate -s +1 "$1"' 'sed -i s/^NSRTABLE/XXRTABLE/ "$1"' \
                'dd if=/dev/zero bs=1 count=4 seek=8 conv=notrunc status=none of="$1"' \
                'dd if=/dev/zero bs=1 count=8 seek=24 conv=notrunc status=none of="$1"'; do
                rm -f "$folder/table"
                cp "$BATS_TEST_TMPDIR/good" "$folder/table"
                bash -ec "$damage" damage "$folder/table"
                run in_sandbox "$client" around "$(start one)" true "$(start one)"
                echo "$damage: $status $output"
                [ "$status" = 1 ]
                [[ "$output" == *", errno 74" ]] # EBADMSG
                run in_sandbox getent passwd root
                [ "$status" = 0 ]
        done

        rm -f "$folder/table"
        ln -s "$BATS_TEST_TMPDIR/good" "$folder/table"
        run in_sandbox "$client" around "$(start one)" true "$(start one)"
        [ "$status" = 1 ]
        [[ "$output" == *", errno 74" ]]
        rm -f "$folder/table"
        mkfifo "$folder/table"
        run timeout 60 bash -c "$(declare -f in_sandbox); $(declare -p folder BATS_TEST_TMPDIR); in_sandbox getent passwd $(start one)"
        [ "$status" = 2 ]
        [ -z "$output" ]
}

# in_container COMMAND...: in_sandbox, in a user namespace that does not have the host's root; $module, $client and
# nsresourcectl are in /run/bin.
in_container() {
        # shellcheck disable=SC2016
        in_sandbox bash -ec '
                mkdir /run/bin
                cp "$1" "$2" "$3" /run/bin
                shift 3
                export PATH=/run/bin:$PATH LD_LIBRARY_PATH=/run/bin
                exec setpriv --reuid 12345 --regid 12345 --clear-groups unshare --user --map-root-user "$@"' \
                container "$module" "$client" "$abs_top_builddir/nsresourcectl" "$@"
}

@test "in a user namespace without the host's root the table is nobody's: not found, and nsresourcectl says so" {
        local base verb
        make_ranges
        base=$(start 1000-web)
        in_container true || cannot userns "no user namespace for an ordinary user"
        in_container nss-client foreign libnss_nsresource.so.2 "$base" ns-1000-web-0
        run in_container getent passwd "$base" ns-1000-web-0
        [ "$status" = 2 ]
        [ -z "$output" ]

        for verb in whose show; do
                run in_container nsresourcectl $verb "$base"
                echo "$output"
                [ "$status" = 1 ]
                [[ "$output" == *"its owner is nobody who is known in this user namespace"* ]]
                [[ "$output" == *"ask outside, on the host"* ]]
                absent -e damaged -e restart <<<"$output"
        done
        run in_container nsresourcectl check
        echo "$output"
        [ "$status" = 1 ]
        grep -A1 'the owner of /run/nsresource/table is nobody who is known in this user namespace$' <<<"$output" |
                grep 'next: check outside, on the host'
        absent damaged <<<"$output"
}

@test "errno and buffer sizes are as glibc's manual asks" {
        make_ranges
        in_sandbox "$client" errno-kept "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" "$(start big)" ns-big-0
        in_sandbox "$client" small-buffers "$(start big)"
}

@test "an application that closes every descriptor, and one in a chroot" {
        make_ranges
        in_sandbox "$client" close-all "$(start big)"
        mkdir "$BATS_TEST_TMPDIR/root"
        in_sandbox "$client" chroot "$BATS_TEST_TMPDIR/root" "$(start big)"
}

@test "where no mapping is allowed, the table is read" {
        make_ranges
        in_sandbox "$client" no-mapping "$(start big)" ns-big-0
        in_sandbox "$client" no-mapping $(($(start big) + 70000)) ns-big-70000
        in_sandbox "$client" no-mapping "$(start one)" ns-one-0
}

@test "where there is no room for a mapping (mlockall and a small RLIMIT_MEMLOCK, a small RLIMIT_AS), the table is read" {
        local verb
        make_ranges
        for verb in locked no-room; do
                in_sandbox "$client" $verb "$(start big)" ns-big-0
                in_sandbox "$client" $verb $(($(start big) + 70000)) ns-big-70000
                in_sandbox "$client" $verb "$(start one)" ns-one-0
        done
}

@test "threads, and children of threads, while ranges come and go" {
        make_ranges
        make_table churn 100000 &
        in_sandbox "$client" threads "$(start big)" $(($(start big) + 199999)) 2
        wait $!
}

@test "ten million look-ups, while the writer is killed and the table replaced: no wrong answer" {
        time_limit 1800
        local table_make="$abs_top_builddir/tests/bats/table-make" n=0 hammer writer
        "$table_make" "$folder/table" $POOL 100 fill-slots 60
        in_sandbox "$client" hammer "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" $((POOL)) 100 10000000 >"$BATS_TEST_TMPDIR/count" &
        hammer=$!
        while kill -0 "$hammer" 2>/dev/null; do
                "$table_make" "$folder/table" $POOL 100 churn-slots 100000000 &
                writer=$!
                sleep "0.0$((RANDOM % 9 + 1))" # a moment, not a wait
                kill -9 $writer
                wait $writer || true
                "$table_make" "$folder/table" $POOL 100 replace fill-slots 60
                rm -f "$folder"/table.set-aside*
                n=$((n + 1))
        done
        wait "$hammer"
        cat "$BATS_TEST_TMPDIR/count"
        echo "$n times killed and replaced"
        read -r looked _ <"$BATS_TEST_TMPDIR/count"
        [ "$looked" -ge 10000000 ]
        [ $n -gt 1 ]
}

@test "clean under valgrind: the reader's unit test, and programs that look up" {
        need_command valgrind
        [ "${NSR_SANITIZERS:-no}" = no ] || skip "AddressSanitizer and valgrind do not go together"
        # Its threads take turns; without fairness one of them has all of them.
        local check=(valgrind --error-exitcode=9 --quiet --trace-children=no --fair-sched=yes)
        NSR_LOOKUPS=2000 "${check[@]}" "$abs_top_builddir/tests/unit/test-table-read" -s /table-read/entries -s /table-read/crc >"$BATS_TEST_TMPDIR/valgrind" 2>&1 || {
                cat "$BATS_TEST_TMPDIR/valgrind"
                return 1
        }
        make_ranges
        in_sandbox "${check[@]}" "$client" errno-kept "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" "$(start big)" ns-big-0
        in_sandbox "${check[@]}" "$client" small-buffers "$(start one)"
        in_sandbox "${check[@]}" "$client" threads "$(start big)" $(($(start big) + 199999)) 1
        # and it does see what is wrong there
        run in_sandbox "${check[@]}" "$client" wrong
        [ "$status" = 9 ]
}

@test "no system call for what is foreign, none at all once the table is mapped" {
        make_ranges
        in_sandbox "$client" no-calls "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" 0 -
        in_sandbox "$client" no-calls "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" $(($(start big) + 70000)) ns-big-70000
}

@test "a process sees ranges come and go, and a table that takes the other's place" {
        local base other
        make_ranges
        base=$(start one)
        other=$(($(start big) + 5))
        make="$abs_top_builddir/tests/bats/table-make /run/nsresource/table $POOL 1000"

        run in_sandbox "$client" around "$base" "$make free one" "$base"
        echo "$output"
        [ "$status" = 0 ]
        [ "${lines[0]}" = ns-one-0 ]
        [ "${lines[1]}" = - ]

        run in_sandbox "$client" around "$other" "$make replace" "$other"
        [ "$status" = 0 ]
        [ "${lines[0]}" = ns-big-5 ]
        [ "${lines[1]}" = - ]

        # A range of all of the pool: its place is known.
        run in_sandbox "$client" around "$((POOL + 9))" "
                $abs_top_builddir/tests/bats/table-make /run/nsresource/table $POOL 1 replace 2>/dev/null ||
                $abs_top_builddir/tests/bats/table-make /run/nsresource/table $POOL 1 add all 65536 0 >/dev/null" "$((POOL + 9))"
        echo "$output"
        [ "$status" = 0 ]
        [ "${lines[0]}" = - ]
        [ "${lines[1]}" = ns-all-9 ]
}

@test "a set-user-ID program" {
        make_ranges
        # The loader then ignores LD_LIBRARY_PATH and looks into its own folders only.
        mkdir "$BATS_TEST_TMPDIR/private"
        run unshare -m --propagation private bash -ec '
                folder=$1 lib=$2 private=$3 client=$4 uid=$5
                libs=$(dirname "$(ldd "$client" | sed -n "s/.*libc\.so\.6 => \([^ ]*\).*/\1/p")")
                mount -t tmpfs -o mode=755 none "$private"
                mkdir "$private/upper" "$private/work"
                mount -t overlay -o "lowerdir=$libs,upperdir=$private/upper,workdir=$private/work" overlay "$libs"
                cp "$lib/libnss_nsresource.so.2" "$libs"
                cp "$client" "$private/client"
                chmod 4755 "$private/client"
                mount -t tmpfs -o mode=755 none /run
                mkdir /run/nsresource
                mount --bind "$folder" /run/nsresource
                mount --bind "$private/client" "$(touch /run/client; echo /run/client)"
                sed "/^passwd/d;/^group/d" /etc/nsswitch.conf >/run/nsswitch.conf
                printf "passwd: files nsresource\ngroup: files nsresource\n" >>/run/nsswitch.conf
                mount --bind /run/nsswitch.conf /etc/nsswitch.conf
                exec setpriv --reuid 65534 --regid 65534 --clear-groups /run/client as-other "$uid"' \
                sandbox "$folder" "$BATS_TEST_TMPDIR/lib" "$BATS_TEST_TMPDIR/private" "$client" "$(start one)"
        echo "$output"
        [[ "$output" != *"mount: "*overlay* ]] || cannot overlay "no overlay file system here"
        [ "$status" = 0 ]
}

@test "the module loads with every symbol resolved, and 32-bit programs read the same table" {
        make_ranges
        in_sandbox "$client" no-calls "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" 0 -

        echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/probe.c"
        gcc -m32 -o "$BATS_TEST_TMPDIR/probe" "$BATS_TEST_TMPDIR/probe.c" 2>/dev/null || cannot gcc-multilib "no 32-bit compiler"
        # Kernels built or started without 32-bit calls.
        "$BATS_TEST_TMPDIR/probe" || cannot ia32 "this kernel runs no 32-bit programs"
        mkdir "$BATS_TEST_TMPDIR/lib32"
        gcc -m32 -shared -fPIC -O1 -std=gnu11 -Wl,-soname,libnss_nsresource.so.2 -Wl,-z,defs -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
                -I "$abs_top_srcdir" -I "$abs_top_builddir" -o "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" \
                "$abs_top_srcdir"/nss/*.c "$abs_top_srcdir"/lib/table/table-{crc,describe,name,read}.c "$abs_top_srcdir/lib/util/parse.c"
        gcc -m32 -O1 -std=gnu11 -D_GNU_SOURCE -I "$abs_top_srcdir" -I "$abs_top_builddir" \
                -o "$BATS_TEST_TMPDIR/client32" "$abs_top_srcdir/tests/bats/nss-client.c"
        run in_sandbox "$BATS_TEST_TMPDIR/client32" around $(($(start big) + 199999)) true "$(start one)"
        echo "$output"
        [ "$status" = 0 ]
        [ "${lines[0]}" = ns-big-199999 ]
        [ "${lines[1]}" = ns-one-0 ]
        in_sandbox "$BATS_TEST_TMPDIR/client32" errno-kept "$BATS_TEST_TMPDIR/lib/libnss_nsresource.so.2" "$(start big)" ns-big-0
        in_sandbox "$BATS_TEST_TMPDIR/client32" small-buffers "$(start big)"
        in_sandbox "$BATS_TEST_TMPDIR/client32" threads "$(start big)" $(($(start big) + 199999)) 1
}
