#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `ls -l` of 20,000 files of 2,000 ranges, and `ps` of 500 processes of as many ranges: with our names, with names that
# come for nothing (what the programs themselves, and `files` before us, take for names), with the same look-ups in
# `files` alone (which knows none of them), and with numbers only.  As root, in a mount namespace and under a /run of its
# own.
set -euo pipefail

builddir=${abs_top_builddir:-$PWD}
if [ "${1:-}" != inside ]; then
        exec unshare -m --propagation private --pid --fork --mount-proc --kill-child bash "$0" inside
fi

mount -t tmpfs -o mode=755 none /run
mkdir /run/nsresource /run/lib /run/files
cp "$builddir/.libs/libnss_nsresource.so.2" /run/lib
touch /run/nsswitch.conf
mount --bind /run/nsswitch.conf /etc/nsswitch.conf

# sources SOURCE...: who answers.
sources() {
        printf '%s: '"$*"'\n' passwd group >/run/nsswitch.conf
}

sources files nsresource
export LD_LIBRARY_PATH=/run/lib

"$builddir/tests/bats/table-make" /run/nsresource/table 0x80000 28664 fill 2000 65536
mapfile -t starts < <(getent passwd | sed -n 's/^ns-f[0-9]*-0:x:\([0-9]*\):.*/\1/p')
[ ${#starts[@]} = 2000 ]

cd /run/files
for ((i = 0; i < 20000; i++)); do
        echo "f$i"
done | xargs touch
for ((i = 0; i < 2000; i++)); do
        chown "$((starts[i] + i)):$((starts[i] + 7 * i))" f$i f$((i + 2000)) f$((i + 4000)) f$((i + 6000)) f$((i + 8000)) \
                f$((i + 10000)) f$((i + 12000)) f$((i + 14000)) f$((i + 16000)) f$((i + 18000))
done
for ((i = 0; i < 500; i++)); do
        setpriv --reuid "$((starts[i] + i))" --clear-groups sleep 1000 &
done
sleep 1

# A module that answers as ours does and takes no time over it: what is left is the program's own price for names.
cat >/run/free.c <<'END'
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>

enum nss_status _nss_free_getpwuid_r(uid_t uid, struct passwd *pw, char *buffer, size_t size, int *errnop) {
        if (uid < 524288)
                return NSS_STATUS_NOTFOUND;
        snprintf(buffer, size, "ns-f%u-%u", uid / 65536, uid % 65536);
        *pw = (struct passwd){ .pw_name = buffer, .pw_passwd = "x", .pw_uid = uid, .pw_gid = uid, .pw_gecos = "",
                               .pw_dir = "/", .pw_shell = "/" };
        return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_free_getgrgid_r(gid_t gid, struct group *gr, char *buffer, size_t size, int *errnop) {
        static char *none[] = { NULL };

        if (gid < 524288)
                return NSS_STATUS_NOTFOUND;
        snprintf(buffer, size, "ns-f%u-%u", gid / 65536, gid % 65536);
        *gr = (struct group){ .gr_name = buffer, .gr_passwd = "x", .gr_gid = gid, .gr_mem = none };
        return NSS_STATUS_SUCCESS;
}
END
gcc -O2 -shared -fPIC -o /run/lib/libnss_free.so.2 /run/free.c

# cost COMMAND...: tenths of a millisecond of processor time, its own and the kernel's: others on the machine do not count.
cost() {
        local TIMEFORMAT='%U %S'
        { time "$@" >/dev/null 2>&3; } 3>/dev/null 2>&1 | awk '{ printf "%d\n", ($1 + $2) * 10000 }'
}

[ "$(stat -c "%U %G" f* | grep -c "^ns-f[0-9]*-[0-9]* ns-f")" = 20000 ]
[ "$(ps -eo user:40= | awk "/^ns-f/ { n++ } END { print n }")" = 500 ]
# row TEXT WITH-NAMES WITH-NUMBERS: the least of many runs, which take turns.
row() {
        local i kind cost
        declare -A least=()
        for ((i = 0; i < 21; i++)); do
                for kind in nsresource free files numbers; do
                        case $kind in
                        files) sources files ;;
                        *) sources files $kind ;;
                        esac
                        # Commands are words here.
                        # shellcheck disable=SC2086
                        if [ $kind = numbers ]; then
                                cost=$(cost $3)
                        else
                                cost=$(cost $2)
                        fi
                        [ -n "${least[$kind]:-}" ] && [ "${least[$kind]}" -le "$cost" ] || least[$kind]=$cost
                done
        done
        printf '%-46s' "$1"
        for kind in nsresource free files numbers; do
                printf ' %8d.%d' $((least[$kind] / 10)) $((least[$kind] % 10))
        done
        echo
}

printf '%-46s %10s %10s %10s %10s\n' "ms of processor time, least of 21 runs" names "free names" files numbers
row "ls -l of 20,000 files of 2,000 ranges" "ls -l" "ls -ln"
# The same files, each range's side by side: what ls keeps of names is a list that it walks for each file.
for ((i = 0; i < 20000; i++)); do
        printf 'g%05d\n' $i
done >/run/new-names
for ((i = 0; i < 2000; i++)); do
        for k in 0 1 2 3 4 5 6 7 8 9; do
                echo "f$((i + 2000 * k))"
        done
done | paste - /run/new-names | while read -r old new; do
        printf 'rename("%s", "%s");\n' "$old" "$new"
done | perl
row "the same, each range's files side by side" "ls -l" "ls -ln"
row "ps -e of 500 processes of as many ranges" "ps -eo user:40,pid,args" "ps -eo uid,pid,args"
