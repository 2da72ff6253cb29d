# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where this machine's own apt gets Debian packages, for scripts that fetch more of them.  The including
# script has a function die.

# The address this machine's apt uses for a suite; empty when it knows none.
configured_uri() {
        # shellcheck disable=SC2016 # apt expands these
        apt-get indextargets --format '$(RELEASE) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
                awk -v suite="$1" '($1 == suite || $2 == suite) && !n++ { print $3 }'
}

# An address of Debian's main archive, whatever release this machine follows.
main_uri() {
        local suite uri
        for suite in bookworm trixie forky stable testing sid; do
                uri=$(configured_uri "$suite")
                [ -n "$uri" ] || continue
                echo "$uri"
                return
        done
        die "this machine's apt has no Debian archive set up, so there is no mirror to take packages from"
}

security_uri() {
        local uri
        uri=$(configured_uri bookworm-security)
        # Mirrors keep the two side by side under these names.
        [ -n "$uri" ] || uri=$(main_uri | sed 's,/debian/*$,/debian-security/,')
        echo "$uri"
}
