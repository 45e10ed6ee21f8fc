"""Response editor: changes single lines of an IMAP server, never its literals."""

from __future__ import annotations

import re
from typing import Protocol

_LITERAL = re.compile(rb"~?\{([0-9]{1,20})\}\r\n\Z")


class LineEdit(Protocol):
    """Function that changes one line of the server."""

    def __call__(self, line: bytes, /, *, is_start: bool) -> bytes:
        """The line as the client gets it, with its CRLF; empty to drop it.

        `is_start`: whether a response starts here. Otherwise the line follows a literal. A line that ends in the
        announcement of a literal must not be dropped.
        """


class ResponseEditor:
    """Octets of a server, which come in any pieces. An incomplete line waits for its end."""

    def __init__(self, edit: LineEdit) -> None:
        self._edit = edit
        self._line = b""
        self._left = 0
        """Octets of the literal that are still to come."""
        self._is_start = True

    def changed(self, octets: bytes) -> bytes:
        """The next octets as the client gets them."""
        octets = self._line + octets
        self._line = b""
        edited: list[bytes] = []
        at = 0
        while at < len(octets):
            if self._left:
                piece = octets[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                edited.append(piece)
                continue
            end = octets.find(b"\r\n", at) + 2
            if end < 2:
                self._line = octets[at:]
                break
            edited.append(self._whole_line(octets[at:end]))
            at = end
        return b"".join(edited)

    def _whole_line(self, line: bytes) -> bytes:
        literal = _LITERAL.search(line)
        edited = self._edit(line, is_start=self._is_start)
        self._left = int(literal[1]) if literal is not None else 0
        self._is_start = literal is None
        return edited
