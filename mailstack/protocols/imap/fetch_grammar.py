"""Grammar of FETCH: items, sections and modifiers (RFC 3501 §6.4.5, RFC 3516, RFC 7162)."""

from __future__ import annotations

import re
from functools import lru_cache

from mailstack.protocols.imap.commands import Fetch
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection, FetchAttribute, FetchItem, Preview
from mailstack.protocols.imap.tokenizer import MAX_MODSEQ, CommandReader, ImapGrammarError

MAX_ITEMS = 200
"""Maximum items of one FETCH."""
MAX_FIELDS = 500
"""Maximum field names of one section."""
MAX_PART_DEPTH = 100
"""Maximum numbers of one part."""

_NAME = re.compile(rb"[A-Za-z0-9.]++")
_PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*+")
_SECTION_TEXT = re.compile(rb"[A-Za-z][A-Za-z.]*+")
_MAX_CACHED = 400
"""Maximum octets of cached items; clients repeat the same ones."""

_ATTRIBUTES: dict[bytes, FetchItem] = {
    name.encode("ascii"): FetchAttribute(name)
    for name in (
        "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ", "SAVEDATE",
        "EMAILID", "THREADID",
    )
}  # fmt: skip
_ATTRIBUTES |= {
    b"RFC822": BodySection(label="RFC822"),
    b"RFC822.HEADER": BodySection(text="HEADER", sets_seen=False, label="RFC822.HEADER"),
    b"RFC822.TEXT": BodySection(text="TEXT", label="RFC822.TEXT"),
}
_FAST = (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE")
_MACROS = {
    name: tuple(_ATTRIBUTES[item] for item in items)
    for name, items in {b"FAST": _FAST, b"ALL": (*_FAST, b"ENVELOPE"), b"FULL": (*_FAST, b"ENVELOPE", b"BODY")}.items()
}


def fetch(reader: CommandReader, tag: str, *, by_uid: bool = False) -> Fetch:
    reader.space()
    numbers = reader.numbers()
    reader.space()
    items = fetch_items(reader)
    changed_since, vanished = _modifiers(reader) if reader.skip_space() else (None, False)
    if vanished and (changed_since is None or not by_uid):
        raise ImapGrammarError("VANISHED needs UID FETCH and CHANGEDSINCE")
    return Fetch(tag, numbers, items, by_uid, changed_since, vanished)


def _modifiers(reader: CommandReader) -> tuple[int | None, bool]:
    """CHANGEDSINCE and VANISHED (RFC 7162 §3.1.4.1, §3.2.6)."""
    reader.expect(b"(")
    changed_since, vanished = None, False
    while True:
        name = reader.word("a modifier")
        if name == "CHANGEDSINCE":
            reader.space()
            changed_since = reader.number("a mod-sequence", most=MAX_MODSEQ)
        elif name == "VANISHED":
            vanished = True
        else:
            raise ImapGrammarError("the modifier is unknown")
        if reader.skip(b")"):
            return changed_since, vanished
        reader.space()


def fetch_items(reader: CommandReader) -> tuple[FetchItem, ...]:
    """Items of FETCH, one or several in parentheses, or a macro."""
    rest = reader.octets[reader.at :]
    if len(rest) > _MAX_CACHED or b"{" in rest:
        return _parsed_items(reader)
    items, size = _cached_items(rest)
    reader.at += size
    return items


@lru_cache(maxsize=256)
def _cached_items(octets: bytes) -> tuple[tuple[FetchItem, ...], int]:
    """Items at the start of the octets, and their size."""
    reader = CommandReader(octets)
    return _parsed_items(reader), reader.at


def _parsed_items(reader: CommandReader) -> tuple[FetchItem, ...]:
    if not reader.skip(b"("):
        macro = _NAME.match(reader.octets, reader.at)
        if macro is not None and (items := _MACROS.get(macro[0].upper())):
            reader.at = macro.end()
            return items
        return (_item(reader),)
    found = [_item(reader)]
    while not reader.skip(b")"):
        reader.space()
        found.append(_item(reader))
        if len(found) > MAX_ITEMS:
            raise ImapGrammarError("FETCH has too many items")
    return tuple(found)


def _item(reader: CommandReader) -> FetchItem:
    name = reader.match(_NAME, "a fetch item")[0].upper()
    if reader.skip(b"["):
        return _section(reader, name)
    if name == b"PREVIEW":
        return Preview(is_lazy=_is_lazy(reader))
    item = _ATTRIBUTES.get(name)
    if item is None:
        raise ImapGrammarError("the fetch item is unknown")
    return item


def _is_lazy(reader: CommandReader) -> bool:
    """PREVIEW (LAZY) (RFC 8970 §3.1)."""
    if not reader.skip(b" ("):
        return False
    if reader.word("a modifier") != "LAZY":
        raise ImapGrammarError("the modifier is unknown")
    reader.expect(b")")
    return True


def _section(reader: CommandReader, name: bytes) -> FetchItem:
    """Section after its opening bracket, with the partial range."""
    if name in {b"BODY", b"BODY.PEEK"}:
        part, text, fields = _body_section(reader)
        return BodySection(part, text, fields, _partial(reader), name == b"BODY")
    if name in {b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"}:
        part = () if reader.skip(b"]") else _part(reader)
        if part:
            reader.expect(b"]")
        if name == b"BINARY.SIZE":
            return BinarySection(part, sets_seen=False, size_only=True)
        return BinarySection(part, _partial(reader), name == b"BINARY")
    raise ImapGrammarError("the fetch item has no section")


def _part(reader: CommandReader) -> tuple[int, ...]:
    numbers = reader.match(_PART, "a part number")[0].split(b".")
    if len(numbers) > MAX_PART_DEPTH:
        raise ImapGrammarError("a part has too many numbers")
    return tuple(map(int, numbers))


def _body_section(reader: CommandReader) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    """Part, text and field names of BODY[…] (RFC 3501 §9, section-spec)."""
    part: tuple[int, ...] = ()
    if reader.skip(b"]"):
        return part, "", ()
    if _PART.match(reader.octets, reader.at):
        part = _part(reader)
        if reader.skip(b"]"):
            return part, "", ()
        reader.expect(b".")
    text = reader.match(_SECTION_TEXT, "a section")[0].upper().decode("ascii")
    fields: tuple[str, ...] = ()
    if text in {"HEADER.FIELDS", "HEADER.FIELDS.NOT"}:
        reader.space()
        fields = _fields(reader)
    elif text not in {"HEADER", "TEXT", "MIME"} or (text == "MIME" and not part):
        raise ImapGrammarError("the section is unknown")
    reader.expect(b"]")
    return part, text, fields


def _fields(reader: CommandReader) -> tuple[str, ...]:
    reader.expect(b"(")
    fields = [_field(reader)]
    while not reader.skip(b")"):
        reader.space()
        fields.append(_field(reader))
        if len(fields) > MAX_FIELDS:
            raise ImapGrammarError("a section has too many field names")
    return tuple(fields)


def _field(reader: CommandReader) -> str:
    octets = reader.astring("a field name")
    if not octets.isascii() or not octets.decode("ascii").isprintable():
        raise ImapGrammarError("a field name is printable ASCII")
    return octets.decode("ascii")


def _partial(reader: CommandReader) -> tuple[int, int] | None:
    """Partial range `<first.octets>` of 63-bit numbers; 0 octets are invalid (RFC 9051 §9, partial)."""
    if not reader.skip(b"<"):
        return None
    first = reader.number("the first octet", most=MAX_MODSEQ)
    reader.expect(b".")
    size = reader.number("a number of octets", least=1, most=MAX_MODSEQ)
    reader.expect(b">")
    return first, size
