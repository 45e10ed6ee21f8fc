"""Faulty output of an IMAP server: slow, cut, garbled, with wrong lengths."""

from __future__ import annotations

import re
from collections.abc import Callable

from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import Peer
from mailstack.protocols.imap.commands import ImapEvent
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError, ImpossibleCommand
from mailstack.sandbox.faults.rule import Fault
from mailstack.sandbox.imap.response_editor import ResponseEditor

SLICES_PER_S = 10
"""Pieces a second of a slow reply."""

_ANNOUNCED = re.compile(rb"\{([0-9]{1,20})\}\r\n")
_SIZE = re.compile(rb"(?<=[ (]RFC822\.SIZE )[0-9]+")
_VALIDITY = re.compile(rb"(?<=[\[ (]UIDVALIDITY )[0-9]+")
_UID_CODE = re.compile(rb"(?<=\[APPENDUID )[0-9]+|(?<=\[COPYUID )[0-9]+")


class FaultyOutput:
    """Octets of one session on their way to the client. States: open, cut (the rest is dropped), closed."""

    def __init__(self, peer: Peer[ImapEvent], clock: ReactorClock, edit: Callable[[bytes], bytes]) -> None:
        """`edit` changes the first line of a response."""
        self.rule: Fault | None = None
        """Rule for the reply to the current command."""
        self.is_editing = False
        """Whether the lines of the reply are changed."""
        self.is_closed = False
        self._peer = peer
        self._clock = clock
        self._edit = edit
        self._editor = ResponseEditor(self._edit_line)
        self._pending = bytearray()
        """Octets that wait, since the reply is slow."""
        self._is_garbled = False
        self._left: int | None = None
        """Octets of the first literal before the cut; None before it."""
        self._is_cut = False

    def send(self, octets: bytes, *, is_last: bool) -> None:
        """A part of a reply; `is_last` with its tagged response."""
        if self.is_editing:
            octets = self._editor.changed(octets)
        rule = self.rule
        if rule is not None and rule.garbage:
            if not self._is_garbled:
                self.write(rule.garbage.encode("latin-1", "replace"))
            self._is_garbled = not is_last
        elif rule is not None and rule.octets:
            self._send_to_cut(octets, rule.octets, is_last=is_last)
        else:
            self.write(octets)

    def write(self, octets: bytes) -> None:
        """Octets as they are, but slowly if the rule says so."""
        if self._is_cut:
            return
        if self._pending or (self.rule is not None and self.rule.speed):
            self._pending += octets
        else:
            self._peer.send(octets)

    def write_all(self) -> None:
        """Sends what waits, at once."""
        self._peer.send(bytes(self._pending))
        self._pending.clear()

    async def flush(self, timeout: float) -> bool:
        """Sends what waits at the speed of the rule; False for a client that reads nothing for `timeout` seconds."""
        speed = self.rule.speed if self.rule is not None else 0
        size = max(1, speed // SLICES_PER_S) if speed else len(self._pending)
        while self._pending:
            piece = bytes(self._pending[:size])
            del self._pending[:size]
            self._peer.send(piece)
            if not await self._peer.drain(timeout):
                self._pending.clear()
                return False
            if speed:
                await self._clock.pause(len(piece) / speed)
        if self._is_cut and not self.is_closed:
            self._close()
        return True

    def _send_to_cut(self, octets: bytes, limit: int, *, is_last: bool) -> None:
        """Sends until some octets of the first literal, or without one until the tagged response."""
        if self._left is None:
            announced = _ANNOUNCED.search(octets)
            if announced is None:
                if is_last:
                    self._cut()
                else:
                    self.write(octets)
                return
            self.write(octets[: announced.end()])
            octets, self._left = octets[announced.end() :], min(limit, int(announced[1]))
        self.write(octets[: self._left])
        self._left -= min(self._left, len(octets))
        if not self._left:
            self._cut()

    def _cut(self) -> None:
        self._is_cut = True
        if not self._pending:
            self._close()

    def _close(self) -> None:
        self.is_closed = True
        self._peer.close()

    # --- lines

    def _edit_line(self, line: bytes, *, is_start: bool) -> bytes:
        if is_start:
            line = self._edit(line)
        rule = self.rule
        if rule is not None and rule.sizes:
            factor = rule.sizes
            line = _SIZE.sub(lambda found: b"%d" % int(int(found[0]) * factor), line)
        if rule is not None and rule.literals:
            announced = _ANNOUNCED.search(line)
            if announced is not None and announced.end() == len(line):
                line = line[: announced.start()] + b"{%d}\r\n" % int(int(announced[1]) * rule.literals)
        return line

    def with_validity(self, line: bytes, folder: str, shift: Callable[[str], int], *, utf8: bool) -> bytes:
        """Line with the UIDVALIDITYs that rules have changed; `folder` is that of the command."""
        if line.startswith(b"* STATUS "):
            try:
                folder = CommandReader(line, len(b"* STATUS "), utf8=utf8).folder()
            except (ImapGrammarError, ImpossibleCommand):
                return line
        by = shift(folder)
        if not by:
            return line
        pattern = _VALIDITY if b"UIDVALIDITY " in line else _UID_CODE
        return pattern.sub(lambda found: b"%d" % (int(found[0]) + by), line)
