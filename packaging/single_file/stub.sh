#!/bin/sh
# mailstack in one file: unpacks itself once into the user's cache, then starts from there.
# MAILSTACK_CACHE names another directory for it.
set -eu
cache="${MAILSTACK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mailstack}"
home="$cache/@DIGEST@"
if [ ! -x "$home/mailstack" ]; then
    mkdir -p "$cache" || { echo "mailstack: cannot write to $cache; set MAILSTACK_CACHE to another directory" >&2; exit 1; }
    unpacked=$(mktemp -d "$cache/unpacking.XXXXXX")
    trap 'rm -rf "$unpacked"' EXIT
    if ! tail -n +@LINES@ "$0" | tar -xzf - -C "$unpacked"; then
        echo "mailstack: cannot unpack into $cache; free some space, or set MAILSTACK_CACHE to another directory" >&2
        exit 1
    fi
    # Another start may have been first; both copies are the same.
    mv "$unpacked/mailstack" "$home" 2>/dev/null || [ -x "$home/mailstack" ]
    rm -rf "$unpacked"
    trap - EXIT
fi
exec "$home/mailstack" "$@"
