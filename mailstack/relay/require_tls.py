"""What a letter itself asks of the ways that it goes (RFC 8689)."""

from __future__ import annotations

import re

from mailstack.letter import Content, Letter
from mailstack.letter.header import fields, split

REQUIRETLS = "REQUIRETLS"
_MOST_HEADER = 65_536
"""Octets of a header section that are looked through."""
_NO = re.compile(rb"[^:]*:[ \t\r\n]*no[ \t\r\n]*\Z", re.IGNORECASE)


class TlsRequest:
    """The wishes of one letter."""

    def __init__(self, letter: Letter) -> None:
        self._content = letter.content
        asked = REQUIRETLS in dict(letter.envelope.parameters)
        self._asked = asked
        self.requires_tls = asked and letter.envelope.sender is not None
        """It goes over verified TLS to hosts that will do the same, or back. A report is rather sent than lost (§5)."""
        self._content_says: bool | None = None

    async def reaches_rather_than_hides(self) -> bool:
        """Whether its header says `TLS-Required: No` (§4.1, §4.3), which REQUIRETLS makes void. Reads the content once.

        Raises what the content raises.
        """
        if self._asked:
            return False
        if self._content_says is None:
            self._content_says = _says_no(await _header_of(self._content))
        return self._content_says


def _says_no(section: bytes) -> bool:
    return any(name == b"tls-required" and _NO.match(field) for name, field in fields(section))


async def _header_of(content: Content) -> bytes:
    start = b""
    async for chunk in content.chunks():
        start += chunk
        if len(start) >= _MOST_HEADER or b"\r\n\r\n" in start:
            break
    return start[: split(start[:_MOST_HEADER])]
