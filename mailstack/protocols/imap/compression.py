"""Compression of IMAP connections by DEFLATE (RFC 4978)."""

from __future__ import annotations

import zlib

from mailstack.protocols.connection import EventT, Peer, PeerWrapper

_WINDOW_BITS, _MEMORY_LEVEL, _LEVEL = 13, 6, 3
"""Parameters of output: 64 KB for each connection; more would save little of short lines."""
_INPUT_WINDOW_BITS = 15
"""Largest window, which a client may use."""

MAX_PENDING = 1_048_576
"""Maximum octets of inflated input without an event: a bomb has more."""


class InvalidCompression(Exception):
    """Input that is not DEFLATE, or expands too much."""


class InflatedInput:
    """Compressed input, inflated in pieces when they are needed."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-_INPUT_WINDOW_BITS)
        self._octets = bytearray()

    def __len__(self) -> int:
        return len(self._octets)

    def receive(self, octets: bytes) -> None:
        self._octets += octets

    def read(self, max_octets: int) -> bytes:
        """The next inflated octets; empty if more input is needed. Raises InvalidCompression."""
        if not self._octets:
            return b""
        try:
            inflated = self._inflater.decompress(self._octets, max_octets)
        except zlib.error:
            raise InvalidCompression("the compressed input is invalid") from None
        if self._inflater.eof:
            raise InvalidCompression("the compressed input has ended")
        self._octets = bytearray(self._inflater.unconsumed_tail)
        return inflated


class DeflatingPeer(PeerWrapper[EventT]):
    """Peer that compresses its output; each piece can be inflated as soon as it arrives (RFC 4978 §4)."""

    def __init__(self, peer: Peer[EventT]) -> None:
        super().__init__(peer)
        self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)

    def send(self, octets: bytes) -> None:
        if octets:
            self._peer.send(self._deflater.compress(octets) + self._deflater.flush(zlib.Z_SYNC_FLUSH))
