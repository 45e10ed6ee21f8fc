"""Grammar of commands about folders: SELECT, CREATE, LIST, STATUS (RFC 3501 §6.3, RFC 5258)."""

from __future__ import annotations

from typing import cast, get_args

from mailstack.protocols.imap.commands import (
    Create,
    Delete,
    ImapStatus,
    ListFolders,
    Lsub,
    Qresync,
    Rename,
    Select,
    Subscribe,
)
from mailstack.protocols.imap.list_options import ListOptions, StatusItem
from mailstack.protocols.imap.sequence_set import STAR, SequenceSet
from mailstack.protocols.imap.tokenizer import MAX_MODSEQ, CommandReader, ImapGrammarError, ImpossibleCommand

MAX_PATTERNS = 32
"""Maximum patterns of one LIST."""

_STATUS_ITEMS = frozenset(get_args(StatusItem))
_SELECTIONS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})
_USES = {use.upper(): use for use in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")}


def select(reader: CommandReader, tag: str, *, read_only: bool = False) -> Select:
    """SELECT with the parameters CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5)."""
    reader.space()
    folder = reader.folder()
    condstore, qresync = False, None
    if reader.skip_space():
        reader.expect(b"(")
        while True:
            name = reader.word("a parameter")
            if name == "CONDSTORE":
                condstore = True
            elif name == "QRESYNC":
                qresync = _qresync(reader)
            else:
                raise ImapGrammarError("the parameter is unknown")
            if reader.skip(b")"):
                break
            reader.space()
    return Select(tag, folder, read_only, condstore, qresync)


def examine(reader: CommandReader, tag: str) -> Select:
    return select(reader, tag, read_only=True)


def _qresync(reader: CommandReader) -> Qresync:
    reader.space()
    reader.expect(b"(")
    validity = reader.number("UIDVALIDITY", least=1)
    reader.space()
    modseq = reader.number("a mod-sequence", least=1, most=MAX_MODSEQ)
    uids: SequenceSet | None = None
    match: tuple[SequenceSet, SequenceSet] | None = None
    if reader.is_next(b" ") and not reader.is_next(b" ("):
        reader.space()
        uids = _known(reader)
    if reader.skip(b" ("):
        numbers = _known(reader)
        reader.space()
        match = numbers, _known(reader)
        reader.expect(b")")
    reader.expect(b")")
    return Qresync(validity, modseq, uids, match)


def _known(reader: CommandReader) -> SequenceSet:
    """Set without `*` and `$` (RFC 7162 §7)."""
    numbers = reader.numbers()
    if numbers.is_saved or any(STAR in pair for pair in numbers.ranges):
        raise ImapGrammarError("known UIDs have no * or $")
    return numbers


def create(reader: CommandReader, tag: str) -> Create:
    """CREATE with the parameter USE (RFC 6154 §3); an unknown use is impossible [USEATTR]."""
    reader.space()
    folder = reader.folder(is_new=True)
    uses: list[str] = []
    if reader.skip_space():
        reader.expect(b"(")
        if reader.word("a parameter") != "USE":
            raise ImapGrammarError("the parameter is unknown")
        reader.space()
        reader.expect(b"(")
        while not reader.skip(b")"):
            if uses:
                reader.space()
            reader.expect(b"\\")
            use = _USES.get("\\" + reader.word("a special use"))
            if use is None:
                raise ImpossibleCommand("the special use is unknown", "USEATTR")
            if use not in uses:
                uses.append(use)
        reader.expect(b")")
    return Create(tag, folder, tuple(uses))


def delete(reader: CommandReader, tag: str) -> Delete:
    reader.space()
    return Delete(tag, reader.folder())


def rename(reader: CommandReader, tag: str) -> Rename:
    reader.space()
    folder = reader.folder()
    reader.space()
    return Rename(tag, folder, reader.folder(is_new=True))


def subscribe(reader: CommandReader, tag: str) -> Subscribe:
    reader.space()
    return Subscribe(tag, reader.folder())


def unsubscribe(reader: CommandReader, tag: str) -> Subscribe:
    reader.space()
    return Subscribe(tag, reader.folder(), on=False)


def status(reader: CommandReader, tag: str) -> ImapStatus:
    reader.space()
    folder = reader.folder()
    reader.space()
    return ImapStatus(tag, folder, _status_items(reader))


def _status_items(reader: CommandReader) -> tuple[StatusItem, ...]:
    """Items in parentheses, each once, in their order."""
    reader.expect(b"(")
    items: dict[StatusItem, None] = {}
    while True:
        item = reader.word("a status item")
        if item not in _STATUS_ITEMS:
            raise ImapGrammarError("the status item is unknown")
        items[cast("StatusItem", item)] = None
        if reader.skip(b")"):
            return tuple(items)
        reader.space()


def lsub(reader: CommandReader, tag: str) -> Lsub:
    reader.space()
    reference = reader.reference()
    reader.space()
    return Lsub(tag, reference, reader.pattern())


def list_(reader: CommandReader, tag: str) -> ListFolders:
    """LIST, plain or extended (RFC 5258 §6)."""
    reader.space()
    selection: frozenset[str] | None = None
    if reader.is_next(b"("):
        selection = _selection(reader)
        reader.space()
    reference = reader.reference()
    reader.space()
    is_extended = selection is not None or reader.is_next(b"(")
    patterns = _patterns(reader) if reader.is_next(b"(") else (reader.pattern(),)
    returns: set[str] = set()
    items: tuple[StatusItem, ...] = ()
    if reader.skip_space():
        if reader.word("RETURN") != "RETURN":
            raise ImapGrammarError("RETURN is expected")
        is_extended = True
        reader.space()
        returns, items = _returns(reader)
    return ListFolders(
        tag, reference, patterns, ListOptions(is_extended, selection or frozenset(), frozenset(returns), items)
    )


def _patterns(reader: CommandReader) -> tuple[str, ...]:
    reader.expect(b"(")
    patterns = [reader.pattern()]
    while not reader.skip(b")"):
        reader.space()
        patterns.append(reader.pattern())
        if len(patterns) > MAX_PATTERNS:
            raise ImapGrammarError("LIST has too many patterns")
    return tuple(patterns)


def _selection(reader: CommandReader) -> frozenset[str]:
    reader.expect(b"(")
    options: set[str] = set()
    while not reader.skip(b")"):
        if options:
            reader.space()
        option = reader.word("a selection option")
        if option not in _SELECTIONS:
            raise ImapGrammarError("the selection option is unknown")
        options.add(option)
    if "RECURSIVEMATCH" in options and options <= {"RECURSIVEMATCH", "REMOTE"}:
        raise ImapGrammarError("RECURSIVEMATCH needs another selection option")
    return frozenset(options)


def _returns(reader: CommandReader) -> tuple[set[str], tuple[StatusItem, ...]]:
    reader.expect(b"(")
    options: set[str] = set()
    items: tuple[StatusItem, ...] = ()
    is_first = True
    while not reader.skip(b")"):
        if not is_first:
            reader.space()
        is_first = False
        option = reader.word("a return option")
        if option == "STATUS":
            reader.space()
            items = _status_items(reader)
        elif option in _RETURNS:
            options.add(option)
        else:
            raise ImapGrammarError("the return option is unknown")
    return options, items
