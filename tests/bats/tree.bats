#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rules of HACKING.md that a program can check, over the source tree.

load common

setup() {
        cd "$abs_top_srcdir" || return
}

# c_files: every C source and header of ours.
c_files() {
        find bpf client daemon lib nss tests userdb -name '*.[ch]' -not -name '.*' | sort
}

# scripts: every shell script, bats files and extensions or none.
scripts() {
        find .ci client daemon tests units quickstart -type f \
                \( -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o -name run -o -name quickstart \) | sort
        # Scripts without an extension that say so in their first line.
        find tests packaging -type f -not -name '*.*' -not -path '*/corpus/*' \
                -exec grep -lE '^#!(/usr)?/bin/(env )?(ba)?sh' {} + 2>/dev/null || true
}

# FOLDER -> folders and single files that its files may include, beside config.h and what is in the folder itself.  A
# folder without a line may include nothing.  The lines are in the order of ARCHITECTURE.md's rows, and each names only
# what stands below it.
layers() {
        cat <<'EOF_LAYERS'
daemon: daemon/api daemon/allocator daemon/door daemon/leftovers daemon/policy daemon/userns daemon/cgroup daemon/host daemon/state lib/varlink lib/interfaces lib/table lib/util
daemon/api: daemon/allocator daemon/door daemon/policy daemon/userns daemon/cgroup daemon/host daemon/state daemon/limits.h lib/varlink lib/table lib/util
userdb: daemon/host/host-ids.h lib/varlink lib/interfaces lib/table lib/util
client: daemon/limits.h lib/varlink lib/table lib/util
daemon/allocator: daemon/leftovers daemon/policy daemon/userns daemon/cgroup daemon/host daemon/state daemon/limits.h lib/table lib/util
daemon/door: daemon/limits.h lib/varlink/types.h lib/varlink/discard.h lib/util
daemon/leftovers: daemon/limits.h lib/table/format.h lib/util
daemon/policy: bpf lib/table/format.h lib/util
daemon/userns: daemon/limits.h lib/util
daemon/cgroup: daemon/limits.h lib/table/format.h lib/util
daemon/host: daemon/limits.h lib/table lib/util
daemon/state: daemon/limits.h lib/table/format.h lib/util
nss: lib/table
lib/varlink: lib/interfaces lib/util
lib/table: lib/util
bpf:
lib/interfaces:
lib/util:
EOF_LAYERS
}

@test "each file includes only what its folder may" {
        local folder allowed file included
        c_files | grep -v '^tests/' | while read -r file; do
                folder=${file%/*}
                allowed=" $(layers | sed -n "s|^$folder: *||p") $folder config.h "
                sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file" | while read -r included; do
                        [[ $allowed == *" $included "* || $allowed == *" ${included%/*} "* ]] ||
                                echo "$file may not include $included"
                done
        done >"$BATS_TEST_TMPDIR/found"
        absent . <"$BATS_TEST_TMPDIR/found"
}

@test "no folder stands above one that may include it" {
        local -A below=()
        local folder allowed word
        # From the last row up: whatever a row names must have come already.
        layers | tac | while IFS=: read -r folder allowed; do
                for word in $allowed; do
                        [[ $word == *.h || -n ${below[$word]:-} ]] || echo "$folder names $word, which is not below it"
                done
                below[$folder]=1
        done | absent .
}

# FOLDER -> its headers, without .h, each after those that it stands on.
ground_up() {
        cat <<'EOF_GROUND_UP'
lib/varlink: json types peek run-queue output listener discard message interface dispatch receive method connection call service server client
lib/table: format crc name store free socket read describe follow types image index file live recover write
EOF_GROUND_UP
}

@test "in the libraries nothing includes a header that stands above its own" {
        local folder headers file name included
        ground_up | while IFS=: read -r folder headers; do
                headers="$headers "
                for file in "$folder"/*.[ch]; do
                        name=${file##*/}
                        name=${name%.*}
                        [[ $headers == *" $name "* ]] || echo "$file has no place in the order"
                        sed -n "s|^ *# *include *\"$folder/\([^\"]*\)\.h\".*|\1|p" "$file" | while read -r included; do
                                [[ "${headers%%" $name "*} $name " == *" $included "* ]] || echo "$file includes $included.h, which stands above it"
                        done
                done
        done | absent .
}

# calls: "FILE OTHER" for each file of the programs that calls a function, or uses a variable, of another, without .c; by
# what was built.
calls() {
        local object file name
        find daemon lib nss userdb client -name '*.o' | found -v 'tests_' | while read -r object; do
                # Names of objects begin with that of what they are for, unless it has no flags of its own.
                file=$(sed 's:\.o$::; s:/\.libs/:/:' <<<"$object")
                if [ ! -e "$abs_top_srcdir/$file.c" ]; then
                        name=${file##*/}
                        file=${file%/*}/${name#*-}
                fi
                nm "$object" | awk -v file="$file" '$(NF - 1) ~ /^[TDBRVU]$/ { print $(NF - 1), $NF, file }'
        done | awk '
                $1 == "U" { users[$2, $3]; next }
                { home[$2] = $3 }
                END {
                        for (user in users) {
                                split(user, part, SUBSEP)
                                if (part[1] in home && home[part[1]] != part[2])
                                        print part[2], home[part[1]]
                        }
                }' | sort -u
}

@test "no files call each other in a circle" {
        need_command nm tsort
        cd "$abs_top_builddir"
        calls >"$BATS_TEST_TMPDIR/calls"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -gt 300 ]
        tsort "$BATS_TEST_TMPDIR/calls" 2>&1 >/dev/null | absent .
}

@test "what every program of a host loads includes nothing but itself" {
        # The table's reader, for the NSS module; and what is shared with other folders, row by row.
        found -nE '#include "' lib/table/{read,format,name,describe}.* | absent -vE '"(lib/table/[a-z-]*\.h|lib/util/parse\.h|config\.h)"'
        found -nE '#include "' daemon/limits.h bpf/policy-abi.h lib/table/format.h | absent .
}

# A descriptor of a client's carries that client's mounts: see daemon/cgroup/cgroup.h.  So each place of the daemon in which a
# name is looked up below a descriptor is known, with whose descriptor that is; a new one gets its line here, once it
# is sure that no client has a say in it.
@test "the daemon looks no name up below a descriptor of a client's" {
        # FILE -> the descriptors, as their variables are called there.  First match counts.
        known() {
                case $1 in
                # A mount that is this process's own, and the way up in it.
                daemon/cgroup/cgroup.c) echo 'tree|own' ;;
                daemon/cgroup/open.c) echo 'tree' ;;
                daemon/cgroup/remove.c) echo 'fd|parent' ;;
                daemon/cgroup/walk.c) echo 'folder' ;;
                # The daemon's own mount, and /proc.
                daemon/cgroup/threads.c) echo 'folder|process' ;;
                # systemd-nspawn's folder of locks, which is root's.
                daemon/host/slot-locks.c) echo 'locks->folder_fd' ;;
                # /proc of ours, with what is below PIDs; folders of root's; a mount of mqueue that is ours.
                daemon/leftovers/*) echo 'folder|process|threads|top|tree|logind|etc_folder' ;;
                # /proc/PID of our own child; of others, of which only links are read and namespaces opened.
                daemon/userns/helper.c) echo 'proc' ;;
                daemon/userns/probe.c) echo 'proc|ns|FD_NSFS_ROOT|dirfd\(folder\)' ;;
                # File systems that it made, in a mount namespace of its own.
                daemon/policy/canary.c) echo 'dir|tree|"x"' ;; # the target of a link
                # In a child: /proc, of which links are read and namespaces opened.
                daemon/userns/sweep-child.c) echo 'proc|folder' ;;
                daemon/userns/processes.c) echo 'proc' ;;
                # In a child: /proc, and folders of root's.
                daemon/host/used-ids.c) echo 'dir_fd|folder|threads|process' ;;
                daemon/host/vetting.c) echo 'claim->folder_fd' ;;
                *) echo '(none)' ;;
                esac
        }
        local file known calls='(open|stat|fstat|faccess|fchown|fchmod|futimes|unlink|rename|mkdir|mknod|symlink|readlink|link|execve|fspick|umount|name_to_handle_|open_by_handle_|utimens)at[0-9]?\(|\b(statx|statmount|open_tree|fspick|file_read)\('
        for file in daemon/*.c daemon/*/*.c; do
                known=$(known "$file")
                # Without comments, a call on one line, and not those that look at the descriptor itself.
                tr '\n' ' ' <"$file" | sed 's:/\*[^*]*\(\*[^/][^*]*\)*\*/: :g; s/  */ /g; s/[a-z_0-9]*( *[a-z]*, "", /(/g' | found -oE "\b($calls) ?[^,]*," |
                        sed -E 's/^[a-z_0-9]+\( ?//; s/,$//' | absent -vxE "AT_FDCWD|-?[0-9]+|$known" |
                        sed "s|^|$file looks something up below |"
        done >"$BATS_TEST_TMPDIR/found" || true
        absent . <"$BATS_TEST_TMPDIR/found"
}

@test "what a client passes to the daemon goes to the functions for namespaces and nowhere else" {
        c_files | grep -E '^daemon/(api/|allocator/|manager)' | xargs awk '
                # A statement in one piece: calls are broken over lines.
                { text = text " " $0 }
                /[;{}]$/ {
                        if (text ~ /(descriptor|directory|mount|netns|cgroup|what)s?(\[[a-z]*\])?(->|\.)fd[^a-z_]/ &&
                            text !~ /userns_(inspect|outer_owner)\(/ && text !~ /request->userns_fd = / && text !~ /descriptor->fd < 0\) \{/)
                                print FILENAME ":" FNR ":" text
                        text = ""
                }' | absent .
}

@test "GLib and JSON stay out of the NSS module, the table's reader and the policy" {
        found -nE '#include <(glib|gio|jansson)' -r nss bpf lib/table/read.* lib/table/format.h |
                absent .
}

@test "only the varlink layer, the API and the tools know the JSON library" {
        c_files | found -vE '^(lib/varlink/|userdb/|client/|daemon/api/|daemon/manager|tests/)' |
                found_in -n 'include <jansson.h>' | absent .
}

@test "only daemon/policy knows libbpf" {
        c_files | found -vE '^(daemon/policy/|bpf/|tests/)' |
                found_in -nE 'include (<bpf/|"[^"]*\.skel\.h")' | absent .
}

@test "only client/columns knows libsmartcols" {
        c_files | found -v '^client/columns\.c$' | found_in -n 'include <libsmartcols' | absent .
}

@test "only lib/util/options takes a program's options" {
        c_files | found -vE '^(lib/util/options\.[ch]|tests/)' |
                found_in -nE 'include <(getopt|argp)\.h>|getopt(_long)?\(|g_option_context' | absent .
}

@test "each source says its licence in its first lines" {
        local file
        {
                c_files
                scripts
                find . -maxdepth 3 \( -name local.mk -o -name Makefile.am -o -name configure.ac -o -path './m4/flags.m4' \) \
                        -not -path './build*'
                find units man -name '*.in'
        } | while read -r file; do
                head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' ||
                        [[ $file == bpf/* ]] && head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ' ||
                        echo "$file"
        done | absent .
}

@test "no function is longer than 80 lines" {
        # clang-format puts a function's head and its closing brace into column 0; tables end in "};".
        c_files | xargs awk '
                FNR == 1 { start = 0 }
                /^[A-Za-z_].*\(/ && !/;$/ && !/^#/ { start = FNR; head = $0 }
                /^[A-Za-z_].* = \{$/ { start = 0 }
                /^}$/ { if (start && FNR - start + 1 > 80) print FILENAME ":" start ": " FNR - start + 1 " lines: " head; start = 0 }
                /^};/ { start = 0 }' | absent .
}

@test "no file is longer than 1000 lines" {
        { c_files; scripts; } | xargs wc -l | awk '$2 != "total" && $1 > 1000' | absent .
}

@test "no line holds a tab or trailing blanks" {
        { c_files; scripts; } | found_in -nE "$(printf '\t')| +\$" | absent .
}

@test "what is left to do has an issue number" {
        { c_files; scripts; find . -maxdepth 1 -name '*.md'; } | found -v '^tests/bats/tree.bats$' |
                found_in -nwE 'TODO|FIXME|XXX' | absent -vE 'TODO\(#[0-9]+\)|/# \*TODO/' # TAP has such a directive
}

@test "comments are /* */ only" {
        c_files | found_in -nE '^ *//|; *//' | absent .
}

@test "clang-format agrees" {
        need_command clang-format
        clang-format --version | grep -q 'version 14\.' || cannot clang-format "clang-format 14 decides, this is another one"
        c_files | xargs -P "$(nproc)" -n 40 clang-format -n --Werror
}

@test "shellcheck agrees" {
        need_command shellcheck
        shellcheck quickstart .ci/run
        # SC1091: files that are sourced are checked on their own.  SC2030, SC2031: each bats test is a subshell.
        # SC2034, SC2153, SC2154: variables of common.bash, daemon.bash and the like.  SC2016: awk programs.
        scripts | xargs -P "$(nproc)" -n 12 shellcheck -x -e SC1091,SC2016,SC2030,SC2031,SC2034,SC2153,SC2154
}

# Lines with `a && b` that are neither a condition nor the last of a function; not in texts, awk programs or here documents.
lonely_and='
        function bare(text) {
                gsub(/\\./, "", text)
                gsub(/"[^"]*"/, "", text)
                gsub(/\047[^\047]*\047/, "", text)
                gsub(/\[\[([^]]|\][^]])*\]\]/, "", text)
                return text
        }
        FNR == 1 { held = here = ""; quoted = 0 }
        here != "" { if ($0 == here) here = ""; next }
        held != "" && $0 != "}" { print held; bad = 1 }
        { held = ""; text = bare($0) }
        quoted { if (index($0, "\047")) quoted = 0; next }
        match($0, /<<\047?[A-Z_]+\047?$/) { here = substr($0, RSTART + 2); gsub(/\047/, "", here) }
        text ~ /\047/ && text !~ /#.*\047/ { quoted = 1; text = substr(text, 1, index(text, "\047") - 1) }
        text ~ /^ .*&&/ && text !~ /\|\||^ *(if|elif|while|until|#)|&& (return|continue|break)|(&&|\\)$/ { held = FILENAME ":" FNR ": " $0 }
        END { exit bad }'

@test "each check of a test can fail it" {
        # Of `a && b` only the last command's failure ends a test, unless it is a function's own result.
        awk "$lonely_and" tests/bats/*.bats tests/bats/*.bash
        printf '%s\n' '        [ a ] && [ b ]' '        lend a && lend b' '        x' | awk "$lonely_and" | wc -l >"$BATS_TEST_TMPDIR/seen" || true
        [ "$(cat "$BATS_TEST_TMPDIR/seen")" = 2 ]
        # What fails in front of a pipe is seen: every file loads what sets this.
        grep -qx 'set -o pipefail' "$abs_top_srcdir/tests/bats/common.bash"
        found -L '^load ' "$abs_top_srcdir"/tests/bats/*.bats | absent .
}

# Waits for a time: not short ones in a loop, which look for a condition; processes that are there for long do not count.
waits='
        FNR == 1 { loop = said = -99 }
        /(^|[^a-z_])(for|while|until) / { loop = FNR }
        /[Nn]othing tells|a moment, not a wait/ { said = FNR }
        /(^|[^a-z_.])sleep ["$(0-9]/ || /usleep ?\([^)]/ {
                if ($0 ~ /sleep [0-9][0-9][0-9]/ || FNR - said <= 2)
                        next
                if (FNR - loop <= 12 && $0 ~ /sleep 0\.(0|1 *($|[;&]))|usleep\(([0-9][0-9]?[0-9]?[0-9]?[0-9]?|100000|(100|[0-9][0-9]?) \* 1000)\)/)
                        next
                print FILENAME ":" FNR ": " $0
                bad = 1
        }
        END { exit bad }'

@test "no test waits for a time by which something will have happened" {
        # Where nothing could tell that it has, or that it does not happen, a comment says so.  Benchmarks have no verdict.
        { find tests -name '*.[ch]'; scripts | grep '^tests/'; } | grep -vE '^tests/(bench/|bats/(tree|limits)\.bats$)' >"$BATS_TEST_TMPDIR/files"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/files")" -gt 100 ]
        xargs awk "$waits" <"$BATS_TEST_TMPDIR/files"
        printf '%s\n' '        sleep 4' 'g_usleep(20 * 1000);' 'for x; do' '   sleep 0.5' 'done' | awk "$waits" | wc -l >"$BATS_TEST_TMPDIR/seen" || true
        [ "$(cat "$BATS_TEST_TMPDIR/seen")" = 3 ]
}

@test "there is one call() and one refused() for all bats files" {
        local name
        for name in call call_as refused invalid wait_for as found absent; do
                [ "$(grep -lE "^ *$name\(\)" tests/bats/*)" = tests/bats/common.bash ]
        done
}

@test "no macro of the programs returns (those of tests may, to check a call)" {
        c_files | grep -v '^tests/' | xargs awk '
                /^ *# *define .*\\$/ { inside = 1 }
                inside && /(^|[^a-z_])(return|goto)[ ;(]/ { print FILENAME ":" FNR ": " $0 }
                !/\\$/ { inside = 0 }' | absent .
}

@test "no goto" {
        c_files | found -v '^bpf/' | found_in -nE '^ +goto ' | absent .
}

@test "nothing of the daemon waits for an idle loop, which clients can keep busy" {
        found -rnE 'G_PRIORITY_(LOW|[A-Z_]*IDLE)|g_idle_add *\(' daemon lib --include='*.[ch]' | absent .
        # A source made to be idle says which priority it has instead.
        found -rn -A1 'g_idle_source_new' daemon lib --include='*.[ch]' | found -v 'g_idle_source_new\|^--' |
                absent -v 'g_source_set_priority(.*, G_PRIORITY_DEFAULT)'
        # So does this.
        found -rnE 'g_idle_add_full *\(' daemon lib --include='*.[ch]' | absent -v 'g_idle_add_full(G_PRIORITY_DEFAULT,'
}
