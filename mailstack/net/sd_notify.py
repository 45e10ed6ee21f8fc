"""Tells who has started this process, as systemd, that it serves or ends (sd_notify)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell_ready(environ: Mapping[str, str] = os.environ) -> None:
    """Whoever comes is served. To say it again does no harm."""
    _tell("READY=1", environ)


def tell_stopping(environ: Mapping[str, str] = os.environ) -> None:
    """Nobody who comes is served any more."""
    _tell("STOPPING=1", environ)


def _tell(state: str, environ: Mapping[str, str]) -> None:
    """By a datagram to the socket that NOTIFY_SOCKET names; without it nobody wants to know. Never waits, never fails."""
    place = environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    # A name in the abstract namespace of Linux begins with NUL, which no environment can hold.
    address = f"\0{place[1:]}" if place[0] == "@" else place
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(state.encode("ascii"), address)
