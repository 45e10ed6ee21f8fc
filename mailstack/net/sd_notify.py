"""Notifies systemd of the state of this process (sd_notify)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell_ready(environ: Mapping[str, str] = os.environ) -> None:
    """Report that the server is ready; it may be reported again."""
    _tell("READY=1", environ)


def tell_stopping(environ: Mapping[str, str] = os.environ) -> None:
    """Report that the server shuts down."""
    _tell("STOPPING=1", environ)


def _tell(state: str, environ: Mapping[str, str]) -> None:
    """Send a datagram to the socket in NOTIFY_SOCKET, if that is set. Never blocks, never raises."""
    place = environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    # Names in Linux's abstract namespace begin with NUL, which an environment variable can't hold.
    address = f"\0{place[1:]}" if place[0] == "@" else place
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(state.encode("ascii"), address)
