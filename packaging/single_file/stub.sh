#!/bin/sh
# mailstack in one file: unpacks itself once into the user's cache, then starts from there.
# MAILSTACK_CACHE names another directory for it.
set -eu
# No directory that others may write to: what lies there is started.
if [ -z "${MAILSTACK_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ]; then
    echo "mailstack: HOME is not set; set MAILSTACK_CACHE to a directory of this user" >&2
    exit 1
fi
cache="${MAILSTACK_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/mailstack}"
home="$cache/@DIGEST@"
if [ ! -x "$home/mailstack" ]; then
    (umask 077 && mkdir -p "$cache") || { echo "mailstack: cannot write to $cache; set MAILSTACK_CACHE to another directory" >&2; exit 1; }
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
