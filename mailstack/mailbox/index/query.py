"""Query language of searches, as in Mailpit.

All words and "phrases" must match; filters such as from:, is:, before: narrow the search. A minus or an exclamation mark
negates a term. Unlike in Mailpit, `to:a@b` matches only that address; `to:@b` matches a domain, other text a part of name
or address.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from msgspec import Struct

from mailstack.letter.delivery import DeliveryState

MAX_QUERY = 4096
"""Maximum characters of a query."""
MAX_TERMS = 50

PEOPLE = ("from", "to", "cc", "bcc", "reply-to", "addressed")
_NAMES = (*PEOPLE, "subject", "message-id", "tag", "in", "is", "has", "larger", "smaller", "after", "before")

_TERM = re.compile(r'[-!]?(?:[a-z][a-z-]*:)?(?:"(?:[^"])*"?|[^\s"]+)', re.IGNORECASE)
_FILTER = re.compile(r"([a-z][a-z-]*):(.*)", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,6}))?\s*([kmg]?)i?b?", re.IGNORECASE)
_MAX_SIZE = 2**62
"""Maximum size in a query, in octets: the limit of the database."""
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_FLAGS = {
    ("is", "read"): "read",
    ("is", "unread"): "unread",
    ("is", "flagged"): "flagged",
    ("is", "tagged"): "tagged",
    ("has", "attachment"): "attachment",
    ("has", "attachments"): "attachment",
    ("has", "inline"): "inline",
    ("has", "inlines"): "inline",
}
_STATES = {str(state): state for state in DeliveryState if state is not DeliveryState.REMOVED}
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_SPANS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class BadQuery(ValueError):
    """A query is invalid; str() is the reason, for people."""


class Words(Struct, frozen=True):
    """Text anywhere in the letter, in any case."""

    text: str


class Named(Struct, frozen=True):
    """Correspondent in a field: a whole address, a domain ("@b"), or a part of name or address."""

    field: str
    text: str

    @property
    def is_address(self) -> bool:
        return "@" in self.text[1:-1]

    @property
    def is_domain(self) -> bool:
        return self.text.startswith("@") and "." in self.text


class Within(Struct, frozen=True):
    """Text in the subject, or in the Message-ID."""

    field: Literal["subject", "message-id"]
    text: str


class Tagged(Struct, frozen=True):
    tag: str


class Flag(Struct, frozen=True):
    name: str
    """ "read", "unread", "flagged", "unflagged", "tagged", "attachment", "inline"."""


class Sized(Struct, frozen=True):
    is_larger: bool
    octets: int


class Arrived(Struct, frozen=True):
    is_after: bool
    at: float
    """Seconds since 1970."""


class InState(Struct, frozen=True):
    """Delivery state of at least one recipient."""

    state: DeliveryState


class InFolder(Struct, frozen=True):
    """IMAP folder by name or special use, in any account that the reader sees."""

    name: str


class LettersInState(Struct, frozen=True):
    """Ids of the letters with an `InState` or `InFolder`, as the store has them now; see `states.resolve`."""

    ids: str
    """JSON list of the letters, or of their copies."""
    account: str | None = None
    """Account that searches; None: an administrator."""
    own_ids: str = "[]"
    """JSON list of the letters in which the recipient is the account."""


class Term(Struct, frozen=True):
    """One condition."""

    what: Words | Named | Within | Tagged | Flag | Sized | Arrived | InState | InFolder | LettersInState
    negated: bool = False


def parse(text: str, now: float = 0.0, zone: tzinfo = UTC) -> tuple[Term, ...]:
    """Parses a query into terms, all of which must match. Dates are in `zone`; "2h" means two hours before `now`.

    Raises BadQuery for an unknown filter, for an invalid value, and for a query that is too long.
    """
    if len(text) > MAX_QUERY:
        raise BadQuery(f"the query has more than {MAX_QUERY} characters")
    if "\0" in text:
        # The full-text index of SQLite ends a text at NUL.
        raise BadQuery("the query contains a NUL character")
    found = [term for each in _TERM.findall(text) if (term := _term(each, now, zone)) is not None]
    if len(found) > MAX_TERMS:
        raise BadQuery(f"the query has more than {MAX_TERMS} terms")
    return tuple(found)


def _term(text: str, now: float, zone: tzinfo) -> Term | None:
    negated = text[:1] in "-!" and len(text) > 1
    body = text[1:] if negated else text
    filtered = _FILTER.fullmatch(body)
    what = None if filtered is None else _filter(filtered[1].lower(), _bare(filtered[2]), now, zone)
    if what is not None:
        return Term(what, negated)
    if filtered is not None and _is_unknown(filtered[1].lower(), filtered[2]):
        filters = ", ".join(f"{name}:" for name in _NAMES)
        raise BadQuery(
            f'unknown filter {filtered[1][:40]}:; the filters are {filters}. Write text in quotes: "{_bare(body)[:40]}"'
        )
    words = _bare(body).casefold()
    return Term(Words(words), negated) if words else None


def _is_unknown(name: str, value: str) -> bool:
    """Whether a term looks like a filter and is none; `http://…` is text."""
    return name not in _NAMES and bool(_bare(value)) and not value.startswith("//")


def _bare(text: str) -> str:
    return " ".join(text.replace('"', " ").split())


def _filter(  # noqa: PLR0911 - one for each kind
    name: str, value: str, now: float, zone: tzinfo
) -> Named | Within | Tagged | Flag | Sized | Arrived | InState | InFolder | None:
    """The filter of a name and a value; None for a word."""
    folded = value.casefold()
    if not value:
        return None
    if name in PEOPLE:
        return Named(name, folded)
    if name == "subject":
        return Within("subject", folded)
    if name == "message-id":
        return Within("message-id", folded.strip("<>"))
    if name == "tag":
        return Tagged(folded)
    if name == "in":
        return InFolder(value)
    if name in ("is", "has"):
        return _flag(name, folded)
    if name in ("larger", "smaller"):
        return Sized(name == "larger", _size(value))
    if name in ("after", "before"):
        return Arrived(name == "after", _time(value, now, zone))
    return None


def _flag(name: str, value: str) -> Flag | InState:
    if name == "is" and value in _STATES:
        return InState(_STATES[value])
    if (flag := _FLAGS.get((name, value))) is not None:
        return Flag(flag)
    words = [*(f"{kind}:{word}" for kind, word in _FLAGS), *(f"is:{state}" for state in _STATES)]
    raise BadQuery(f"unknown filter {name}:{value[:40]}; use one of {', '.join(words)}")


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise BadQuery(f"invalid size {text!r}; write 1500, 100K or 2.5M")
    return min(int(float(f"{found[1]}.{found[2] or 0}") * _UNITS[found[3].lower()]), _MAX_SIZE)


def _time(text: str, now: float, zone: tzinfo) -> float:
    """Parses a date, a time or an age: "2026-11-24", "2026/11/24", "2026-11-24T10:00:00Z", "2h"."""
    if ago := _AGO.fullmatch(text.lower()):
        return now - int(ago[1]) * _SPANS[ago[2]]
    try:
        at = datetime.fromisoformat(text.replace("/", "-"))
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        return (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise BadQuery(
            f"invalid date {text!r}; write 2026-11-24, 2026-11-24T10:00:00Z, or 2h for two hours ago"
        ) from None
