"""Limit of open files of this process (RLIMIT_NOFILE), and how many the settings may need."""

from __future__ import annotations

import resource

OTHERS = 256
"""Files for the database, its readers, the log, name servers, webhooks and certificates."""

_FINITE = (1_048_576, 65_536, 10_240)
"""Limits to try where the hard limit is infinite: a system may take no more than one of these (macOS)."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one; returns what holds then. Programs start with a soft limit of 1024 or less."""
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
    """The most that `raise_limit` may reach; RLIM_INFINITY (-1) where there is no limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def needed(connections: int, concurrency: int) -> int:
    """Files that may be open at a time: a socket for each client, and a socket and a content for each letter that leaves."""
    return connections + 2 * concurrency + OTHERS


def shortfall(limit: int, connections: int, concurrency: int) -> str:
    """Why a limit is too low for `limits.connections` and `relay.concurrency`, and what to do; "" if it isn't."""
    need = needed(connections, concurrency)
    if limit == resource.RLIM_INFINITY or limit >= need:
        return ""
    return (
        f"the limit of open files is {limit}, but limits.connections = {connections} and relay.concurrency = {concurrency} "
        f"may need {need}; raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd), or lower these settings"
    )
