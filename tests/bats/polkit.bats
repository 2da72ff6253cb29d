#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The polkit rule: nothing is done on the host in the name of an ID that is lent.

load common

setup() {
        rules=$abs_top_builddir/units/nsresource.rules
        env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$abs_top_builddir" units/nsresource.rules
}

@test "the rule has the bounds of the default pool, and is installed to be read first" {
        local first last
        first=$(sed -n 's/^#define TABLE_POOL_START \(0x[0-9a-fA-F]*\)u.*/\1/p' "$abs_top_srcdir/lib/table/format.h")
        last=$(sed -n 's/^#define TABLE_POOL_END \(0x[0-9a-fA-F]*\)u.*/\1/p' "$abs_top_srcdir/lib/table/format.h")
        grep -qF "var first = $((first)), last = $((last - 1));" "$rules"
        grep -qF '/00-nsresource.rules' "$abs_top_srcdir/units/local.mk"
}

# interpreter: of JavaScript, as polkit has one.
interpreter() {
        local name
        for name in duk node nodejs qjs; do
                if command -v "$name" >/dev/null; then
                        echo "$name"
                        return
                fi
        done
        return 1
}

# answer USER...: what polkit is answered for a subject of that name.
answer() {
        local user
        {
                cat <<'EOF'
var polkit = {
    Result: { NO: "no", YES: "yes", NOT_HANDLED: null },
    rules: [],
    addRule: function(rule) { this.rules.push(rule); }
};
var say = typeof console != "undefined" ? function(text) { console.log(text); } : print;
EOF
                cat "$rules"
                echo 'if (polkit.rules.length != 1) say("not one rule");'
                for user; do
                        printf 'say(String(polkit.rules[0]({ id: "org.freedesktop.login1.set-self-linger" }, { user: "%s" })));\n' "$user"
                done
        } >"$BATS_TEST_TMPDIR/test.js"
        "$(interpreter)" "$BATS_TEST_TMPDIR/test.js"
}

@test "the rule denies whoever has a name of ours or a number of the pool" {
        interpreter >/dev/null || cannot javascript "no interpreter of JavaScript is installed"
        run answer ns-1000-web-0 ns-web-65535 ns-a-b-c-1 524288 1879048191 268435456 nsresource-524288
        echo "$output"
        [ "$status" = 0 ]
        [ "${#lines[@]}" = 7 ]
        [ "$(sort -u <<<"$output")" = no ]
}

@test "and nobody else" {
        interpreter >/dev/null || cannot javascript "no interpreter of JavaScript is installed"
        run answer root alice 0 1000 524287 1879048192 ns ns- ns-web ns-1 xns-web-0 ns-web-0x 61184 65534
        echo "$output"
        [ "$status" = 0 ]
        [ "${#lines[@]}" = 14 ]
        [ "$(sort -u <<<"$output")" = null ]
}
