#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# AllocateUserRange beside its floor, with 0 and with 10,000 ranges live, on a daemon of our own.
set -eu

builddir=${abs_top_builddir:-$PWD}
folder=$(mktemp -d "${TMPDIR:-/tmp}/nsr-bench-XXXXXX")
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; rm -rf "$folder"' EXIT

chmod 755 "$folder"
mkdir "$folder/etc"
cp "$builddir/nsresource-ask" "$folder"
# Everything in one pool and one quota, so that 10,000 live ranges fit.
printf '[Policy]\nEnforcement=none\n[Limits]\nNamespacesPerUser=30000\nIDsPerUser=4294967296\n' >"$folder/conf"
ulimit -n "$(ulimit -Hn)"

for live in 0 10000; do
        rm -rf "$folder/run" "$folder/state"
        "$builddir/nsresourced" --config="$folder/conf" --socket="$folder/socket" --runtime-dir="$folder/run" \
                --state-dir="$folder/state" --etc="$folder/etc" --nspawn-dir="$folder/nspawn" --userdb-socket="$folder/userdb" --nscd-socket="$folder/nscd" --pin-dir="$folder/pins" \
                --run-user-dir="$folder/run-user" --linger-dir="$folder/linger" --logind-dir="$folder/logind" \
                --ask-program="$folder/nsresource-ask" \
                2>"$folder/log" &
        daemon=$!
        while [ ! -S "$folder/socket" ]; do
                kill -0 "$daemon"
                sleep 0.1
        done
        "$builddir/tests/bench/bench-allocate" "$folder/socket" 500 "$live"
        kill "$daemon"
        wait "$daemon"
        daemon=
        rm -f "$folder/socket"
done
