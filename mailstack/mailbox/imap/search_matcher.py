"""Search of header fields, dates and bodies in messages (RFC 3501 §6.4.4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from mailstack.mailbox.imap.casemap import folded
from mailstack.mailbox.imap.searched_text import SearchedText
from mailstack.protocols.imap.search_keys import And, DateKey, HeaderKey, Not, Or, SearchKey, TextKey

Test = Callable[[int, int], bool | None]
"""Whether a message matches, by its position in the session and in the view; None: more of its content decides."""

COLUMNS, HEADER, BODY = 0, 1, 2
"""Costs of a key: flags and other columns, the header section, the whole message."""


class ContentTests:
    """Tests of the keys that need content, for the message at hand."""

    def __init__(self) -> None:
        self.text: SearchedText | None = None
        """Text of the message; None before it is read: then no such key is decided."""

    def compile(self, key: HeaderKey | TextKey | DateKey) -> Test:
        """Test of HEADER, FROM …, BODY, TEXT, SENTON …; dates are those of the Date field, without regard to its zone."""
        match key:
            case HeaderKey(name, text):
                return self._test(_field(name.lower(), folded(text)))
            case TextKey(text, with_header):
                return self._test(_text(folded(text), with_header=with_header))
            case _:
                return self._test(_sent(key.relation, key.day))

    def _test(self, matches: Callable[[SearchedText], bool | None]) -> Test:
        return lambda _index, _at: None if self.text is None else matches(self.text)


def cost(key: SearchKey) -> int:
    """Cost of a key. Of several that must match, the cheaper ones are tried first."""
    match key:
        case And(keys):
            found = max(map(cost, keys), default=COLUMNS)
        case Or(first, second):
            found = max(cost(first), cost(second))
        case Not(negated):
            found = cost(negated)
        case TextKey():
            found = BODY
        case HeaderKey() | DateKey("sent"):
            found = HEADER
        case _:
            found = COLUMNS
    return found


def _field(name: str, text: str) -> Callable[[SearchedText], bool]:
    if not text:
        return lambda searched: searched.has_field(name)
    return lambda searched: searched.field_contains(name, text)


def _text(text: str, *, with_header: bool) -> Callable[[SearchedText], bool | None]:
    if with_header:
        return lambda searched: searched.header_contains(text) or searched.body_contains(text, with_part_headers=True)
    return lambda searched: searched.body_contains(text)


def _sent(relation: str, day: date) -> Callable[[SearchedText], bool]:
    def matches(searched: SearchedText) -> bool:
        sent = searched.sent_day
        if sent is None:
            return False
        return sent < day if relation == "before" else sent == day if relation == "on" else sent >= day

    return matches
