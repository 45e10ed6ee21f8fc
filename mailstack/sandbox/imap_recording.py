"""IMAP lines and literals of a transcript, without passwords."""

from __future__ import annotations

import re
import sys

from msgspec import Struct

from mailstack.protocols.imap.command_table import COMMANDS

LEFT_OUT = "(…)"
"""Placeholder for credentials and challenges. SCRAM nonces would also make transcripts differ between runs."""

_KNOWN = frozenset(name.decode("ascii") for name in COMMANDS)
_COMMAND = re.compile(r"([^ ]+) ([A-Za-z]+)(?= |\Z)")
_USER = re.compile(r'([^ ]+ [A-Za-z]+ (?:[^ "{]+|"(?:[^"\\]|\\.)*") )')
"""LOGIN with a user name that is no literal, up to the password."""
_MECHANISM = re.compile(r"([^ ]+ [A-Za-z]+ [A-Za-z0-9_-]{1,20})( |\Z)")
_LITERAL = re.compile(r"~?\{([0-9]{1,20})(\+?)\}\Z")
_MAX_TAG = 64
"""Maximum characters of a tag that the server accepts."""
_MAX_TAGS = 200
"""Maximum tags of shown commands that are stored: more of them than are in a pipeline."""
_STATUSES = frozenset({"OK", "NO", "BAD", "BYE", "PREAUTH"})


class _Literal(Struct):
    """Literal that is being sent."""

    left: int
    """Octets to come."""
    note: str
    """Text in place of the literal."""
    size: int = 0
    """Octets so far."""
    is_withdrawable: bool = False
    """Whether the client must wait for a continuation request, and has none yet (RFC 3501 §4.3)."""


class ImapScreen:
    """Parser of both sides of an IMAP session: the text that a transcript may show, and literals.

    It reads as the server does. A line of the client that is no command, and before login no known command, is hidden:
    it may belong to a login that the server has refused meanwhile.
    """

    def __init__(self) -> None:
        self._literals: dict[str, _Literal] = {}
        self._open: set[str] = set()
        """Sides with a next line that continues the last one after a literal."""
        self._tag = ""
        self._shown_tags: dict[str, None] = {}
        """Newest tags of shown commands. The server repeats the first word of any line, of a password too."""
        self._name = ""
        self._login_tag = ""
        self._is_secret = False
        """Whether the client's last command has a password."""
        self._is_authenticating = False
        self._is_logged_in = False
        self._is_refused = False
        """Whether the open command of the client has its tagged response; the rest of it is discarded."""

    def is_in_literal(self, side: str) -> bool:
        return side in self._literals

    def pending(self, side: str) -> int:
        """Octets so far of an incomplete literal."""
        literal = self._literals.get(side)
        return literal.size if literal else 0

    def skip(self, side: str, octets: bytes) -> tuple[bytes, str | None]:
        """Octets after the literal, and the note in its place when it is complete."""
        literal = self._literals[side]
        count = min(literal.left, len(octets))
        literal.left -= count
        literal.size += count
        if literal.left:
            return b"", None
        del self._literals[side]
        return octets[count:], literal.note

    def shown(self, side: str, line: str) -> list[str]:
        """Texts in place of a line: the line without secrets, or nothing; and the note on an empty literal."""
        text = self._client_line(line) if side == "C" else self._server_line(line)
        announced = self._announced(side, line)
        self._open.discard(side)
        texts = [text] if text else []
        if announced is None:
            return texts
        self._open.add(side)
        size, plus = int(announced[1]), announced[2]
        note = LEFT_OUT if side == "C" and self._is_secret else f"(literal of {size} octets)"
        if size:
            self._literals[side] = _Literal(size, note, is_withdrawable=side == "C" and not plus)
        else:
            texts.append(note)
        return texts

    def _announced(self, side: str, line: str) -> re.Match[str] | None:
        """Announcement of a literal, unless the line is a status response, or the rest of a refused command."""
        announced = _LITERAL.search(line)
        if announced is None:
            return None
        if side == "C":
            return None if self._is_refused and not announced[2] else announced
        words = line.split(" ", 2)
        is_data = words[0] == "*" and words[1].upper() not in _STATUSES if len(words) > 1 else False
        return announced if is_data or side in self._open else None

    # --- the client

    def _client_line(self, line: str) -> str:
        if "C" in self._open:
            return LEFT_OUT if line and self._is_secret else line
        self._is_refused = False
        command = _COMMAND.match(line)
        name = command[2].upper() if command else ""
        if command:
            self._tag, self._name = command[1], name
        if self._is_authenticating:
            self._is_secret = True
            return LEFT_OUT
        self._is_secret = name in {"LOGIN", "AUTHENTICATE"}
        if self._is_secret:
            self._login_tag = self._tag
            self._is_authenticating = name == "AUTHENTICATE"
            self._note_tag()
            return self._login(line, name)
        if line.upper() == "DONE":
            return line
        if name in _KNOWN or (name and self._is_logged_in):
            self._note_tag()
            return line
        self._is_secret = True
        return LEFT_OUT

    def _note_tag(self) -> None:
        """Notes the tag of a shown command."""
        if len(self._tag) <= _MAX_TAG:
            self._shown_tags.pop(self._tag, None)
            self._shown_tags[self._tag] = None
        if len(self._shown_tags) > _MAX_TAGS:
            del self._shown_tags[next(iter(self._shown_tags))]

    def _login(self, line: str, name: str) -> str:
        """LOGIN with the user name, or AUTHENTICATE with the mechanism, without the rest."""
        if name == "LOGIN":
            user = _USER.match(line)
            return f"{user[1] if user else f'{self._tag} {name} '}{LEFT_OUT}"
        mechanism = _MECHANISM.match(line)
        if mechanism and not mechanism[2]:
            return line
        return f"{mechanism[1] if mechanism else f'{self._tag} {name}'} {LEFT_OUT}"

    # --- the server

    def _server_line(self, line: str) -> str:
        if "S" in self._open:
            return line
        first, _, rest = line.partition(" ")
        status = rest.partition(" ")[0].upper()
        if first == "+":
            if (literal := self._literals.get("C")) is not None:
                literal.is_withdrawable = False
            return f"+ {LEFT_OUT}" if self._is_authenticating else line
        is_untagged = first == "*"
        if is_untagged and status == "PREAUTH":
            self._is_logged_in = True
        if status not in {"OK", "NO", "BAD"} or (is_untagged and status != "BAD"):
            return line if is_untagged else self._discreet(first, line)
        if is_untagged or first == self._login_tag:
            self._is_authenticating = False
            self._is_logged_in |= status == "OK"
        if is_untagged or first == self._tag:
            self._complete(status)
        return line if is_untagged else self._discreet(first, line)

    def _discreet(self, tag: str, line: str) -> str:
        """Line of the server without a tag that is none of a shown command."""
        return line if tag in self._shown_tags else LEFT_OUT + line[len(tag) :]

    def _complete(self, status: str) -> None:
        """Ends the client's last command, with its tagged response."""
        literal = self._literals.get("C")
        if literal is not None and literal.is_withdrawable:
            del self._literals["C"]
            self._open.discard("C")
        self._is_refused = "C" in self._open
        if self._name == "COMPRESS" and status == "OK":
            # Both sides are compressed up to the end (RFC 4978 §3).
            self._literals = {side: _Literal(sys.maxsize, LEFT_OUT) for side in "CS"}
