"""Open files limit of this process (RLIMIT_NOFILE), and the need of a configuration."""

from __future__ import annotations

import resource

OTHERS = 256
"""Number of files for the database, its readers, the log, name servers, webhooks and certificates."""

_FINITE = (1_048_576, 65_536, 10_240)
"""Limits to try where the hard limit is infinite; some systems (macOS) still refuse large ones."""


def raise_limit() -> int:
    """Raises the soft limit to the hard one; returns the new soft limit. Its usual default is 1024 or less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in _FINITE if hard == resource.RLIM_INFINITY else (hard,):
        if soft == resource.RLIM_INFINITY or wanted <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        return wanted
    return soft


def hard_limit() -> int:
    """Maximum that `raise_limit` can reach; RLIM_INFINITY (-1): no limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def needed(connections: int, concurrency: int) -> int:
    """Maximum open files: a socket for each client, and a socket and a content for each outbound letter."""
    return connections + 2 * concurrency + OTHERS


def shortfall(limit: int, connections: int, concurrency: int) -> str:
    """Message that `limit` is too low for `limits.connections` and `relay.concurrency`. Empty: it is high enough."""
    need = needed(connections, concurrency)
    if limit == resource.RLIM_INFINITY or limit >= need:
        return ""
    return (
        f"the limit of open files is {limit}, but limits.connections = {connections} and relay.concurrency = {concurrency} "
        f"may need {need}; raise the hard limit (`ulimit -Hn`, or LimitNOFILE= in the systemd unit), or lower these settings"
    )
