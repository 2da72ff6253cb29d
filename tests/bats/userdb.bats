#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nsresource-userdbd over real tables, as varlink clients and nss-systemd see it.

load common

E=io.systemd.UserDatabase
V=org.varlink.service

setup() {
        need_root
        # The provider reads as a user who cannot enter bats' own folders.
        work=$(mktemp -d "${TMPDIR:-/tmp}/nsresource-userdb.XXXXXX")
        chmod 755 "$work"
        cd "$work" || return
        SOCKET=$PWD/socket
        make_table
}

teardown() {
        if [ -n "${provider:-}" ]; then
                kill "$provider" 2>/dev/null || true
                wait "$provider" 2>/dev/null || true
        fi
        cd /
        rm -rf "${work:?}"
}

table_make() {
        "$abs_top_builddir/tests/bats/table-make" "$work/table" 0x80000 "$@"
}

make_table() {
        table_make 256 add 1000-web 65536 1000 add db 65536 0 add 1001-one 1 1001 add 1000-big 131072 1000 \
                mapping 1000-early 65536 1000 add 1000-gone 65536 1000 end 1000-gone >ranges
        chmod 644 table
        web=$(start_of 1000-web)
        one=$(start_of 1001-one)
        big=$(start_of 1000-big)
        gone=$(start_of 1000-gone)
}

start_of() {
        awk -v name="$1" '$1 == name { print $2 }' ranges
}

start_provider() {
        # With groups to give up.
        setpriv --groups 4,24 "$abs_top_builddir/nsresource-userdbd" --socket "$PWD/socket" --table "$PWD/table" \
                >provider.log 2>&1 3>&- &
        provider=$!
        wait_for provider_answers || {
                cat provider.log
                return 1
        }
}

provider_answers() {
        call $V.GetInfo >/dev/null 2>&1
}

# asked METHOD PARAMETERS [SERVICE]: parameters without braces; the service is added.
asked() {
        call "$E.$1" "{${2:+$2,}\"service\":\"${3:-io.systemd.NamespaceResource}\"}"
}

more() {
        call --more "$E.$1" "{${2:+$2,}\"service\":\"io.systemd.NamespaceResource\"}"
}

user_record() {
        local offset=$3
        printf '{"record":{"disposition":"container","gid":%u,"homeDirectory":"/","locked":true,"realName":"User %u of namespace %s of UID %u since %s","service":"io.systemd.NamespaceResource","shell":"/usr/sbin/nologin","uid":%u,"userName":"ns-%s-%u"}}' \
                "$(($2 + offset))" "$offset" "$1" "$4" "$(date -u +%F)" "$(($2 + offset))" "$1" "$offset"
}

@test "a user by number, by name, by both: first, middle and last ID" {
        start_provider
        local offset expected
        for offset in 0 5 65534 65535; do
                expected=$(user_record 1000-web "$web" "$offset" 1000)
                [ "$(asked GetUserRecord "\"uid\":$((web + offset))")" = "$expected" ]
                [ "$(asked GetUserRecord "\"userName\":\"ns-1000-web-$offset\"")" = "$expected" ]
                [ "$(asked GetUserRecord "\"uid\":$((web + offset)),\"userName\":\"ns-1000-web-$offset\"")" = "$expected" ]
        done
        # a range of two slots counts on
        expected=$(user_record 1000-big "$big" 131071 1000)
        [ "$(asked GetUserRecord "\"uid\":$((big + 131071))")" = "$expected" ]
        [ "$(asked GetUserRecord '"userName":"ns-1000-big-131071"')" = "$expected" ]
        # decimal strings and explicit nulls, as other clients send them
        [ "$(asked GetUserRecord "\"uid\":\"$((big + 131071))\",\"userName\":null,\"fuzzyNames\":null,\"uuid\":null")" = "$expected" ]
}

@test "a group: the same number and name; a single ID is dynamic" {
        start_provider
        run asked GetGroupRecord "\"gid\":$((web + 7))"
        [ "$output" = "{\"record\":{\"description\":\"Group 7 of namespace 1000-web of UID 1000 since $(date -u +%F)\",\"disposition\":\"container\",\"gid\":$((web + 7)),\"groupName\":\"ns-1000-web-7\",\"service\":\"io.systemd.NamespaceResource\"}}" ]
        [ "$(asked GetGroupRecord '"groupName":"ns-1000-web-7"')" = "$output" ]
        run asked GetUserRecord "\"uid\":$one"
        [ "$status" = 0 ]
        [[ "$output" == *'"disposition":"dynamic"'* ]]
        [[ "$output" == *'"userName":"ns-1001-one-0"'* ]]
}

@test "what is not ours is not found" {
        start_provider
        local uid name
        for uid in 0 1000 61184 65534 65535 65536 524287 "$((one + 1))" "$((gone + 1))" $((524288 + 256 * 65536)) 4294967294; do
                refused $E.NoRecordFound '' asked GetUserRecord "\"uid\":$uid"
                refused $E.NoRecordFound '' asked GetGroupRecord "\"gid\":$uid"
        done
        for name in root ns ns- ns-- ns--0 ns-1000-web ns-1000-web- ns-1000-web-65536 ns-1000-web-05 ns-1000-web-+5 \
                ns-1000-web--5 ns-1000-web-5x ns-1001-one-1 ns-1000-early-0 ns-1000-gone-0 NS-1000-web-5 "" \
                ns-1000-web-4294967296 ns-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0; do
                refused $E.NoRecordFound '' asked GetUserRecord "\"userName\":\"$name\""
                refused $E.NoRecordFound '' asked GetGroupRecord "\"groupName\":\"$name\""
        done
}

@test "a slot that is not free and has no other name has its own, which leads back" {
        start_provider
        run asked GetUserRecord "\"uid\":$gone"
        [ "$status" = 0 ]
        [ "$output" = "{\"record\":{\"disposition\":\"reserved\",\"gid\":$gone,\"homeDirectory\":\"/\",\"locked\":true,\"realName\":\"First of the IDs up to $((gone + 65535)) that nsresourced does not have free\",\"service\":\"io.systemd.NamespaceResource\",\"shell\":\"/usr/sbin/nologin\",\"uid\":$gone,\"userName\":\"nsresource-$gone\"}}" ]
        [ "$(asked GetUserRecord "\"userName\":\"nsresource-$gone\"")" = "$output" ]
        run asked GetGroupRecord "\"gid\":$gone"
        [ "$status" = 0 ]
        grep -qF "\"groupName\":\"nsresource-$gone\"" <<<"$output"
        [ "$(asked GetGroupRecord "\"groupName\":\"nsresource-$gone\"")" = "$output" ]
        for name in nsresource "nsresource-$web" "nsresource-$((gone + 1))" "nsresource-0$gone" nsresource-524288x; do
                refused $E.NoRecordFound '' asked GetUserRecord "\"userName\":\"$name\""
        done
        refused $E.NoRecordFound '' asked GetUserRecord "\"uid\":$gone,\"userName\":\"nsresource-$((gone + 65536))\""
}

@test "number and name of different records conflict" {
        start_provider
        refused $E.ConflictingRecordFound '' asked GetUserRecord "\"uid\":$web,\"userName\":\"ns-1000-web-1\""
        refused $E.ConflictingRecordFound '' asked GetUserRecord "\"uid\":0,\"userName\":\"ns-1000-web-1\""
        refused $E.ConflictingRecordFound '' asked GetGroupRecord "\"gid\":$web,\"groupName\":\"ns-db-0\""
        refused $E.NoRecordFound '' asked GetUserRecord "\"uid\":$web,\"userName\":\"root\""
}

@test "calls that make no sense name the field" {
        start_provider
        invalid service call $E.GetUserRecord "{\"uid\":$web}"
        refused $E.BadService '' asked GetUserRecord "\"uid\":$web" io.systemd.Multiplexer
        refused $E.BadService '' asked GetMemberships '"userName":"x"' io.systemd.Multiplexer
        invalid uid asked GetUserRecord '"uid":-1'
        invalid uid asked GetUserRecord '"uid":4294967295'
        invalid gid asked GetGroupRecord '"gid":9223372036854775807'
        invalid uid asked GetUserRecord '"uid":"web"'
        invalid gid asked GetUserRecord '"gid":5'
        invalid fuzzyNames asked GetUserRecord '"fuzzyNames":[5]'
        refused $V.MethodNotFound '{"method":"io.systemd.UserDatabase.GetUser"}' call $E.GetUser '{}'
        # a descriptor is no part of any method: the connection is dropped
        run call $E.GetMemberships '{"service":"io.systemd.NamespaceResource"}' null
        echo "$output"
        [ "$status" = 2 ]
        asked GetUserRecord "\"uid\":$web"
}

@test "nobody is a member of anything" {
        start_provider
        refused $E.NoRecordFound '' asked GetMemberships
        refused $E.NoRecordFound '' asked GetMemberships '"userName":"ns-1000-web-0","groupName":"ns-1000-web-1"'
        refused $E.NoRecordFound '' more GetMemberships
}

@test "enumeration lists the first ID of each active range" {
        start_provider
        refused $V.ExpectedMore '' asked GetUserRecord
        more GetUserRecord | grep -o '"userName":"[^"]*"' | sort >names
        printf '"userName":"%s"\n' ns-1000-big-0 ns-1000-web-0 ns-1001-one-0 ns-db-0 | diff - names
        more GetGroupRecord | grep -o '"gid":[0-9]*' | sort >ids
        awk '/early|gone/ { next } { print "\"gid\":" $2 }' ranges | sort | diff - ids
}

@test "SetEntries=all: enumeration lists every ID" {
        rm table
        table_make 256 add 1000-web 65536 1000 add one 1 0 mapping early 65536 0 entries-all >ranges
        chmod 644 table
        start_provider
        {
                seq -f 'ns-1000-web-%.0f' 0 65535
                echo ns-one-0
        } | sort >expected
        more GetUserRecord | sed -n 's/.*"userName":"\([^"]*\)".*/\1/p' | sort | diff expected -
        more GetGroupRecord | sed -n 's/.*"groupName":"\([^"]*\)".*/\1/p' | sort | diff expected -
        # it answers others meanwhile
        mkfifo pipe
        call --more $E.GetUserRecord '{"service":"io.systemd.NamespaceResource"}' >pipe 3>&- &
        local slow=$!
        exec 4<pipe
        asked GetUserRecord '"userName":"ns-one-0"'
        exec 4<&-
        kill "$slow" 2>/dev/null || true
        wait "$slow" || true
}

@test "enumeration of nothing finds no record" {
        rm table
        table_make 16 mapping one 65536 0
        chmod 644 table
        start_provider
        refused $E.NoRecordFound '' more GetUserRecord
}

@test "ten thousand ranges are all listed, and a client that does not read keeps nobody waiting" {
        rm table
        table_make 12000 fill 10000 65536
        chmod 644 table
        start_provider
        more GetUserRecord | grep -o '"userName":"[^"]*"' | sort -u | wc -l >count
        [ "$(cat count)" = 10000 ]

        # The pipe is full long before the last record.
        mkfifo pipe
        call --more $E.GetUserRecord '{"service":"io.systemd.NamespaceResource"}' >pipe 3>&- &
        local slow=$!
        exec 4<pipe
        asked GetUserRecord '"userName":"ns-f77-5"'
        [ "$(more GetUserRecord | wc -l)" = 10000 ]
        # It goes away in the middle: nothing comes of it.
        exec 4<&-
        kill "$slow" 2>/dev/null || true
        wait "$slow" || true
        asked GetUserRecord '"userName":"ns-f9999-65535"'
        kill -0 "$provider"
}

@test "filters are answered" {
        start_provider
        local hit="\"uid\":$((web + 5))"
        asked GetUserRecord "$hit,\"uidMin\":$web,\"uidMax\":$((web + 5))"
        refused $E.NonMatchingRecordFound '' asked GetUserRecord "$hit,\"uidMin\":$((web + 6))"
        refused $E.NonMatchingRecordFound '' asked GetGroupRecord "\"gid\":$web,\"gidMax\":$((web - 1))"
        asked GetUserRecord "$hit,\"dispositionMask\":[\"regular\",\"container\"]"
        refused $E.NonMatchingRecordFound '' asked GetUserRecord "$hit,\"dispositionMask\":[\"regular\"]"
        refused $E.NonMatchingRecordFound '' asked GetUserRecord "$hit,\"uuid\":\"24e8fb5b-2f4f-4f0b-9a0e-6a1a9d4a9d10\""
        asked GetUserRecord "$hit,\"fuzzyNames\":[\"nothing of that\",\"WEB\"]"
        refused $E.NonMatchingRecordFound '' asked GetUserRecord "$hit,\"fuzzyNames\":[\"nothing of that\"]"
        # a filter does not make a miss anything else
        refused $E.NoRecordFound '' asked GetUserRecord '"uid":5,"uidMin":7'

        [ "$(more GetUserRecord '"dispositionMask":["dynamic"]' | grep -o 'ns-[^"]*-0')" = ns-1001-one-0 ]
        [ "$(more GetUserRecord "\"uidMin\":$big,\"uidMax\":$big" | grep -o 'ns-[^"]*-0')" = ns-1000-big-0 ]
        [ "$(more GetGroupRecord '"fuzzyNames":["ns-1001-onx-0"]' | grep -c ns-1001-one-0)" = 1 ]
        refused $E.NoRecordFound '' more GetUserRecord '"uidMin":1,"uidMax":2'
}

@test "fuzzy names: 16 are looked at, 17 are refused" {
        start_provider
        local names
        names=$(printf '"x%s", ' {1..15})
        asked GetUserRecord "\"uid\":$web,\"fuzzyNames\":[$names\"web\"]"
        invalid fuzzyNames asked GetUserRecord "\"uid\":$web,\"fuzzyNames\":[$names\"x\",\"web\"]"
}

@test "texts of a filter: as long as a record's text may be, and no longer" {
        start_provider
        local longest
        longest=$(printf 'x%.0s' {1..95})
        refused $E.NonMatchingRecordFound '' asked GetUserRecord "\"uid\":$web,\"fuzzyNames\":[\"$longest\"]"
        invalid fuzzyNames asked GetUserRecord "\"uid\":$web,\"fuzzyNames\":[\"web\",\"${longest}x\"]"
        invalid dispositionMask more GetUserRecord "\"dispositionMask\":[\"$longest\"]"
}

@test "no table: nothing is found; it turns up, goes, and is replaced while we run" {
        mv table other
        start_provider
        refused $E.NoRecordFound '' asked GetUserRecord "\"uid\":$web"
        refused $E.NoRecordFound '' asked GetUserRecord '"userName":"ns-1000-web-0"'
        refused $E.NoRecordFound '' more GetUserRecord
        mv other table
        asked GetUserRecord "\"uid\":$web"
        mv table table.set-aside
        refused $E.NoRecordFound '' asked GetUserRecord "\"uid\":$web"
        table_make 16 add new 65536 0 >ranges
        chmod 644 table
        asked GetUserRecord '"userName":"ns-new-3"'
        refused $E.NoRecordFound '' asked GetUserRecord '"userName":"ns-1000-web-0"'
}

# replace_table COMMAND...: by a copy of the good one that the command has changed.
replace_table() {
        cp -p good new
        "$@" new
        mv new table
}

other_version() {
        printf X | dd of="$1" bs=1 seek=8 conv=notrunc status=none
}

@test "a table that is not to be believed makes the service not available" {
        start_provider
        asked GetUserRecord "\"uid\":$web"
        cp -p table good

        truncate -s 8192 table
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        refused $E.ServiceNotAvailable '' asked GetUserRecord '"userName":"ns-1000-web-0"'
        refused $E.ServiceNotAvailable '' more GetUserRecord
        # who does not ask about us hears nothing of it
        refused $E.NoRecordFound '' asked GetUserRecord '"uid":0'
        refused $E.NoRecordFound '' asked GetUserRecord '"userName":"root"'

        replace_table chown 12345
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        replace_table chmod 666
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        replace_table other_version
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        rm table
        ln -s good table
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        rm table
        mkdir table
        refused $E.ServiceNotAvailable '' asked GetUserRecord "\"uid\":$web"
        rmdir table
        mv good table
        asked GetUserRecord "\"uid\":$web"
        # said once for each time it turned bad, not once a call
        [ "$(grep -c "is damaged" provider.log)" = 1 ]
}

@test "it gives up root before it reads anything, and everybody may connect" {
        start_provider
        local uid
        uid=$(awk -F: '$1 == "nsresource" { print $3 }' /etc/passwd)
        asked GetUserRecord "\"uid\":$web"
        grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' "/proc/$provider/status"
        grep -qxP "Uid:(\t${uid:-65534}){4}" "/proc/$provider/status"
        grep -qxP 'Groups:\s*' "/proc/$provider/status"
        [ "$(grep -cP '^Cap(Inh|Prm|Eff|Bnd|Amb):\t0{16}$' "/proc/$provider/status")" = 5 ]
        grep -qxP 'NoNewPrivs:\t1' "/proc/$provider/status"
        [ "$(stat -c %a socket)" = 666 ]
        # The build folder may not be for everybody.
        chmod 711 .
        cp "$abs_top_builddir/tests/tools/varlink-call" .
        as 4242 ./varlink-call socket $E.GetUserRecord "{\"uid\":$web,\"service\":\"io.systemd.NamespaceResource\"}" |
                grep '"userName": "ns-1000-web-0"'
}

@test "what the service says of itself" {
        start_provider
        run call $V.GetInfo
        [[ "$output" == *'"interfaces":["io.systemd","io.systemd.UserDatabase","org.varlink.service"]'* ]]
        [[ "$output" == *'"url":"https://'* ]]
        run call $V.GetInterfaceDescription '{"interface":"io.systemd.UserDatabase"}'
        [[ "$output" == *'method GetUserRecord'* ]]
}

@test "a clean stop" {
        start_provider
        asked GetUserRecord "\"uid\":$web"
        kill "$provider"
        wait "$provider"
        provider=
}

@test "attributes of the socket say which look-ups are ours, where the kernel takes them" {
        need_command strace getfattr
        # A kernel that takes them, whatever this one does.
        ASAN_OPTIONS=detect_leaks=0 strace -f -o trace -e trace=lsetxattr -e inject=lsetxattr:retval=0 \
                "$abs_top_builddir/nsresource-userdbd" --socket "$PWD/socket" --table "$PWD/table" >provider.log 2>&1 3>&- &
        local tracer=$!
        wait_for provider_answers
        kill "$(cut -d' ' -f1 trace | head -n 1)"
        wait "$tracer" || true
        sed -n 's/.*lsetxattr("[^"]*socket", "\([^"]*\)", "\([^"]*\)", .*/\1=\2/p' trace | sort >attributes
        cat attributes
        printf '%s\n' user.userdb.gid=524288-17301503 'user.userdb.groupname=ns*' user.userdb.uid=524288-17301503 \
                'user.userdb.username=ns*' user.varlink=entrypoint | sort | diff - attributes

        # This kernel: all of them, or none and no word about it.
        start_provider
        getfattr -d socket 2>/dev/null | sed -n 's/^\(user[^=]*\)="\(.*\)"$/\1=\2/p' | sort >real
        [ ! -s real ] || diff attributes real
        [ ! -s provider.log ]
        asked GetUserRecord "\"uid\":$web"
}

# activated SECONDS: as the service manager would start it, at the first connection.
activated() {
        need_command systemd-socket-activate
        systemd-socket-activate -l "$PWD/socket" "$abs_top_builddir/nsresource-userdbd" --table "$PWD/table" \
                --idle-seconds "$1" >provider.log 2>&1 3>&- &
        provider=$!
        wait_for grep -q '^Listening' provider.log
}

@test "socket activation, and exit when idle" {
        activated 1
        asked GetUserRecord "\"uid\":$web"
        # It takes the socket's process over; it leaves by itself, cleanly, and not while somebody is connected.
        wait "$provider"
        provider=
}

@test "nss-systemd finds the names, and a cold look-up does not wait for itself" {
        need_command getent unshare
        [ -e /lib/x86_64-linux-gnu/libnss_systemd.so.2 ] || ldconfig -p | grep libnss_systemd >/dev/null ||
                cannot nss-systemd "libnss-systemd is not installed"
        activated 0
        cat >in-namespace <<END
                set -e
                mount -t tmpfs tmpfs /run
                mkdir -p /run/systemd/userdb
                touch /run/systemd/userdb/io.systemd.NamespaceResource
                mount --bind "$PWD/socket" /run/systemd/userdb/io.systemd.NamespaceResource
                getent -s systemd passwd $((web + 5))
                getent -s systemd passwd ns-1000-web-5
                getent -s systemd group $((web + 5))
                getent -s systemd group ns-1000-web-5
                ! getent -s systemd passwd $((gone + 1)) || exit 1
                getent -s systemd passwd | grep -o 'ns-[^:]*' | sort
END
        local before=$SECONDS
        run unshare -m bash in-namespace
        echo "$output"
        [ "$status" = 0 ]
        [ "${lines[0]}" = "ns-1000-web-5:!*:$((web + 5)):$((web + 5)):User 5 of namespace 1000-web of UID 1000 since $(date -u +%F):/:/usr/sbin/nologin" ] ||
                [ "${lines[0]}" = "ns-1000-web-5:x:$((web + 5)):$((web + 5)):User 5 of namespace 1000-web of UID 1000 since $(date -u +%F):/:/usr/sbin/nologin" ]
        [ "${lines[1]}" = "${lines[0]}" ]
        [[ "${lines[2]}" == ns-1000-web-5:*:$((web + 5)): ]]
        [ "${lines[3]}" = "${lines[2]}" ]
        [[ "$output" == *ns-1000-big-0* && "$output" == *ns-db-0* ]]
        # nss-systemd waits for 45 s where a provider does not answer it.
        [ $((SECONDS - before)) -lt 40 ]
}
