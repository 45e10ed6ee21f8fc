"""The SQL that chooses letters. No value ever stands in a text."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import json

from mailstack.catalogue.items import Which
from mailstack.catalogue.query import Arrived, Flag, Named, Sized, Tagged, Term, Within, Words
from mailstack.catalogue.schema import COLUMNS
from mailstack.letter import Address, AddressError

Condition = tuple[str, tuple[object, ...]]

TRIGRAM = 3
"""Characters from which a text is found by the index; for shorter ones each letter is looked at."""

_COLUMN_OF = {"from": "author", "to": "recipients", "cc": "copied", "bcc": "hidden", "reply-to": "reply"}
_FLAGS = {
    "read": "l.unread = 0",
    "unread": "l.unread = 1",
    "tagged": "EXISTS (SELECT 1 FROM tags WHERE tags.number = l.number)",
    "attachment": "l.attachments > 0",
    "inline": "l.inline > 0",
}
_HELD = "l.number IN (SELECT number FROM holders WHERE mailbox = ?"
_ADDRESSED = "l.number IN (SELECT number FROM addresses WHERE field IN ({marks}) AND address = ?)"


def key_of(text: str) -> str:
    """An address as addresses are compared; a text that is none stays as it is, in lower case."""
    try:
        return Address.parse(text).key
    except AddressError:
        return text.casefold()


def where(which: Which, *, trigrams: bool) -> tuple[str, list[object]]:
    """What stands behind WHERE, of `letters AS l`, and its parameters. What is deleted is never chosen."""
    found: list[Condition] = [("l.deleted IS NULL", ())]
    if which.ids is not None:
        ids = json.dumps(which.ids)
        by_copy = "SELECT number FROM copies WHERE id IN (SELECT value FROM json_each(?))"
        found.append((f"(l.id IN (SELECT value FROM json_each(?)) OR l.number IN ({by_copy}))", (ids, ids)))
    if which.numbers is not None:
        found.append(("l.number IN (SELECT value FROM json_each(?))", (json.dumps(which.numbers),)))
    if which.mailbox is not None:
        found.append((f"{_HELD} AND is_sender = 0)", (which.mailbox,)))
    if which.seen_by is not None:
        found.append((f"{_HELD})", (which.seen_by,)))
    if which.addressed is not None:
        found.append(_by_address(("recipient", "to", "cc"), which.addressed))
    if which.written_by is not None:
        found.append(_by_address(("sender", "from"), which.written_by))
    if which.after is not None:
        found.append(("l.number > ?", (which.after,)))
    if which.before is not None:
        found.append(("l.number < ?", (which.before,)))
    found += [_term(term, trigrams=trigrams) for term in which.terms]
    return " AND ".join(text for text, _ in found), [value for _, values in found for value in values]


def _term(term: Term, *, trigrams: bool) -> Condition:
    text, values = _what(term, trigrams=trigrams)
    return (f"NOT ({text})", values) if term.negated else (text, values)


def _what(term: Term, *, trigrams: bool) -> Condition:  # noqa: PLR0911 - one for each kind
    match term.what:
        case Words(text):
            return _containing(COLUMNS, text, trigrams=trigrams)
        case Named() as named:
            return _named(named, trigrams=trigrams)
        case Within(field, text):
            return _containing(("subject" if field == "subject" else "message",), text, trigrams=trigrams)
        case Tagged(tag):
            return "l.number IN (SELECT number FROM tags WHERE tag = ?)", (tag,)
        case Flag(name):
            return _FLAGS[name], ()
        case Sized(is_larger, octets):
            return f"l.size {'>' if is_larger else '<'} ?", (octets,)
        case Arrived(is_after, at):
            return f"l.arrived {'>=' if is_after else '<'} ?", (at,)


def _named(named: Named, *, trigrams: bool) -> Condition:
    fields = tuple(_COLUMN_OF) if named.field == "addressed" else (named.field,)
    if named.is_address:
        return _by_address(fields, key_of(named.text))
    if named.is_domain:
        return _by_address(fields, named.text)
    return _containing(tuple(_COLUMN_OF[field] for field in fields), named.text, trigrams=trigrams)


def _by_address(fields: tuple[str, ...], address: str) -> Condition:
    return _ADDRESSED.format(marks=", ".join("?" * len(fields))), (*fields, address)


def _containing(columns: tuple[str, ...], text: str, *, trigrams: bool) -> Condition:
    """Letters that have the text in one of the columns."""
    if trigrams and len(text) >= TRIGRAM:
        quoted = '"' + text.replace('"', '""') + '"'
        filtered = quoted if columns == COLUMNS else f"{{{' '.join(columns)}}} : {quoted}"
        return "l.number IN (SELECT rowid FROM searched WHERE searched MATCH ?)", (filtered,)
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    looks = " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in columns)
    return f"l.number IN (SELECT rowid FROM searched WHERE {looks})", (pattern,) * len(columns)
