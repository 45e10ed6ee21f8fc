"""Literals inside commands: partial commands, and discarded literals (RFC 3501 §4.3, RFC 7888)."""

from __future__ import annotations

from mailstack.protocols.imap.append_grammar import LITERAL_AT_END
from mailstack.protocols.imap.command_table import Grammar
from mailstack.protocols.line_buffer import BareLF, LineBuffer


class PartialCommand:
    """Command with a literal, until it is complete."""

    __slots__ = ("grammar", "has_message", "line_octets", "literal_octets", "literals", "octets", "start")

    def __init__(self, grammar: Grammar, start: int, *, has_message: bool) -> None:
        self.grammar = grammar
        self.start = start
        """Offset of the arguments."""
        self.has_message = has_message
        """Whether its last literal is a message: APPEND and REPLACE."""
        self.octets = bytearray()
        self.line_octets = 0
        self.literal_octets = 0
        self.literals = 0


class RefusedLiterals:
    """Discards the rest of a refused command: its literals and the lines between them (RFC 7888 §4)."""

    def __init__(self, limit: int) -> None:
        """`limit` is for the octets of the literals of one command together."""
        self._limit = limit
        self._octets = 0
        self._left = 0
        self.is_active = False

    @property
    def is_beyond_limit(self) -> bool:
        """Whether the announced literals are too long, so that the input can't be understood any more."""
        return self._octets > self._limit

    def start(self, size: int) -> None:
        """Discard a literal with `size` octets to come, then the rest of its command."""
        if not self.is_active:
            self.is_active, self._octets = True, 0
        self._left = size
        self._octets += size

    def discard(self, lines: LineBuffer, line_limit: int) -> bool:
        """Consume what has arrived; False if more is needed. `is_active` ends with the command. Raises LineTooLong."""
        self._left -= len(lines.read(self._left))
        if self._left:
            return False
        try:
            line = lines.line(line_limit)
        except BareLF as error:
            line = error.line
        if line is None:
            return False
        literal = LITERAL_AT_END.search(line)
        if literal is not None and literal[3]:
            self.start(int(literal[2]))
        else:
            # A client that waits for the next literal has the tagged response instead.
            self.is_active = False
        return True
