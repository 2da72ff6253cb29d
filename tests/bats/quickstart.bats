#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What quickstart says without doing anything; what it does is run by quickstart itself.

load common

setup() {
        quickstart=$abs_top_srcdir/quickstart
}

@test "without a word it explains itself" {
        run "$quickstart"
        [ "$status" = 0 ]
        [[ $output == "usage: sudo ./quickstart demo"* ]]
}

@test "an unknown word is refused with the usage" {
        run "$quickstart" dmeo
        [ "$status" = 2 ]
        [[ $output == "usage: "* ]]
}

@test "without root it says how, and does nothing" {
        need_root
        # A copy that nobody in particular may read; the sources may lie where nobody may not.
        cp "$quickstart" "$BATS_TEST_TMPDIR/quickstart"
        chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR"
        run setpriv --reuid=65534 --regid=65534 --clear-groups "$BATS_TEST_TMPDIR/quickstart" demo
        echo "$output"
        [ "$status" = 1 ]
        [[ $output == *"sudo ./quickstart demo" ]]
        [ ! -e "$BATS_TEST_TMPDIR/build-quickstart" ]
}

@test "README shows the commands that there are" {
        grep -qxF '    sudo ./quickstart demo' "$abs_top_srcdir/README.md"
        grep -qxF '    sudo ./quickstart test' "$abs_top_srcdir/README.md"
        grep -qxF '    sudo ./quickstart shell' "$abs_top_srcdir/README.md"
}

# functions_of_quickstart: load them without running anything.
functions_of_quickstart() {
        sed '$d' "$quickstart" >"$BATS_TEST_TMPDIR/functions"
        [ "$(tail -n 1 "$quickstart")" = 'main "$@"' ]
        # shellcheck disable=SC1091 # made above
        . "$BATS_TEST_TMPDIR/functions"
        log_dir=$BATS_TEST_TMPDIR
}

@test "another apt is waited for, and nothing else that fails" {
        functions_of_quickstart
        mkdir "$BATS_TEST_TMPDIR/bin"
        cat >"$BATS_TEST_TMPDIR/bin/apt-get" <<'END'
#!/bin/sh
echo "$*" >>"$CALLS"
[ "$(wc -l <"$CALLS")" -gt 2 ] || { echo "E: $SAYS"; exit 100; }
END
        printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/bin/sleep"
        chmod 755 "$BATS_TEST_TMPDIR/bin/"*
        export PATH=$BATS_TEST_TMPDIR/bin:$PATH CALLS=$BATS_TEST_TMPDIR/calls
        SAYS="Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9" apt update >said
        [ "$(cat said)" = "Waiting for another apt to end: E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9" ]
        [ "$(cat "$CALLS")" = "$(printf '%s\n' '-q -y update' '-q -y update' '-q -y update')" ]
        rm "$CALLS"
        export SAYS="Unable to locate package nothing"
        run apt install nothing
        [ "$status" = 1 ]
        [ "$(wc -l <"$CALLS")" = 1 ]
}

@test "what failed is told with its reasons" {
        functions_of_quickstart
        printf '%s\n' 'ok 1 a' '# of b, 1' '# of b, 2' 'ok 2 b' '# of c, before' 'not ok 3 c' 'FAIL: t 3 c' 'okay' '# of c, behind' \
                'ok 4 d' '# of d' 'ok 5 e' 'Bail out! f' >tap
        [ "$(why tap)" = "$(printf '    %s\n' '# of c, before' 'not ok 3 c' '# of c, behind' 'Bail out! f')" ]
        seq -f '# %g' 9 >tap
        echo 'not ok 1 a' >>tap
        seq -f '# %g' 30 >>tap
        [ "$(why tap)" = "$( (seq 6 9; echo 'not ok 1 a'; seq 20) | sed 's/^[0-9]/# &/; s/^/    /')" ]
        count_tap tap >said
        grep -qx '    not ok 1 a' said
        [ "$n_failed" = 1 ]
}

@test "a step that takes long tells how far it is" {
        functions_of_quickstart
        is_terminal=1
        results_folder=$BATS_TEST_TMPDIR results_n=7
        touch "$BATS_TEST_TMPDIR/a.trs"
        cd "$BATS_TEST_TMPDIR"
        step "a step" bash -c 'echo "PASS: a"; echo "ok 1"; echo other; until grep -q passed said; do sleep 0.1; done' >said
        results_folder=
        grep -q $'\ra step  *2 passed, 1 of 7 files, ' said
        tail -c 30 said | grep -qE 'ok \([0-9]+ s\)$'
        run step "another" false
        [ "$status" = 1 ]
        [[ "$output" == *"FAILED ("* ]]
}
