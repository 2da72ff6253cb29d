#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `make install` puts where: units, manual, example configuration.

load common

setup_file() {
        # MAKEFLAGS and the like of the `make check` around this must not reach the inner one.
        env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$abs_top_builddir" install \
                DESTDIR="$BATS_FILE_TMPDIR/root" >"$BATS_FILE_TMPDIR/log" 2>&1 || {
                cat "$BATS_FILE_TMPDIR/log"
                return 1
        }
        cp -a "$BATS_FILE_TMPDIR/root" "$BATS_FILE_TMPDIR/pristine"
}

setup() {
        root=$BATS_FILE_TMPDIR/root
        units=$(dirname "$(find "$root" -name nsresourced.service)")
}

@test "make uninstall takes away what make install brought" {
        env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$abs_top_builddir" uninstall \
                DESTDIR="$BATS_FILE_TMPDIR/pristine" >/dev/null
        find "$BATS_FILE_TMPDIR/pristine" -not -type d | absent .
}

@test "an installed module is one file: no .la, no symbolic link" {
        find "$root" \( -name '*.la' -o -name '*.a' -o -type l \) | absent .
}

@test "no path of the build is left in what is installed" {
        find "$root" -type f \( -path '*/systemd/*' -o -path '*/man/*' -o -name '*.conf' \) >"$BATS_TEST_TMPDIR/files"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/files")" -ge 12 ]
        found_in -nE '@[A-Za-z_]+@' <"$BATS_TEST_TMPDIR/files" | absent -v '@system-service'
}

@test "systemd takes the units" {
        need_command systemd-analyze
        # The programs lie below DESTDIR, and hosts have other units in the way: judge ours alone.
        mkdir "$BATS_TEST_TMPDIR/units"
        local unit
        for unit in "$units"/nsresource*.service "$units"/nsresource*.socket; do
                sed "s|^ExecStart=.*|ExecStart=/bin/true|" "$unit" >"$BATS_TEST_TMPDIR/units/$(basename "$unit")"
        done
        for unit in "$BATS_TEST_TMPDIR"/units/*; do
                run systemd-analyze verify --man=no "$unit"
                echo "$output"
                [ "$status" = 0 ]
                found -F "$(basename "$unit")" <<<"$output" | absent .
        done
}

@test "the units start programs that are installed" {
        local unit program
        for unit in "$units"/nsresource*.service; do
                program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
                echo "$unit: $program"
                [ -n "$program" ]
                [ -f "$root$program" ]
                [ -x "$root$program" ]
        done
}

@test "polkit's rule lies where polkit reads it, whatever the prefix; with one of its own, below that" {
        variable() {
                sed -n "s|^$1 = ||p" "$abs_top_builddir/Makefile"
        }
        local folder rule
        rule=$(find "$root" -name 00-nsresource.rules)
        folder=${rule#"$root"} folder=${folder%/*}
        echo "prefix $(variable prefix), rule in $folder"
        case $(variable prefix) in
        /usr) [ "$folder" = /usr/share/polkit-1/rules.d ] ;;
        /usr/local) [ "$folder" = /etc/polkit-1/rules.d ] ;;
        *) [[ "$folder" == "$(variable prefix)"/* ]] || [[ "$(variable polkitrulesdir)" != '${'* ]] ;;
        esac
        # the manual says the same
        sed 's/\\-/-/g' "$(find "$root" -name nsresourced.8)" | grep -xF ".I $folder/00-nsresource.rules" >/dev/null
}

@test "the provider's unit names no user: the look-up would wait on the provider" {
        found -E '^(User|Group|SupplementaryGroups|DynamicUser|PAMName)=' "$units/nsresource-userdbd.service" | absent .
}

@test "no unit would delete the table at a stop" {
        found -nE '^RuntimeDirectory=' "$units"/nsresource*.service | absent .
        grep -qx 'd /run/nsresource 0755 root root -' "$root"/usr/local/lib/tmpfiles.d/nsresource.conf ||
                grep -rqx 'd /run/nsresource 0755 root root -' "$root" --include=nsresource.conf
}

@test "the daemon's sandbox has a folder for the policy's pins, made before it" {
        local folder=/sys/fs/bpf/nsresource
        grep -rqF "\"$folder\"" "$abs_top_srcdir/daemon" --include='*.[ch]'
        grep -qxE "ReadWritePaths=.* -?$folder" "$units/nsresourced.service"
        grep -qx "ExecStartPre=-+mkdir -p -m 0700 $folder" "$units/nsresourced.service"
}

@test "systemd rates the sandboxes no worse than today" {
        need_command systemd-analyze
        systemd-analyze security --help | grep -e --offline >/dev/null || skip "systemd-analyze security cannot work offline"
        # 5.9 and 1.4 by systemd 252.
        # The daemon works as root on everybody's processes, user namespaces and control groups, and loads BPF programs.
        systemd-analyze security --no-pager --offline=yes --threshold=60 "$units/nsresourced.service" >/dev/null
        systemd-analyze security --no-pager --offline=yes --threshold=15 "$units/nsresource-userdbd.service" >/dev/null
}

@test "sysusers and tmpfiles take their snippets" {
        need_root
        need_command systemd-sysusers systemd-tmpfiles
        mkdir -p "$BATS_TEST_TMPDIR/tree/etc"
        systemd-sysusers --root="$BATS_TEST_TMPDIR/tree" "$(find "$root" -path '*sysusers.d/nsresource.conf')"
        grep -q '^nsresource:' "$BATS_TEST_TMPDIR/tree/etc/passwd"
        systemd-tmpfiles --create --root="$BATS_TEST_TMPDIR/tree" "$(find "$root" -path '*tmpfiles.d/nsresource.conf')"
        [ "$(stat -c %a "$BATS_TEST_TMPDIR/tree/run/nsresource")" = 755 ]
}

@test "the manual has no markup errors" {
        need_command groff
        local page
        find "$root" -path '*/man/man?/*' -type f >"$BATS_TEST_TMPDIR/pages"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/pages")" = "$(find "$abs_top_srcdir/man" -name '*.[1-8]*' | wc -l)" ]
        while read -r page; do
                # Two warnings are about the look of a narrow terminal, not about markup.
                groff -man -Tutf8 -ww -z "$page" 2>&1 | absent -vE 'cannot (break|adjust) line|automatically ended'
        done <"$BATS_TEST_TMPDIR/pages"
}

@test "the manual names the options of --help, and no others" {
        local program page
        [ -n "${NSR_PROGRAMS:-}" ] || skip "not run by make check"
        for program in $NSR_PROGRAMS; do
                page=$(find "$root" -path "*/man/man?/$(basename "$program").[18]")
                # Nobody but the daemon calls that one.
                [ "$program" != nsresource-ask ] || continue
                [ -n "$page" ]
                "$abs_top_builddir/$program" --help | grep -oE -e '--[a-z][a-z-]*' | sort -u >"$BATS_TEST_TMPDIR/help"
                # Of the synopsis and the lists; \- is a dash.  A page may name another program's option in its text.
                sed 's/\\-/-/g' "$page" | grep -E '^\.(B|BR|BI|TP|OP|SY|IR|RI)? ?' | grep -oE -e '--[a-z][a-z-]*' |
                        sort -u >"$BATS_TEST_TMPDIR/page"
                diff "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/page"
        done
}

@test "the manual's limits are those of the headers" {
        local page="$abs_top_srcdir/man/nsresourced.8.in" value
        defined() {
                # clang-format breaks long ones into two lines.
                sed -e ':again' -e '/\\$/{N;s/ *\\\n */ /;bagain' -e '}' "$abs_top_srcdir/$2" |
                        sed -n "s/^#define $1 (*\([0-9]*\).*/\1/p"
        }
        while read -r name header phrase; do
                value=$(defined "$name" "$header")
                echo "$name = $value: ${phrase//%/$value}"
                [ -n "$value" ]
                grep -qF -- "${phrase//%/$value}" "$page"
        done <<'EOF'
LIMIT_CONNECTIONS daemon/limits.h % in all,
LIMIT_CONNECTIONS_PER_ACCOUNT daemon/limits.h , % for one user.
LIMIT_DOORS daemon/limits.h At most % such children are in use
LIMIT_DOORS_STUCK_PER_ACCOUNT daemon/limits.h at most % of one user may hang
LIMIT_DOOR_MSEC daemon/limits.h longer than % ms
DETAILS_CGROUPS_MAX daemon/state/details.h % for one namespace.
VARLINK_MESSAGE_MAX lib/varlink/types.h % bytes,
VARLINK_DESCRIPTORS_MAX lib/varlink/types.h bytes, % descriptors.
EOF
}

@test "the manual of org.nsresource.Manager has each method and parameter of its text, and no other" {
        local page="$abs_top_srcdir/man/nsresource-varlink.7.in" text="$abs_top_srcdir/lib/interfaces/org.nsresource.Manager.varlink"
        # Names of types are the text's own business; a line can hold a whole list of parameters.
        sed -e 's/#.*//' -e 's/^interface .*//' -e 's/^type [A-Za-z]*//' -e 's/^method //' "$text" |
                sed -E 's/:[^,()]*(\(([a-z, ]*)\))?/ \2 /g' | grep -oE '[A-Za-z]+' | LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/text"
        sed -n '/^\.SH METHODS/,/^\.SH EXIT/p' "$page" |
                sed -n -e 's/^\.SS \([A-Za-z]*\).*/\1/p' -e 's/^\.\(B\|BR\|RB\) //p' |
                sed -e 's/Enforcement=\|Reserved=\|\bmore\b//g' -e 's/"[^"]*"//g' | grep -oE '[A-Za-z]+' |
                LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/page"
        diff "$BATS_TEST_TMPDIR/text" "$BATS_TEST_TMPDIR/page"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/page")" -gt 40 ]
}

@test "the unit allows the children and descriptors that the limits add up to" {
        local unit="$abs_top_srcdir/units/nsresourced.service.in" limits="$abs_top_srcdir/daemon/limits.h" file
        # daemon/manager.c does not compile if they add up to more than these.
        grep -qx "TasksMax=$(sed -n 's/^#define LIMIT_TASKS \([0-9]*\)u.*/\1/p' "$limits")" "$unit"
        grep -qx "LimitNOFILE=$(sed -n 's/^#define LIMIT_NOFILE \([0-9]*\)u.*/\1/p' "$limits")" "$unit"
        # Whoever makes children has a limit on them that is part of the sum.
        sed -n '/^#define LIMIT_CHILDREN/,/[^\\]$/p' "$limits" | grep -oE 'LIMIT_[A-Z_]+' >"$BATS_TEST_TMPDIR/sum"
        while read -r file limit; do
                grep -qE 'child_new|worker_pool_new' "$abs_top_srcdir/$file"
                grep -qx "$limit" "$BATS_TEST_TMPDIR/sum"
                echo "$file"
        done >"$BATS_TEST_TMPDIR/known" <<'EOF_FILES'
daemon/cgroup/cgroup.c LIMIT_CGROUP_WALKS
daemon/cgroup/cgroup.c LIMIT_CGROUP_REMOVALS
daemon/door/door.c LIMIT_DOORS
daemon/host/asker.c LIMIT_ASKS
daemon/host/name-cache.c LIMIT_NAME_CACHE_CHILDREN
daemon/leftovers/leftovers.c LIMIT_LEFTOVERS_CHILDREN
daemon/leftovers/uid-trial.c LIMIT_UID_TRIALS
daemon/userns/helper.c LIMIT_HELPERS
daemon/userns/processes.c LIMIT_PROCESS_LOOKS
daemon/userns/sweep.c LIMIT_SWEEPS
EOF_FILES
        cd "$abs_top_srcdir"
        grep -lrE --include='*.c' 'child_new|worker_pool_new' daemon | LC_ALL=C sort >"$BATS_TEST_TMPDIR/makers"
        uniq "$BATS_TEST_TMPDIR/known" | diff - "$BATS_TEST_TMPDIR/makers"
}

@test "the manual and the example agree on keys and defaults" {
        local page="$abs_top_srcdir/man/nsresourced.conf.5.in" conf="$abs_top_srcdir/units/nsresourced.conf"
        # The example has comments, groups and commented keys only: installing it changes nothing.
        absent -vE '^(#|\[[A-Z][A-Za-z]*\]$|$)' "$conf"
        sed -n 's/^#\([A-Z][A-Za-z]*\)=.*/\1/p' "$conf" | sort >"$BATS_TEST_TMPDIR/conf"
        grep -E '^\.(B|BR) ' "$page" | grep -oE '\b[A-Z][A-Za-z]*=' | tr -d = | sort -u >"$BATS_TEST_TMPDIR/page"
        diff "$BATS_TEST_TMPDIR/conf" "$BATS_TEST_TMPDIR/page"
        # Defaults, from the headers.
        grep -qx '#NamespacesPerUser=256' "$conf"
        grep -qE '^#define LIMIT_NAMESPACES_PER_USER_DEFAULT 256u' "$abs_top_srcdir/daemon/limits.h"
        grep -qx "#IDsPerUser=$((256 * 65536))" "$conf"
        grep -qE '^#define LIMIT_IDS_PER_USER_DEFAULT \(256u \* 65536u\)' "$abs_top_srcdir/daemon/limits.h"
        grep -qx '#QuarantinedPerUser=2048' "$conf"
        grep -qE '^#define LIMIT_QUARANTINED_PER_USER_DEFAULT 2048u' "$abs_top_srcdir/daemon/limits.h"
        grep -qx '#Start=0x80000' "$conf"
        grep -qE '^#define TABLE_POOL_START 0x0*80000u' "$abs_top_srcdir/lib/table/format.h"
        grep -qx '#End=0x6FFFFFFF' "$conf"
        grep -qE '^#define TABLE_POOL_END 0x70000000u' "$abs_top_srcdir/lib/table/format.h"
}

@test "the SELinux module compiles, labels the table, and lets every domain map it and none write it" {
        need_command secilc
        cd "$BATS_TEST_TMPDIR"
        secilc -o policy -f contexts "$abs_top_srcdir/tests/bats/stub-policy.cil" "$abs_top_srcdir/units/selinux/nsresource.cil"
        grep -qxP '/run/nsresource/table\t--\tsystem_u:object_r:nsresource_table_t:s0' contexts
        grep -qxP '/run/nsresource\t-d\tsystem_u:object_r:nsresource_run_t:s0' contexts
        # the path is the one that programs open
        grep -q '^#define TABLE_PATH "/run/nsresource/table"$' "$abs_top_srcdir/lib/table/format.h"
        grep -q '^(allow domain nsresource_table_t (file (getattr open read map)))$' "$abs_top_srcdir/units/selinux/nsresource.cil"
        absent -E '^\(allow.*(write|create|unlink|append)' "$abs_top_srcdir/units/selinux/nsresource.cil"
}

# selinux_type FILE-NAME: what the contexts file says, by the longest line that matches, as restorecon does.
selinux_type() {
        awk -v path="/run/nsresource/$1" -F '\t' '$2 == "--" && path ~ "^" $1 "$" && length($1) >= n { n = length($1); type = $3 }
                END { split(type, part, ":"); print part[3] }' contexts
}

@test "the SELinux module keeps to the daemon what is not the table" {
        need_command secilc
        cd "$BATS_TEST_TMPDIR"
        local module=$abs_top_srcdir/units/selinux/nsresource.cil name
        secilc -o policy -f contexts "$abs_top_srcdir/tests/bats/stub-policy.cil" "$module"
        [ "$(selinux_type table)" = nsresource_table_t ]
        for name in details details.new details.set-aside; do
                [ "$(selinux_type $name)" = nsresource_details_t ]
        done
        for name in table.lock table.set-aside table.set-aside.1 anything; do
                [ "$(selinux_type $name)" = nsresource_run_t ]
        done
        # and when it makes them: they are made under these names
        grep -qx '(typetransition domain nsresource_run_t file "details.new" nsresource_details_t)' "$module"
        grep -qx '(typetransition domain nsresource_run_t file "table.new" nsresource_table_t)' "$module"
        grep -qF 'g_strconcat(path, ".new", NULL)' "$abs_top_srcdir/daemon/state/details.c"
        grep -qF 'g_strconcat(config->path, ".new", NULL)' "$abs_top_srcdir/lib/table/file.c"
        grep -qF 'g_build_filename(paths->runtime_folder, "details", NULL)' "$abs_top_srcdir/daemon/manager.c"
        # two rules, and neither is about them
        [ "$(grep -c '^(allow' "$module")" = 2 ]
        found '^(allow' "$module" | absent -E 'details|nsresource_run_t \(file'
}
