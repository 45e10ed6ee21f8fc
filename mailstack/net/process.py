"""Process and operating system: open files limit, systemd notification, SIGHUP."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

RESERVED_FILES = 256
"""Number of files for the database, its readers, the log, name servers, webhooks and certificates."""

_FINITE = (1_048_576, 65_536, 10_240)
"""Limits to try where the hard limit is infinite; some systems (macOS) still refuse large ones."""


def raise_limit() -> int:
    """Raises the soft limit to the hard one; returns the new soft limit. Its usual default is 1024 or less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in _FINITE if hard == resource.RLIM_INFINITY else (hard,):
        if soft == resource.RLIM_INFINITY or limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        return limit
    return soft


def hard_limit() -> int:
    """Maximum that `raise_limit` can reach; RLIM_INFINITY (-1): no limit."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def needed_files(connections: int, concurrency: int) -> int:
    """Maximum open files: a socket for each client, and a socket and a content for each outbound letter."""
    return connections + 2 * concurrency + RESERVED_FILES


def shortfall(limit: int, connections: int, concurrency: int) -> str:
    """Message that `limit` is too low for `limits.connections` and `relay.concurrency`. Empty: it is high enough."""
    need = needed_files(connections, concurrency)
    if limit == resource.RLIM_INFINITY or limit >= need:
        return ""
    return (
        f"the limit of open files is {limit}, but limits.connections = {connections} and relay.concurrency = {concurrency} "
        f"may need {need}; raise the hard limit (`ulimit -Hn`, or LimitNOFILE= in the systemd unit), or lower these settings"
    )


def notify_ready(environ: Mapping[str, str] = os.environ) -> None:
    """Report that the server is ready; it may be reported again."""
    _notify("READY=1", environ)


def notify_stopping(environ: Mapping[str, str] = os.environ) -> None:
    """Report that the server shuts down."""
    _notify("STOPPING=1", environ)


def _notify(state: str, environ: Mapping[str, str]) -> None:
    """Send a datagram to the socket in NOTIFY_SOCKET, if that is set. Never blocks, never raises."""
    place = environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    # Names in Linux's abstract namespace begin with NUL, which an environment variable can't hold.
    address = f"\0{place[1:]}" if place[0] == "@" else place
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(state.encode("ascii"), address)


_deferred = threading.Event()


def defer() -> None:
    """Defers SIGHUP until `on_sighup` installs a handler. Must be called in the main thread."""
    _deferred.clear()
    signal.signal(signal.SIGHUP, lambda _number, _frame: _deferred.set())


def on_sighup(handler: Callable[[], object]) -> Callable[[], object]:
    """Calls `handler`, in the signal handler, at each SIGHUP, and now for one that was deferred.

    The returned function restores the old handler. Outside the main thread nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: handler())
    if _deferred.is_set():
        _deferred.clear()
        handler()
    return lambda: signal.signal(signal.SIGHUP, before)
