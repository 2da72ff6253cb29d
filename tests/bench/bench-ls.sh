#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `ls -l` of 20,000 files of 2,000 ranges, and `ps` of 500 processes of as many ranges: medians in milliseconds, with
# our names, with the same look-ups in `files` alone (which knows none of them: the price before us, most of it ls's own
# list of what it has looked up), and with numbers only.  As root, in a mount namespace and under a /run of its own.
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

# median COMMAND...: milliseconds.
median() {
        local i begin
        for ((i = 0; i < 11; i++)); do
                begin=$(date +%s%N)
                "$@" >/dev/null
                echo $(((($(date +%s%N) - begin) + 50000) / 100000))
        done | sort -n | sed -n '6{s/\(.\)$/.\1/;p}'
}

[ "$(stat -c "%U %G" f* | grep -c "^ns-f[0-9]*-[0-9]* ns-f")" = 20000 ]
[ "$(ps -eo user:40= | awk "/^ns-f/ { n++ } END { print n }")" = 500 ]
# row TEXT WITH-NAMES WITH-NUMBERS
row() {
        local ours files
        # Commands are words here.
        # shellcheck disable=SC2086
        {
                sources files nsresource
                ours=$(median $2)
                sources files
                files=$(median $2)
                printf '%-44s %8s %8s %8s\n' "$1" "$ours" "$files" "$(median $3)"
        }
}

printf '%-44s %8s %8s %8s\n' "ms" names files numbers
row "ls -l of 20,000 files of 2,000 ranges" "ls -l" "ls -ln"
row "ps -e of 500 processes of as many ranges" "ps -eo user:40,pid,args" "ps -eo uid,pid,args"
