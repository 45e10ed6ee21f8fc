"""Writes at once when nothing waits to be written: half of the system calls that a short reply costs otherwise.

Twisted's transports buffer what is written until the reactor says that the socket is ready, which takes two epoll_ctl
and a turn of the loop for each reply; under TLS one turn more, for it collects small writes. It is measured in
tests/benchmarks/; `IMMEDIATE = False` gives Twisted's own way.
"""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error
from twisted.internet.tcp import Connection
from twisted.protocols.tls import BufferingTLSTransport

IMMEDIATE = True

RECORD = 16384
"""Octets that one record of TLS holds (RFC 8446 §5.1)."""


def write(transport: Any, octets: bytes) -> None:
    """As `transport.write`, in order with what was written before."""
    if IMMEDIATE:
        if isinstance(transport, Connection):
            if not transport.TLS:
                octets = send_now(transport, octets)
            elif isinstance(transport.protocol, BufferingTLSTransport):
                octets = _seal(transport.protocol, transport, octets)
        elif isinstance(transport, BufferingTLSTransport) and isinstance(transport.transport, Connection):
            octets = _seal(transport, transport.transport, octets)
    if octets:
        transport.write(octets)


def send_now(connection: Connection, octets: bytes) -> bytes:
    """What can't be sent now, which is all of it when something else waits."""
    if not IMMEDIATE or not _is_free(connection):
        return octets
    try:
        return octets[connection.socket.send(octets) :]
    except OSError:
        return octets  # the socket is full, or lost: Twisted's own write finds that out and tells the protocol


def _seal(tls: Any, connection: Connection, octets: bytes) -> bytes:
    """The same under TLS, for what fits into a record; what was encrypted waits, if need be, behind the others' octets."""
    if (
        len(octets) > RECORD
        or tls.disconnecting
        or not tls._handshakeDone  # noqa: SLF001 - Twisted shows none of these otherwise
        or tls._appSendBuffer  # noqa: SLF001
        or getattr(tls._aggregator, "_buffer", True)  # noqa: SLF001 - what is collected; none when the connection is lost
        or tls._lostTLSConnection  # noqa: SLF001
        or not _is_free(connection)
    ):
        return octets
    try:
        tls._tlsConnection.send(octets)  # noqa: SLF001 - into memory, and so all of it
        sealed = tls._tlsConnection.bio_read(2 * RECORD)  # noqa: SLF001
    except Error:
        return octets
    rest = send_now(connection, sealed)
    if rest:
        tls.transport.write(rest)
    return b""


def _is_free(connection: Connection) -> bool:
    """Whether nothing waits to be sent."""
    return bool(
        connection.connected
        and not connection.disconnecting
        and not connection._tempDataBuffer  # noqa: SLF001 - what waits is kept there and in dataBuffer
        and connection.offset == len(connection.dataBuffer)
    )
