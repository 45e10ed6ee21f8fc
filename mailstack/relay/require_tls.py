"""TLS requests of a letter: REQUIRETLS and TLS-Required (RFC 8689)."""

from __future__ import annotations

import re

from mailstack.letter import Content, Letter
from mailstack.letter.header import fields, split

REQUIRETLS = "REQUIRETLS"
_MAX_HEADER = 65_536
"""Maximum octets of a header section that are searched."""
_NO = re.compile(rb"[^:]*:[ \t\r\n]*no[ \t\r\n]*\Z", re.IGNORECASE)


class TlsRequest:
    """TLS request of one letter, in its envelope and header."""

    def __init__(self, letter: Letter) -> None:
        self._content = letter.content
        asked = REQUIRETLS in dict(letter.envelope.parameters)
        self._asked = asked
        self.requires_tls = asked and letter.envelope.sender is not None
        """Whether the letter may only go over verified TLS to hosts with REQUIRETLS. It does not apply to reports (§5)."""
        self._content_says: bool | None = None

    async def tls_required_no(self) -> bool:
        """Whether the header has `TLS-Required: No` (§4.1, §4.3) and the envelope no REQUIRETLS.

        Reads the content once; raises its errors.
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
        if len(start) >= _MAX_HEADER or b"\r\n\r\n" in start:
            break
    return start[: split(start[:_MAX_HEADER])]
