# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A daemon of the test's own: everything it touches lies below $NSR, and no file of the host's is changed.

# Ordinary users of the tests: no passwd entry needed, outside the pool, and UIDs nobody else on the machine has.
ALICE=400001
BOB=400002

SERVICE=io.systemd.NamespaceResource

# daemon_setup: folders and a configuration with Enforcement=none.
daemon_setup() {
        need_root
        NSR=$(mktemp -d "${TMPDIR:-/tmp}/nsr-bats-XXXXXX")
        chmod 755 "$NSR"
        SOCKET=$NSR/socket
        mkdir "$NSR/etc"
        printf 'root:x:0:0:root:/root:/bin/sh\n' >"$NSR/etc/passwd"
        printf 'root:x:0:\n' >"$NSR/etc/group"
        # It runs as somebody to whom the build folder may be closed.
        cp "$abs_top_builddir/nsresource-ask" "$NSR/nsresource-ask"
        daemon_configure '[Policy]' 'Enforcement=none'
        HOLDERS=()
        DAEMON=
        SERVED=0
}

# daemon_configure LINE...: the configuration file, whole.
daemon_configure() {
        printf '%s\n' "$@" >"$NSR/nsresourced.conf"
}

# daemon_start [OPTION...]: start it and wait until it listens.
daemon_start() {
        rm -f "$NSR/socket"
        "${NSR_DAEMON:-$abs_top_builddir/nsresourced}" --config="$NSR/nsresourced.conf" --socket="$NSR/socket" \
                --runtime-dir="$NSR/run" --state-dir="$NSR/state" --etc="$NSR/etc" --nspawn-dir="$NSR/nspawn" \
                --pin-dir="$NSR/pins" --run-user-dir="$NSR/run-user" --linger-dir="$NSR/linger" --logind-dir="$NSR/logind" \
                --userdb-socket="$NSR/userdb" --nscd-socket="${NSR_NSCD:-$NSR/nscd}" \
                --ask-program="$NSR/nsresource-ask" --debug "$@" 2>>"$NSR/log" 3>&- &
        DAEMON=$!
        wait_for daemon_listens
}

daemon_listens() {
        kill -0 "$DAEMON" 2>/dev/null || return 0
        [ -S "$NSR/socket" ] && call "org.varlink.service.GetInfo" '{}' >/dev/null 2>&1
}

# daemon_stop [SIGNAL]: end it and wait; returns its exit status.
daemon_stop() {
        local pid=$DAEMON
        DAEMON=
        [ -n "$pid" ] || return 0
        kill "-${1:-TERM}" "$pid" 2>/dev/null || true
        wait "$pid"
}

daemon_teardown() {
        local pid failed=0 said
        for pid in "${HOLDERS[@]}"; do
                kill -KILL "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
        done
        # Only a daemon that ends by itself says what it leaked.
        if [ "${NSR_SANITIZERS:-no}" = yes ] && [ "${BATS_TEST_COMPLETED:-}" = 1 ]; then
                daemon_stop TERM 2>/dev/null || true
        fi
        daemon_stop KILL 2>/dev/null || true
        if [ "${BATS_TEST_COMPLETED:-}" != 1 ] && [ -f "${NSR:-/nonexistent}/log" ]; then
                sed 's/^/# /' "$NSR/log" | tail -n 40 >&2
        fi
        if said=$(grep -sE -A 25 'Sanitizer:|runtime error:' "${NSR:-/nonexistent}/log"); then
                printf '%s\n' "$said" | sed 's/^/# /' >&2
                failed=1
        fi
        [ -z "${NSR:-}" ] || rm -rf --one-file-system "$NSR"
        return "$failed"
}

# background UID COMMAND...: start it, to be ended at the end of the test; sets BACKGROUND to its process ID.
background() {
        local uid=$1
        shift
        # Not through as(): the shell would put a process of its own in between.
        setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@" 3>&- &
        BACKGROUND=$!
        HOLDERS+=("$BACKGROUND")
        wait_for has_begun "$BACKGROUND"
}

# has_begun PID: it is neither this shell any more nor setpriv, but what that was to start; or it has ended.
has_begun() {
        local program
        program=$(readlink "/proc/$1/exe") || return 0
        [[ $program != "$(readlink "/proc/$BASHPID/exe")" && $program != */setpriv ]]
}

# namespace_as UID: a fresh user namespace of UID's, kept by a process; sets HOLDER and USERNS.
namespace_as() {
        background "$1" unshare -U -- sleep 3600
        HOLDER=$BACKGROUND
        USERNS=/proc/$HOLDER/ns/user
        wait_for namespace_is_new "$HOLDER"
}

namespace_is_new() {
        local name
        # Past unshare's own exec: before it the namespace is the host's.
        name=$(readlink "/proc/$1/ns/user") || return 1
        [ "$name" != "$(readlink /proc/self/ns/user)" ] && [ "$(cat "/proc/$1/comm")" = sleep ]
}

# namespace_end PID
namespace_end() {
        kill -KILL "$1"
        wait "$1" 2>/dev/null || true
}

# allocate_json NAME SIZE [MORE-FIELDS]: parameters with descriptor 0.
allocate_json() {
        printf '{"name":"%s","size":%s,"userNamespaceFileDescriptor":0%s}' "$1" "$2" "${3:+,$3}"
}

# count STATE: from GetStatus.
count() {
        call org.nsresource.Manager.GetStatus '{}' | jq ".counts.$1"
}

count_is() {
        [ "$(count "$1")" = "$2" ]
}

# descriptors: how many the daemon has open, but for the two (pidfd and socket) of each child: how many children wait for
# work is the daemon's own affair.
descriptors() {
        local open children
        open=$(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l)
        read -ra children <"/proc/$DAEMON/task/$DAEMON/children" || true
        echo $((open - 2 * ${#children[@]}))
}

# descriptors_at_rest: as descriptors, once the number has not changed for a second.
descriptors_at_rest() {
        local now last=0 same=0
        while [ "$same" -lt 10 ]; do
                now=$(descriptors)
                [ "$now" = "$last" ] && same=$((same + 1)) || same=0
                last=$now
                sleep 0.1
        done
        echo "$last"
}

descriptors_are() {
        [ "$(descriptors)" = "$1" ]
}
