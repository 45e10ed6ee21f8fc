"""Grammar of STORE, COPY, MOVE and EXPUNGE (RFC 3501 §6.4, RFC 6851)."""

from __future__ import annotations

from mailstack.protocols.imap.commands import Expunge, ImapCopy, StoreFlags
from mailstack.protocols.imap.tokenizer import MAX_FLAGS, MAX_MODSEQ, CommandReader, ImapGrammarError

_MODES = {
    f"{mode}{suffix}": (mode, bool(suffix)) for mode in ("FLAGS", "+FLAGS", "-FLAGS") for suffix in ("", ".SILENT")
}


def store(reader: CommandReader, tag: str, *, by_uid: bool = False) -> StoreFlags:
    """STORE; flags stand in parentheses or without (RFC 3501 §9, store-att-flags)."""
    reader.space()
    numbers = reader.numbers()
    reader.space()
    unchanged_since: int | None = None
    if reader.skip(b"("):
        if reader.word("a modifier") != "UNCHANGEDSINCE":
            raise ImapGrammarError("the modifier is unknown")
        reader.space()
        unchanged_since = reader.number("a mod-sequence", most=MAX_MODSEQ)
        reader.expect(b")")
        reader.space()
    mode = _MODES.get(reader.word("FLAGS"))
    if mode is None:
        raise ImapGrammarError("FLAGS, +FLAGS or -FLAGS is expected")
    reader.space()
    if reader.is_next(b"("):
        flags = reader.flags()
    else:
        named = [reader.flag()]
        while reader.skip_space():
            named.append(reader.flag())
            if len(named) > MAX_FLAGS:
                raise ImapGrammarError("there are too many flags")
        flags = tuple(named)
    return StoreFlags(tag, numbers, mode[0], flags, mode[1], by_uid, unchanged_since)


def copy(reader: CommandReader, tag: str, *, by_uid: bool = False, moves: bool = False) -> ImapCopy:
    reader.space()
    numbers = reader.numbers()
    reader.space()
    return ImapCopy(tag, numbers, reader.folder(), moves, by_uid)


def move(reader: CommandReader, tag: str, *, by_uid: bool = False) -> ImapCopy:
    return copy(reader, tag, by_uid=by_uid, moves=True)


def expunge(_reader: CommandReader, tag: str) -> Expunge:
    return Expunge(tag)


def uid_expunge(reader: CommandReader, tag: str) -> Expunge:
    """UID EXPUNGE (RFC 4315 §2.1)."""
    reader.space()
    return Expunge(tag, reader.numbers())
