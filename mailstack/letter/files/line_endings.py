"""Line endings of files and of mail: LF and CRLF (RFC 5321 §2.3.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def with_crlf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same lines, each ended by CRLF, the last one too; a CR or LF that is alone ends a line as well."""
    held, last = b"", b"\r\n"
    for piece in pieces:
        octets = held + piece
        held = b"\r" if octets.endswith(b"\r") else b""
        octets = octets[: len(octets) - len(held)]
        if octets:
            last = _plain(octets).replace(b"\n", b"\r\n")
            yield last
    if held or not last.endswith(b"\r\n"):
        yield b"\r\n"


def with_lf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The other way: as files of this system have them."""
    for piece in with_crlf(pieces):
        yield piece.replace(b"\r\n", b"\n")


def _plain(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
