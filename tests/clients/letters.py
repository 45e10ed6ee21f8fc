"""Letters that have tripped clients and servers, and what must be found of them in the mailbox."""

from __future__ import annotations

import base64

HEADER = "From: Alice <alice@home.test>\r\nTo: Bob <bob@home.test>\r\nSubject: {name}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{name}@client.test>\r\n"
MIME = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"


def _letter(name: str, body: bytes, more: str = "") -> bytes:
    return (HEADER.format(name=name) + more + "\r\n").encode() + body


LETTERS = {
    "plain": _letter("plain", b"Lunch at noon?\r\n"),
    "dots": _letter("dots", b".\r\n..\r\n.hidden\r\n...\r\n. \r\nlast\r\n"),
    "utf8": _letter("utf8", "Grüße aus Köln, привет, 你好\r\n".encode(), MIME),
    "long-lines": _letter("long-lines", b"".join(bytes([65 + n]) * 998 + b"\r\n" for n in range(8))),
    "large": _letter(
        "large",
        b"".join(base64.b64encode(bytes([n % 251]) * 57) + b"\r\n" for n in range(9000)),
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n",
    ),
}
"""By name; every line ends in CRLF."""

HEADERS_BEYOND_ASCII = {
    "utf8-header": _letter("utf8-header", b"Hello.\r\n", "X-Place: K\u00f6ln, \u4f60\u597d\r\n"),
    "latin1-header": _letter("latin1-header", b"Hello.\r\n", "X-Place: K?ln\r\n").replace(b"?", b"\xf6"),
}
"""The same, for SMTPUTF8 (RFC 6531): the second is not UTF-8."""
