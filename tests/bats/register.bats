#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# RegisterUserNamespace: a namespace that brought its own map gets a name and no range.

load common
load daemon

setup() {
        daemon_setup
        daemon_start
}

teardown() {
        daemon_teardown
}

register() {
        call_as "$ALICE" "$SERVICE.RegisterUserNamespace" "$@"
}

register_json() {
        printf '{"name":"%s","userNamespaceFileDescriptor":0%s}' "$1" "${2:+,$2}"
}

# map INSIDE-UID INSIDE-GID: HOLDER maps Alice's own IDs, as vmspawn does.
map() {
        as "$ALICE" sh -c "echo deny >/proc/$HOLDER/setgroups && echo '$2 $ALICE 1' >/proc/$HOLDER/gid_map && echo '$1 $ALICE 1' >/proc/$HOLDER/uid_map"
}

# map_as_root UID-LINES GID-LINES: any map, as newuidmap could write it.
map_as_root() {
        # Not the shell's own printf: it writes line by line, and a map takes one write.
        env printf '%b' "$1" >"/proc/$HOLDER/uid_map"
        env printf '%b' "$2" >"/proc/$HOLDER/gid_map"
}

@test "one's own UID and GID: registered, named, and no ID of the pool is taken" {
        namespace_as "$ALICE"
        map 0 0
        run register "$(register_json vm)" "userns:$USERNS"
        [ "$status" = 0 ]
        [ "$output" = "{\"name\":\"$ALICE-vm\"}" ]
        refused org.varlink.service.ExpectedMore '' call org.nsresource.Manager.List '{}'
        call --more org.nsresource.Manager.List '{}' | jq -es '.[0].range | .size == 0 and .state == "active"'
        [ "$(count slotsFree)" = "$(call org.nsresource.Manager.GetStatus '{}' | jq '.slots - .counts.quarantined')" ]
        namespace_end "$HOLDER"
        wait_for count_is active 0
}

@test "a single ID may be any inside" {
        namespace_as "$ALICE"
        map 5 5
        register "$(register_json vm)" "userns:$USERNS"
}

@test "twice the same namespace, twice the same name" {
        namespace_as "$ALICE"
        map 0 0
        register "$(register_json vm)" "userns:$USERNS"
        refused "$SERVICE.UserNamespaceExists" '' register "$(register_json other)" "userns:$USERNS"
        namespace_as "$ALICE"
        map 0 0
        refused "$SERVICE.NameExists" '' register "$(register_json vm)" "userns:$USERNS"
}

@test "maps that are not one's own, or differ between UIDs and GIDs, are refused" {
        local maps
        # not mapped; another's ID; UIDs unlike GIDs; inside unlike; several with the first not root
        namespace_as "$ALICE"
        invalid userNamespaceFileDescriptor register "$(register_json x)" "userns:$USERNS"
        for maps in "0 $BOB 1|0 $BOB 1" "0 $ALICE 1|0 $BOB 1" "0 $ALICE 1|1 $ALICE 1" "0 $ALICE 2|0 $ALICE 1" \
                "1 $ALICE 2|1 $ALICE 2" "0 $BOB 1\n1 $ALICE 1|0 $BOB 1\n1 $ALICE 1"; do
                namespace_as "$ALICE"
                map_as_root "${maps%|*}\n" "${maps#*|}\n"
                invalid userNamespaceFileDescriptor register "$(register_json x)" "userns:$USERNS"
        done
        count_is active 0
        # The same IDs in other lines are the same IDs.
        namespace_as "$ALICE"
        map_as_root "0 $ALICE 1\n1 $BOB 1\n" "0 $ALICE 2\n"
        register "$(register_json x)" "userns:$USERNS"
}

@test "another user's namespace, other descriptors, bad fields" {
        namespace_as "$ALICE"
        map 0 0
        invalid userNamespaceFileDescriptor call_as "$BOB" "$SERVICE.RegisterUserNamespace" "$(register_json x)" dup:9 9<"$USERNS"
        for kind in null file:/etc/passwd file:/proc/self/ns/net userns:/proc/self/ns/user; do
                invalid userNamespaceFileDescriptor register "$(register_json x)" "$kind"
        done
        refused io.systemd.System '{"errno":121,"errnoName":"EREMOTEIO","origin":"linux"}' register "$(register_json x)" "opath:$USERNS"
        refused io.systemd.System '{"errno":6,"errnoName":"ENXIO","origin":"linux"}' register "$(register_json x)"
        invalid size register "$(register_json x '"size":1')" "userns:$USERNS"
        invalid name register "$(register_json 'a b')" "userns:$USERNS"
        run register "$(register_json 'a b' '"mangleName":true')" "userns:$USERNS"
        [[ $output =~ ^\{\"name\":\"$ALICE-[0-9a-f]{15}\"\}$ ]]
}

@test "registrations count against the number of namespaces" {
        daemon_configure '[Policy]' 'Enforcement=none' '[Limits]' 'NamespacesPerUser=2'
        kill -HUP "$DAEMON"
        wait_for grep -q 'Configuration reloaded' "$NSR/log"
        for name in a b; do
                namespace_as "$ALICE"
                map 0 0
                register "$(register_json $name)" "userns:$USERNS"
        done
        namespace_as "$ALICE"
        map 0 0
        refused io.systemd.System '{"errno":87,"errnoName":"EUSERS","origin":"linux"}' register "$(register_json c)" "userns:$USERNS"
}
