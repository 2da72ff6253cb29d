#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is built, looked at with readelf: hardening, needed libraries, exported symbols.  configure once dropped all
# linker hardening without a word; only a look at the result shows that.

load common

setup() {
        need_command readelf
}

programs() {
        local name
        for name in ${NSR_PROGRAMS:-}; do
                echo "$abs_top_builddir/$name"
        done
}

modules() {
        local name
        for name in ${NSR_MODULES:-}; do
                name=$(basename "$name" .la)
                find "$abs_top_builddir" -path "*/.libs/$name.so.2" -type f
        done
}

need_artefacts() {
        [ -n "${NSR_PROGRAMS:-}" ] || skip "not run by make check"
        need_module
}

need_module() {
        [ -n "${NSR_MODULES:-}" ] || skip "not run by make check"
        [ "$(modules | wc -l)" = "$(wc -w <<<"$NSR_MODULES")" ]
}

need_hardening() {
        [ "${NSR_HARDENING:-yes}" != no ] || skip "configured with --disable-hardening"
}

needed_libraries() {
        readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

@test "every program is a position-independent executable" {
        need_artefacts
        need_hardening
        for file in $(programs); do
                echo "$file"
                readelf -hW "$file" | grep -Eq 'Type: +DYN'
                readelf -lW "$file" | grep INTERP >/dev/null
                readelf -dW "$file" | grep -Eq 'FLAGS_1.*PIE'
        done
}

@test "relocations are read-only and resolved at start" {
        need_artefacts
        need_hardening
        for file in $(programs) $(modules); do
                echo "$file"
                readelf -lW "$file" | grep GNU_RELRO >/dev/null
                readelf -dW "$file" | grep -Eq 'FLAGS_1.*NOW'
        done
}

@test "no stack is executable and no text is relocated" {
        need_artefacts
        for file in $(programs) $(modules); do
                echo "$file"
                readelf -lW "$file" | grep -Eq 'GNU_STACK .* RW +0x'
                readelf -dW "$file" | absent TEXTREL
        done
}

@test "functions with buffers carry a stack canary" {
        need_artefacts
        need_hardening
        for file in $(programs) $(modules); do
                echo "$file"
                readelf --dyn-syms -W "$file" | grep __stack_chk_fail >/dev/null
        done
}

@test "no run path is built in" {
        need_artefacts
        for file in $(programs) $(modules); do
                echo "$file"
                readelf -dW "$file" | absent -E 'RPATH|RUNPATH'
        done
}

@test "programs need no library that design does not name" {
        need_artefacts
        [ "${NSR_SANITIZERS:-no}" = no ] || skip "a sanitizer build needs the sanitizer's libraries"
        for file in $(programs); do
                for library in $(needed_libraries "$file"); do
                        echo "$file: $library"
                        case $library in
                        libc.so.6 | ld-linux*.so.* | libglib-2.0.so.0 | libsystemd.so.0 | libjansson.so.4) ;;
                        libsmartcols.so.1) [[ $file == */nsresourcectl ]] ;;
                        libbpf.so.1) [[ $file == */nsresourced ]] ;;
                        *) false ;;
                        esac
                done
        done
}

@test "the NSS module needs libc only" {
        need_module
        for file in $(modules); do
                [ "$(needed_libraries "$file")" = libc.so.6 ]
        done
}

@test "the NSS module leaves no symbol unresolved" {
        need_module
        for file in $(modules); do
                ldd -r "$file" 2>&1 | absent 'undefined symbol'
        done
}

@test "the NSS module has its soname, cannot be unloaded, and has no thread-local storage" {
        need_module
        for file in $(modules); do
                readelf -dW "$file" | grep 'SONAME.*\[libnss_nsresource.so.2\]' >/dev/null
                readelf -dW "$file" | grep -Eq 'FLAGS_1.*NODELETE'
                readelf -lW "$file" | absent -E '^ +TLS '
        done
}

@test "the NSS module has no constructor or destructor of its own" {
        need_module
        local file section size
        for file in $(modules); do
                # One entry each (8 bytes, 16 digits) is the compiler's own frame_dummy and its twin.
                for section in .init_array .fini_array; do
                        size=$(readelf -SW "$file" | sed -n "s/.* $section  *[A-Z_]*  *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p")
                        echo "$section: 0x$size"
                        [ -n "$size" ]
                        [ $((16#$size)) -le 8 ]
                done
        done
}

@test "the NSS module exports the entry points of NSS and nothing else" {
        need_module
        for file in $(modules); do
                readelf --dyn-syms -W "$file" |
                        awk '$5 ~ /GLOBAL|WEAK/ && $7 != "UND" && $4 != "OBJECT" { sub(/@.*/, "", $8); print $8 }' |
                        sort -u >"$BATS_TEST_TMPDIR/symbols"
                cat "$BATS_TEST_TMPDIR/symbols"
                grep -qx _nss_nsresource_getpwuid_r "$BATS_TEST_TMPDIR/symbols"
                absent -v '^_nss_nsresource_' <"$BATS_TEST_TMPDIR/symbols"
        done
}

@test "programs export nothing" {
        need_artefacts
        [ "${NSR_SANITIZERS:-no}" = no ] || skip "the sanitizers export their entry points"
        for file in $(programs); do
                readelf --dyn-syms -W "$file" |
                        awk '$5 == "GLOBAL" && $7 != "UND" && $4 == "FUNC" { print $8 }' >"$BATS_TEST_TMPDIR/symbols"
                cat "$BATS_TEST_TMPDIR/symbols"
                [ ! -s "$BATS_TEST_TMPDIR/symbols" ]
        done
}
