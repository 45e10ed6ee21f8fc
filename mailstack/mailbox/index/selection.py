"""SQL selection of the letters of a filter; values are always parameters."""

# ruff: noqa: S608  # statements contain only names of the schema

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from msgspec import Struct

from mailstack.letter.address import key_of
from mailstack.mailbox.index.database import COLUMNS, HEAD
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import Arrived, Flag, LettersInState, Named, Sized, Tagged, Term, Within, Words

Condition = tuple[str, tuple[object, ...]]

TRIGRAM = 3
"""Minimum characters for a search in the index. Shorter text is searched in all letters, short ASCII text only in
subject and people, because it matches nearly every long text."""

_COLUMN_OF = {"from": "author", "to": "recipients", "cc": "copied", "bcc": "hidden", "reply-to": "reply"}
_FLAGS = {
    "read": "l.unread = 0",
    "unread": "l.unread = 1",
    "flagged": "l.flagged = 1",
    "unflagged": "l.flagged = 0",
    "tagged": "EXISTS (SELECT 1 FROM tags WHERE tags.number = l.number)",
    "attachment": "l.attachments > 0",
    "inline": "l.inline > 0",
}
_IN_MAILBOX = "l.number IN (SELECT number FROM holders WHERE mailbox = ? AND hidden IS NULL"
_AMONG = (
    "(l.id IN (SELECT value FROM json_each(?))"
    " OR l.number IN (SELECT number FROM copies WHERE id IN (SELECT value FROM json_each(?))))"
)
_ADDRESSED = "l.number IN (SELECT number FROM addresses WHERE field IN ({marks}) AND address = ?)"


class SqlSelection(Struct, frozen=True):
    """Parts of a SELECT statement for the letters of a filter."""

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


def selection(item_filter: ItemFilter, *, trigrams: bool) -> SqlSelection:
    """The SQL of a filter, deleted letters excluded."""
    found: list[Condition] = [("l.deleted IS NULL", ())]
    visible = _Visibility(item_filter.seen_by)
    indexed_terms = [
        term for term in item_filter.terms if trigrams and not term.negated and _match(term, visible) is not None
    ]
    matches = [match for term in indexed_terms if (match := _match(term, visible)) is not None]
    source, order = "letters AS l", "l.number"
    if matches:
        # One query of the index, which returns letters in order.
        table = _table([column for term in indexed_terms for column in _searched_text(term, visible)[0]])
        source, order = f"{table} AS s CROSS JOIN letters AS l", "s.rowid"
        found.append((f"s.{table} MATCH ? AND l.number = s.rowid", (" AND ".join(matches),)))
    found += _by_ids(item_filter)
    if item_filter.mailbox is not None:
        found.append((f"{_IN_MAILBOX} AND is_sender = 0)", (item_filter.mailbox,)))
    if item_filter.seen_by is not None:
        found.append((f"{_IN_MAILBOX})", (item_filter.seen_by,)))
    if item_filter.addressed is not None:
        found.append(
            _by_address(visible.fields(("recipient", "to", "cc"), item_filter.addressed), item_filter.addressed)
        )
    if item_filter.written_by is not None:
        found.append(_by_address(("sender", "from"), item_filter.written_by))
    if item_filter.after is not None:
        found.append((f"{order} > ?", (item_filter.after,)))
    if item_filter.before is not None:
        found.append((f"{order} < ?", (item_filter.before,)))
    found += [_term(term, visible, trigrams=trigrams) for term in item_filter.terms if term not in indexed_terms]
    values = tuple(value for _, some in found for value in some)
    return SqlSelection(source, " AND ".join(text for text, _ in found), values, order)


def _by_ids(item_filter: ItemFilter) -> list[Condition]:
    found: list[Condition] = []
    if item_filter.ids is not None:
        ids = json.dumps(item_filter.ids)
        by_copy = "SELECT number FROM copies WHERE id IN (SELECT value FROM json_each(?))"
        found.append((f"(l.id IN (SELECT value FROM json_each(?)) OR l.number IN ({by_copy}))", (ids, ids)))
    if item_filter.without:
        found.append(("l.id NOT IN (SELECT value FROM json_each(?))", (json.dumps(item_filter.without),)))
    if item_filter.numbers is not None:
        found.append(("l.number IN (SELECT value FROM json_each(?))", (json.dumps(item_filter.numbers),)))
    return found


class _Visibility(Struct, frozen=True):
    """Columns and fields that an account may search: of blind copies only its own address (RFC 5322 §3.6.3)."""

    account: str | None
    """Account of the reader. None: an administrator."""

    def columns(self, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(each for each in columns if self.account is None or each != "hidden")

    def fields(self, fields: Sequence[str], address: str) -> tuple[str, ...]:
        """The fields in which an account may search for an address or domain."""
        knows = self.account in {None, address}
        return tuple(each for each in fields if knows or each not in {"bcc", "recipient"})


def _match(term: Term, visible: _Visibility) -> str | None:
    """MATCH expression for the text of a term; None if the trigram index can't find it."""
    columns, text = _searched_text(term, visible)
    if len(text) < TRIGRAM or not columns:
        return None
    quoted = '"' + text.replace('"', '""') + '"'
    return quoted if columns == COLUMNS else f"({{{' '.join(columns)}}} : {quoted})"


def _table(columns: Collection[str]) -> str:
    """Table to search: the smaller one, unless the text of letters is searched."""
    return "headed" if set(columns) <= set(HEAD) else "searched"


def _searched_text(term: Term, visible: _Visibility) -> tuple[tuple[str, ...], str]:
    """Columns and text to search for a term; "" for a term without text."""
    match term.what:
        case Words(text):
            return visible.columns(COLUMNS), text
        case Within(field, text):
            return ("subject" if field == "subject" else "message",), text
        case Named() as named if not named.is_address and not named.is_domain:
            return visible.columns([_COLUMN_OF[field] for field in _fields(named)]), named.text
        case _:
            return (), ""


def _fields(named: Named) -> tuple[str, ...]:
    return tuple(_COLUMN_OF) if named.field == "addressed" else (named.field,)


def _term(term: Term, visible: _Visibility, *, trigrams: bool) -> Condition:
    text, values = _condition(term, visible, trigrams=trigrams)
    return (f"NOT ({text})", values) if term.negated else (text, values)


def _condition(term: Term, visible: _Visibility, *, trigrams: bool) -> Condition:
    columns, text = _searched_text(term, visible)
    if not text:
        return _condition_without_text(term, visible)
    if not columns:
        return "FALSE", ()
    if trigrams and (match := _match(term, visible)) is not None:
        table = _table(columns)
        return f"l.number IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)", (match,)
    if columns == COLUMNS and text.isascii() and len(text) < TRIGRAM:
        return "l.number IN (SELECT number FROM heads WHERE instr(head, ?))", (text,)
    conditions = " OR ".join(f"instr(t.{column}, ?)" for column in columns)
    values = (text,) * len(columns)
    return f"EXISTS (SELECT 1 FROM {_table(columns)} AS t WHERE t.rowid = l.number AND ({conditions}))", values


def _condition_without_text(term: Term, visible: _Visibility) -> Condition:  # noqa: PLR0911 - one for each kind
    match term.what:
        case Named(_, name) as named:
            key = key_of(name) if named.is_address else name
            return _by_address(visible.fields(_fields(named), key), key)
        case Tagged(tag):
            return "l.number IN (SELECT number FROM tags WHERE tag = ?)", (tag,)
        case Flag(name):
            return _FLAGS[name], ()
        case Sized(is_larger, octets):
            return f"l.size {'>' if is_larger else '<'} ?", (octets,)
        case Arrived(is_after, at):
            # The plus disables the index of arrivals, so that rows are read in order of numbers, without a sort.
            return f"+l.arrived {'>=' if is_after else '<'} ?", (at,)
        case LettersInState() as letters:
            return _in_state(letters)
        case _:
            return "TRUE", ()


def _in_state(letters: LettersInState) -> Condition:
    """An account sees the states of all recipients only of a letter that it submitted."""
    if letters.account is None:
        return _AMONG, (letters.ids, letters.ids)
    submitted = "EXISTS (SELECT 1 FROM items WHERE items.number = l.number AND json_extract(item, '$.account') = ?)"
    values = (letters.own_ids, letters.own_ids, letters.ids, letters.ids, letters.account)
    return f"({_AMONG} OR ({_AMONG} AND {submitted}))", values


def _by_address(fields: tuple[str, ...], address: str) -> Condition:
    if not fields:
        return "FALSE", ()
    return _ADDRESSED.format(marks=", ".join("?" * len(fields))), (*fields, address)


# ruff: noqa: S608  # statements contain only names of the schema
