"""Tokenizer of IMAP commands: atoms, strings, literals and numbers (RFC 3501 §4, §9)."""

from __future__ import annotations

import re

from mailstack.protocols.imap.mailbox_names import parse_name
from mailstack.protocols.imap.sequence_set import SequenceSet, parse_set

MAX_NUMBER = 2**32 - 1
MAX_MODSEQ = 2**63 - 1
"""Greatest mod-sequence (RFC 7162 §7)."""

UNMATCHED = "\0"
"""Pattern and reference that match no name: names have no control characters."""

MAX_WORDS = 2500
"""Maximum keywords of one command; a search of 1,000 keys has fewer."""

MAX_FLAGS = 500
"""Maximum flags of one STORE or message."""

MAX_NESTING = 100
"""Maximum depth of nested search keys."""


class ImapGrammarError(Exception):
    """Invalid command; str() is the reason for the client, without any octet of the command."""


class ImpossibleCommand(Exception):
    """A well-formed command that can't succeed; str() is the reason for the client."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code
        """Response code without brackets."""


class LiteralMissing(ImapGrammarError):
    """The octets end where a string is announced as a literal."""


_BLANKS = re.compile(rb" ++")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]++')
# The quantifiers are possessive, so that no input backtracks.
_ASTRING = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\]++)|"((?:[^"\\\r\n\x00]++|\\["\\])*+)"')
_STRING = re.compile(rb'()"((?:[^"\\\r\n\x00]++|\\["\\])*+)"')
_PATTERN = re.compile(rb'([^\x00-\x20\x7f-\xff(){"\\]++)|"((?:[^"\\\r\n\x00]++|\\["\\])*+)"')
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}(?:\r\n|\Z)")
_NUMBER = re.compile(rb"[0-9]{1,19}+(?![0-9])")
_SET = re.compile(rb"[0-9:,*]++|\$")
_FLAG = re.compile(rb'(\\?)([^\x00-\x20\x7f-\xff(){%*"\\\]]++)')

_SYSTEM_FLAGS = {
    flag[1:].encode("ascii").upper(): flag for flag in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
}


def unescaped(quoted: bytes) -> bytes:
    """Octets of a quoted string; each backslash precedes a backslash or a quotation mark."""
    return b"\\".join([part.replace(b'\\"', b'"') for part in quoted.split(b"\\\\")])


class CommandReader:
    """Octets of one command with its literals, consumed from the front. Methods raise ImapGrammarError."""

    __slots__ = ("_words", "at", "octets", "utf8")

    def __init__(self, octets: bytes, at: int = 0, *, utf8: bool = False) -> None:
        """`utf8` is whether UTF8=ACCEPT or IMAP4rev2 is enabled (RFC 6855 §3)."""
        self.octets = octets
        self.at = at
        """Offset of the next octet."""
        self.utf8 = utf8
        self._words = 0

    # --- marks

    def space(self) -> None:
        """Consume the blank before an argument; some clients send several."""
        if not self.skip_space():
            raise ImapGrammarError("an argument is missing")

    def skip_space(self) -> bool:
        """Consume blanks if they are next; whether they were."""
        blanks = _BLANKS.match(self.octets, self.at)
        if blanks is None:
            return False
        self.at = blanks.end()
        return self.at < len(self.octets)

    def skip(self, mark: bytes) -> bool:
        """Consume `mark` if it is next; whether it was."""
        if self.octets.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def expect(self, mark: bytes) -> None:
        if not self.skip(mark):
            raise ImapGrammarError(f'"{mark.decode("ascii")}" is expected')

    def is_next(self, mark: bytes) -> bool:
        return self.octets.startswith(mark, self.at)

    def end(self) -> None:
        """The end of the command; trailing blanks are harmless."""
        if self.at != len(self.octets) and self.octets[self.at :].strip(b" "):
            raise ImapGrammarError("too many arguments, or a misplaced character")

    # --- words

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Consume the match of a pattern."""
        found = pattern.match(self.octets, self.at)
        if found is None:
            raise ImapGrammarError(f"{what} is expected")
        self.at = found.end()
        return found

    def atom(self, what: str = "an atom") -> str:
        return self.match(_ATOM, what)[0].decode("ascii")

    def word(self, what: str = "a keyword") -> str:
        """Atom in upper case: keywords have any case."""
        self._words += 1
        if self._words > MAX_WORDS:
            raise ImapGrammarError("the command has too many keywords")
        return self.match(_ATOM, what)[0].upper().decode("ascii")

    def number(self, what: str = "a number", *, least: int = 0, most: int = MAX_NUMBER) -> int:
        value = int(self.match(_NUMBER, what)[0])
        if not least <= value <= most:
            raise ImapGrammarError(f"{what} is out of range")
        return value

    def numbers(self) -> SequenceSet:
        """Sequence set of message numbers or UIDs."""
        try:
            return parse_set(self.match(_SET, "a sequence set")[0])
        except ValueError:
            raise ImapGrammarError("the sequence set is invalid") from None

    def flag(self) -> str:
        """System flag in its usual case, or keyword; the flag Recent can't be set (RFC 3501 §2.3.2)."""
        found = self.match(_FLAG, "a flag")
        if not found[1]:
            return found[2].decode("ascii")
        flag = _SYSTEM_FLAGS.get(found[2].upper())
        if flag is None:
            raise ImapGrammarError("the system flag is unknown")
        return flag

    def flags(self) -> tuple[str, ...]:
        """Flags in parentheses, which may be none."""
        self.expect(b"(")
        flags: list[str] = []
        while not self.skip(b")"):
            if flags:
                self.space()
            flags.append(self.flag())
            if len(flags) > MAX_FLAGS:
                raise ImapGrammarError("there are too many flags")
        return tuple(flags)

    # --- strings

    def astring(self, what: str = "a string") -> bytes:
        """Atom, quoted string or literal."""
        return self._string(_ASTRING, what)

    def string(self, what: str = "a string") -> bytes:
        """Quoted string or literal."""
        return self._string(_STRING, what)

    def pattern(self) -> str:
        """Pattern of LIST, which may have `%` and `*` (RFC 3501 §9, list-mailbox)."""
        return self._pattern(self._string(_PATTERN, "a pattern"))

    def text(self, what: str = "a string") -> str:
        """Astring in UTF-8."""
        try:
            return self.astring(what).decode()
        except UnicodeDecodeError:
            raise ImapGrammarError(f"{what} is not UTF-8") from None

    def folder(self, *, is_new: bool = False) -> str:
        """Decoded folder name. Raises ImpossibleCommand."""
        octets = self.astring("a mailbox name")
        try:
            return parse_name(octets, utf8=self.utf8, is_new=is_new)
        except ValueError as error:
            raise ImpossibleCommand(str(error), "CANNOT") from None

    def reference(self) -> str:
        """Reference of LIST and LSUB, which may be empty."""
        return self._pattern(self.astring("a reference name"))

    def _pattern(self, octets: bytes) -> str:
        """Decoded pattern; UNMATCHED for octets that no name has."""
        try:
            return parse_name(octets, utf8=self.utf8, is_pattern=True)
        except ValueError:
            return UNMATCHED

    def _string(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.match(self.octets, self.at)
        if found is None:
            return self._literal(what)
        self.at = found.end()
        if found[1]:
            return found[1]
        quoted = found[2]
        return unescaped(quoted) if b"\\" in quoted else quoted

    def _literal(self, what: str) -> bytes:
        announced = self.match(_LITERAL, what)
        start, size = announced.end(), int(announced[1])
        if start == len(self.octets) and not announced[0].endswith(b"\n"):
            raise LiteralMissing
        octets = self.octets[start : start + size]
        if len(octets) < size or b"\0" in octets:
            raise ImapGrammarError("a literal has a NUL character, or is incomplete")
        self.at = start + size
        return octets
