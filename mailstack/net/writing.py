"""Writes at once when nothing waits to be written: half of the system calls that a short reply costs otherwise.

Twisted's transports buffer what is written until the reactor says that the socket is ready, which takes two epoll_ctl
and a turn of the loop for each reply. It is measured in tests/benchmarks/; `IMMEDIATE = False` gives Twisted's own way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection

IMMEDIATE = True


def write(transport: Any, octets: bytes) -> None:
    """As `transport.write`, in order with what was written before."""
    if (
        IMMEDIATE
        and isinstance(transport, Connection)
        and transport.connected
        and not transport.TLS
        and not transport.disconnecting
        and not transport._tempDataBuffer  # noqa: SLF001 - what waits is kept there and in dataBuffer
        and transport.offset == len(transport.dataBuffer)
    ):
        written = transport.writeSomeData(octets)
        # An exception means that the connection is lost; Twisted's own write finds that out and tells the protocol.
        if not isinstance(written, BaseException):
            if written == len(octets):
                return
            octets = octets[written:]
    transport.write(octets)
