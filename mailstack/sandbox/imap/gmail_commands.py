"""Gmail's additions to FETCH, STORE and SEARCH: X-GM-EXT-1.

https://developers.google.com/gmail/imap/imap-extensions. The additions are cut out, and the grammar of IMAP reads the rest.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from mailstack.protocols.imap.command_table import CommandTable, Grammar
from mailstack.protocols.imap.commands import AnyCommand, Fetch, ImapCommand, Search
from mailstack.protocols.imap.mailbox_names import parse_name
from mailstack.protocols.imap.sequence_set import SequenceSet
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError
from mailstack.sandbox.imap.gmail_query import GmailKey, GmailQueryError, parse_query, system_label

MAX_LABELS = 200
"""Maximum labels of one STORE."""

PLACEHOLDER = "$x-gm-"
"""Start of the keywords that stand for a key of Gmail in a search."""


class GmailFetch(Fetch, frozen=True):
    """FETCH with items of Gmail."""

    wanted: frozenset[str] = frozenset()
    """MSGID, THRID, LABELS."""


class GmailSearch(Search, frozen=True):
    """SEARCH with keys of Gmail, for which its own key has numbered keywords."""

    keys: tuple[Any, ...] = ()
    """Keys by number: GmailKey, or the keys of a query."""


class StoreLabels(ImapCommand, frozen=True):
    """STORE of X-GM-LABELS."""

    messages: SequenceSet
    mode: str
    """"", "+" or "-"."""
    labels: tuple[str, ...]
    silent: bool = False
    by_uid: bool = False


_VERB = re.compile(rb" +([A-Za-z]{1,20})(?= )")
_ITEM = re.compile(rb"\[[^\]]*\]|X-GM-(MSGID|THRID|LABELS)(?=[ )]|\Z)", re.IGNORECASE)
_STORE = re.compile(rb" +([0-9:,*]++) +([+-]?)X-GM-LABELS(\.SILENT)? +", re.IGNORECASE)
_SYSTEM_LABEL = re.compile(rb"\\[A-Za-z]{1,30}")
_KEY = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|\{([0-9]{1,10})\+?\}\r\n|(?<=[ (])X-GM-(RAW|MSGID|THRID|LABELS) +', re.IGNORECASE
)
_NUMBER = re.compile(r"[0-9]{1,20}")


class GmailGrammar(Struct, frozen=True):
    """Grammar of FETCH, STORE, SEARCH or UID with the additions."""

    name: bytes
    grammar: Grammar

    def __call__(self, reader: CommandReader, tag: str, /) -> Any:
        octets, at = reader.octets, reader.at
        verb, start, is_uid = self.name, at, self.name == b"UID"
        if is_uid and (found := _VERB.match(octets, at)) is not None:
            verb, start = found[1].upper(), found.end()
        wanted: frozenset[str] = frozenset()
        keys: tuple[Any, ...] = ()
        if verb == b"STORE" and (labels := _STORE.match(octets, start)) is not None:
            reader.at = labels.end()
            return _store(reader, tag, labels, by_uid=is_uid)
        if verb == b"FETCH":
            octets, wanted = _without_items(octets, start)
        elif verb == b"SEARCH":
            octets, keys = _without_keys(octets, start, utf8=reader.utf8)
        plain = CommandReader(octets, at, utf8=reader.utf8)
        command = self.grammar(plain, tag)
        plain.end()
        reader.at = len(reader.octets)
        return _with_additions(command, wanted, keys)


def _with_additions(command: AnyCommand, wanted: frozenset[str], keys: tuple[Any, ...]) -> AnyCommand:
    if isinstance(command, Fetch) and wanted:
        return GmailFetch(**_fields(command), wanted=wanted)
    if isinstance(command, Search) and keys:
        return GmailSearch(**_fields(command), keys=keys)
    return command


def _fields(command: AnyCommand) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


def extend(table: CommandTable) -> CommandTable:
    """Commands with X-GM-EXT-1."""
    return {
        name: (states, GmailGrammar(name, grammar) if name in {b"FETCH", b"STORE", b"SEARCH", b"UID"} else grammar)
        for name, (states, grammar) in table.items()
    }


def _without_items(octets: bytes, start: int) -> tuple[bytes, frozenset[str]]:
    """FETCH with UID in place of each item of Gmail, and these items."""
    wanted: set[str] = set()

    def replacement(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            return found[0]
        wanted.add(found[1].upper().decode("ascii"))
        return b"UID"

    return octets[:start] + _ITEM.sub(replacement, octets[start:]), frozenset(wanted)


def _without_keys(octets: bytes, start: int, *, utf8: bool) -> tuple[bytes, tuple[Any, ...]]:
    """SEARCH with a numbered keyword in place of each key of Gmail, and these keys."""
    keys: list[Any] = []
    parts = [octets[:start]]
    at = start
    while (found := _KEY.search(octets, at)) is not None:
        if found[2] is None:
            end = found.end() + (int(found[1]) if found[1] else 0)
            parts.append(octets[at:end])
        else:
            argument = CommandReader(octets, found.end(), utf8=utf8)
            keys.append(_key(found[2].upper(), argument))
            parts.append(octets[at : found.start()] + f"KEYWORD {PLACEHOLDER}{len(keys) - 1}".encode("ascii"))
            end = argument.at
        at = end
    parts.append(octets[at:])
    return b"".join(parts), tuple(keys)


def _key(name: bytes, reader: CommandReader) -> Any:
    if name == b"LABELS":
        return GmailKey("label", _label(reader))
    text = reader.text()
    if name == b"RAW":
        try:
            return parse_query(text)
        except GmailQueryError as error:
            raise ImapGrammarError(str(error)) from None
    if not _NUMBER.fullmatch(text):
        raise ImapGrammarError("a number is expected")
    return GmailKey(name.decode("ascii").lower(), str(int(text)))


def _store(reader: CommandReader, tag: str, found: re.Match[bytes], *, by_uid: bool) -> StoreLabels:
    labels: list[str] = []
    if not reader.skip(b"("):
        labels.append(_label(reader))
    else:
        while not reader.skip(b")"):
            if labels:
                reader.space()
            labels.append(_label(reader))
            if len(labels) > MAX_LABELS:
                raise ImapGrammarError("there are too many labels")
    messages = CommandReader(found[1]).numbers()
    return StoreLabels(tag, messages, found[2].decode("ascii"), tuple(labels), found[3] is not None, by_uid)


def _label(reader: CommandReader) -> str:
    r"""Label as a folder name; a system label such as \Inbox may be quoted."""
    bare = reader.match(_SYSTEM_LABEL, "a label")[0] if reader.is_next(b"\\") else b""
    octets = bare or reader.astring("a label")
    try:
        if octets.startswith(b"\\"):
            return system_label(octets.decode("ascii"))
        return parse_name(octets, utf8=reader.utf8, is_new=True)
    except ValueError:
        raise ImapGrammarError("the label is invalid") from None
