"""SQL filter of letters; values are always parameters."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from msgspec import Struct

from mailstack.letter.address import key_of
from mailstack.mailbox.index.database import COLUMNS, HEAD
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import Arrived, Flag, Named, Sized, Tagged, Term, Within, Words

Condition = tuple[str, tuple[object, ...]]

TRIGRAM = 3
"""Characters from which a text is found by the index; a shorter one is looked for in each letter, and if it is ASCII,
which in a long text means nothing, only in its subject and people."""

_COLUMN_OF = {"from": "author", "to": "recipients", "cc": "copied", "bcc": "hidden", "reply-to": "reply"}
_FLAGS = {
    "read": "l.unread = 0",
    "unread": "l.unread = 1",
    "tagged": "EXISTS (SELECT 1 FROM tags WHERE tags.number = l.number)",
    "attachment": "l.attachments > 0",
    "inline": "l.inline > 0",
}
_HELD = "l.number IN (SELECT number FROM holders WHERE mailbox = ? AND hidden IS NULL"
_ADDRESSED = "l.number IN (SELECT number FROM addresses WHERE field IN ({marks}) AND address = ?)"


class SqlSelection(Struct, frozen=True):
    """A choice of letters, as parts of a statement."""

    source: str
    """Tables of the FROM clause; `l` is the letter."""
    condition: str
    values: tuple[object, ...]
    order: str
    """The column of the number by which the source is read, so that the first few are had without reading all."""

    @property
    def numbers(self) -> str:
        """A statement that gives the numbers."""
        return f"SELECT l.number FROM {self.source} WHERE {self.condition}"


def selection(which: ItemFilter, *, trigrams: bool) -> SqlSelection:
    """What is deleted is never chosen."""
    found: list[Condition] = [("l.deleted IS NULL", ())]
    sees = _Sight(which.seen_by)
    wanted = [term for term in which.terms if trigrams and not term.negated and _match(term, sees) is not None]
    matches = [match for term in wanted if (match := _match(term, sees)) is not None]
    source, order = "letters AS l", "l.number"
    if matches:
        # The index is asked once, and gives its letters in order.
        table = _table([column for term in wanted for column in _sought(term, sees)[0]])
        source, order = f"{table} AS s CROSS JOIN letters AS l", "s.rowid"
        found.append((f"s.{table} MATCH ? AND l.number = s.rowid", (" AND ".join(matches),)))
    found += _picked(which)
    if which.mailbox is not None:
        found.append((f"{_HELD} AND is_sender = 0)", (which.mailbox,)))
    if which.seen_by is not None:
        found.append((f"{_HELD})", (which.seen_by,)))
    if which.addressed is not None:
        found.append(_by_address(sees.fields(("recipient", "to", "cc"), which.addressed), which.addressed))
    if which.written_by is not None:
        found.append(_by_address(("sender", "from"), which.written_by))
    if which.after is not None:
        found.append((f"{order} > ?", (which.after,)))
    if which.before is not None:
        found.append((f"{order} < ?", (which.before,)))
    found += [_term(term, sees, trigrams=trigrams) for term in which.terms if term not in wanted]
    values = tuple(value for _, some in found for value in some)
    return SqlSelection(source, " AND ".join(text for text, _ in found), values, order)


def _picked(which: ItemFilter) -> list[Condition]:
    """By id and by number."""
    found: list[Condition] = []
    if which.ids is not None:
        ids = json.dumps(which.ids)
        by_copy = "SELECT number FROM copies WHERE id IN (SELECT value FROM json_each(?))"
        found.append((f"(l.id IN (SELECT value FROM json_each(?)) OR l.number IN ({by_copy}))", (ids, ids)))
    if which.without:
        found.append(("l.id NOT IN (SELECT value FROM json_each(?))", (json.dumps(which.without),)))
    if which.numbers is not None:
        found.append(("l.number IN (SELECT value FROM json_each(?))", (json.dumps(which.numbers),)))
    return found


class _Sight(Struct, frozen=True):
    """Columns and fields that an account may search: of blind copies only its own address (RFC 5322 §3.6.3)."""

    account: str | None
    """None: an administrator."""

    def columns(self, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(each for each in columns if self.account is None or each != "hidden")

    def fields(self, fields: Sequence[str], address: str) -> tuple[str, ...]:
        """Those by which an address, or a domain, may be found."""
        knows = self.account in {None, address}
        return tuple(each for each in fields if knows or each not in {"bcc", "recipient"})


def _match(term: Term, sees: _Sight) -> str | None:
    """What the index of trigrams is asked for the text of a term; None when it can't find that."""
    columns, text = _sought(term, sees)
    if len(text) < TRIGRAM or not columns:
        return None
    quoted = '"' + text.replace('"', '""') + '"'
    return quoted if columns == COLUMNS else f"({{{' '.join(columns)}}} : {quoted})"


def _table(columns: Collection[str]) -> str:
    """The smaller index, where the text of letters is not looked for."""
    return "headed" if set(columns) <= set(HEAD) else "searched"


def _sought(term: Term, sees: _Sight) -> tuple[tuple[str, ...], str]:
    """The text of a term, and in which columns it may be; "" for a term that asks something else."""
    match term.what:
        case Words(text):
            return sees.columns(COLUMNS), text
        case Within(field, text):
            return ("subject" if field == "subject" else "message",), text
        case Named() as named if not named.is_address and not named.is_domain:
            return sees.columns([_COLUMN_OF[field] for field in _fields(named)]), named.text
        case _:
            return (), ""


def _fields(named: Named) -> tuple[str, ...]:
    return tuple(_COLUMN_OF) if named.field == "addressed" else (named.field,)


def _term(term: Term, sees: _Sight, *, trigrams: bool) -> Condition:
    text, values = _what(term, sees, trigrams=trigrams)
    return (f"NOT ({text})", values) if term.negated else (text, values)


def _what(term: Term, sees: _Sight, *, trigrams: bool) -> Condition:  # noqa: PLR0911 - one for each kind
    columns, text = _sought(term, sees)
    if text and not columns:
        return "FALSE", ()
    if text and trigrams and (match := _match(term, sees)) is not None:
        table = _table(columns)
        return f"l.number IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)", (match,)
    if text and columns == COLUMNS and text.isascii() and len(text) < TRIGRAM:
        return "l.number IN (SELECT number FROM heads WHERE instr(head, ?))", (text,)
    if text:
        looks = " OR ".join(f"instr(t.{column}, ?)" for column in columns)
        return f"EXISTS (SELECT 1 FROM {_table(columns)} AS t WHERE t.rowid = l.number AND ({looks}))", (text,) * len(
            columns
        )
    match term.what:
        case Named(_, name) as named:
            key = key_of(name) if named.is_address else name
            return _by_address(sees.fields(_fields(named), key), key)
        case Tagged(tag):
            return "l.number IN (SELECT number FROM tags WHERE tag = ?)", (tag,)
        case Flag(name):
            return _FLAGS[name], ()
        case Sized(is_larger, octets):
            return f"l.size {'>' if is_larger else '<'} ?", (octets,)
        case Arrived(is_after, at):
            # Read in the order of numbers, as lists are: the plus forbids the index of arrivals, which must be sorted.
            return f"+l.arrived {'>=' if is_after else '<'} ?", (at,)
        case _:
            return "TRUE", ()


def _by_address(fields: tuple[str, ...], address: str) -> Condition:
    if not fields:
        return "FALSE", ()
    return _ADDRESSED.format(marks=", ".join("?" * len(fields))), (*fields, address)
