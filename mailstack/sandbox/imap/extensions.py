"""IMAP extensions of a server: detection of their use, and refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.protocols.imap.command_table import CommandTable, Grammar
from mailstack.protocols.imap.commands import (
    AnyCommand,
    Append,
    AppendNext,
    Authenticate,
    Close,
    Compress,
    Create,
    Enable,
    Expunge,
    Fetch,
    GetQuota,
    GetQuotaRoot,
    Id,
    Idle,
    ImapCopy,
    ImapRejected,
    ImapStartTls,
    ImapStatus,
    ListFolders,
    LiteralWanted,
    Namespace,
    Replace,
    Search,
    Select,
    Sort,
    StoreFlags,
    Thread,
)
from mailstack.protocols.imap.fetch_items import BinarySection, FetchAttribute, Preview
from mailstack.protocols.imap.notify_commands import Notify
from mailstack.protocols.imap.search_keys import (
    AgeKey,
    And,
    DateKey,
    IdKey,
    ModseqKey,
    Not,
    NumberKey,
    Or,
    SaveDateKey,
    SearchKey,
    SearchReturn,
)
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError
from mailstack.protocols.imap.update_commands import CancelUpdate

Use = Callable[[AnyCommand], bool]
"""Whether a command uses an extension."""

MAX_PLUS = 4096
"""Maximum octets of a literal that is sent without waiting under LITERAL- (RFC 7888 §5)."""

_PLUS = re.compile(rb"\{([0-9]{1,10})(\+?)\}\r\n")


def _is_a(*kinds: type) -> Use:
    return lambda command: isinstance(command, kinds)


def _keys(key: SearchKey) -> Iterator[SearchKey]:
    """All keys of a search."""
    pending = [key]
    while pending:
        each = pending.pop()
        yield each
        match each:
            case And(keys):
                pending.extend(keys)
            case Or(first, second):
                pending += (first, second)
            case Not(negated):
                pending.append(negated)


def _searches(test: Callable[[SearchKey], bool]) -> Use:
    return lambda command: isinstance(command, Search | Sort | Thread) and any(map(test, _keys(command.key)))


def _fetches(*names: str) -> Use:
    return lambda command: (
        isinstance(command, Fetch)
        and any(isinstance(item, FetchAttribute) and item.name in names for item in command.items)
    )


def _asks_status(item: str) -> Use:
    return lambda command: (
        (isinstance(command, ImapStatus) and item in command.items)
        or (isinstance(command, ListFolders) and item in command.options.status)
    )


def _returns(command: AnyCommand) -> SearchReturn | None:
    return command.returns if isinstance(command, Search | Sort) else None


def _is_partial(command: AnyCommand) -> bool:
    returns = _returns(command)
    return returns is not None and returns.partial is not None


def _is_updated(command: AnyCommand, kind: type[Search | Sort]) -> bool:
    returns = _returns(command)
    return isinstance(command, kind) and returns is not None and returns.updates


def _is_saved(command: AnyCommand) -> bool:
    r"""SAVE, or the set `$`."""
    returns = _returns(command)
    if returns is not None and "SAVE" in returns.options:
        return True
    numbers = getattr(command, "messages", None) or getattr(command, "uids", None)
    return bool(numbers is not None and numbers.is_saved) or _searches(
        lambda key: isinstance(key, NumberKey) and key.numbers.is_saved
    )(command)


def _is_condstore(command: AnyCommand) -> bool:
    match command:
        case Select():
            return command.condstore or command.qresync is not None
        case Fetch():
            return command.changed_since is not None
        case StoreFlags():
            return command.unchanged_since is not None
    return False


def _is_qresync(command: AnyCommand) -> bool:
    return (isinstance(command, Select) and command.qresync is not None) or (
        isinstance(command, Fetch) and command.vanished
    )


def _is_list_extended(command: AnyCommand) -> bool:
    """LIST with more than RETURN (STATUS …), which LIST-STATUS permits alone."""
    if not isinstance(command, ListFolders):
        return False
    options = command.options
    return bool(options.select or options.returns or len(command.patterns) > 1) or (
        options.is_extended and not options.status
    )


def _lists(option: str) -> Use:
    return lambda command: (
        isinstance(command, ListFolders) and option in command.options.select | command.options.returns
    )


def _is_binary(command: AnyCommand) -> bool:
    if isinstance(command, Append | Replace):
        return command.message.is_binary
    return isinstance(command, Fetch) and any(isinstance(item, BinarySection) for item in command.items)


def _unasked(command: AnyCommand) -> int:
    """Octets of a message that is sent without waiting, at least 1 if there is one."""
    if isinstance(command, Append | Replace) and not command.message.is_waiting:
        return max(1, command.message.size)
    return 0


def _any(*uses: Use) -> Use:
    return lambda command: any(use(command) for use in uses)


_IS_SORT = _is_a(Sort)
USES: dict[str, Use] = {
    "SASL-IR": lambda command: isinstance(command, Authenticate) and command.initial is not None,
    "STARTTLS": _is_a(ImapStartTls),
    "ID": _is_a(Id),
    "ENABLE": _is_a(Enable),
    "IDLE": _is_a(Idle),
    "NAMESPACE": _is_a(Namespace),
    "UIDPLUS": lambda command: isinstance(command, Expunge) and command.uids is not None,
    "MOVE": lambda command: isinstance(command, ImapCopy) and command.moves,
    "CHILDREN": _lists("CHILDREN"),
    "SPECIAL-USE": _lists("SPECIAL-USE"),
    "CREATE-SPECIAL-USE": lambda command: isinstance(command, Create) and bool(command.uses),
    "LIST-EXTENDED": _is_list_extended,
    "LIST-STATUS": lambda command: isinstance(command, ListFolders) and bool(command.options.status),
    "UNSELECT": lambda command: isinstance(command, Close) and not command.expunges,
    "CONDSTORE": _any(
        _is_condstore,
        _fetches("MODSEQ"),
        _asks_status("HIGHESTMODSEQ"),
        _searches(lambda key: isinstance(key, ModseqKey)),
    ),
    "QRESYNC": _is_qresync,
    "ESEARCH": lambda command: isinstance(command, Search) and command.returns is not None,
    "SEARCHRES": _is_saved,
    "PARTIAL": _is_partial,
    "CONTEXT=SEARCH": lambda command: isinstance(command, CancelUpdate) or _is_updated(command, Search),
    "CONTEXT=SORT": lambda command: _is_updated(command, Sort),
    "WITHIN": _searches(lambda key: isinstance(key, AgeKey)),
    "SORT": _IS_SORT,
    "SORT=DISPLAY": lambda command: (
        isinstance(command, Sort) and any(key.name.startswith("DISPLAY") for key in command.order)
    ),
    "ESORT": lambda command: isinstance(command, Sort) and command.returns is not None,
    "THREAD=ORDEREDSUBJECT": lambda command: isinstance(command, Thread) and command.algorithm == "ORDEREDSUBJECT",
    "THREAD=REFERENCES": lambda command: isinstance(command, Thread) and command.algorithm == "REFERENCES",
    "NOTIFY": _is_a(Notify),
    "STATUS=SIZE": _asks_status("SIZE"),
    "QUOTA": _is_a(GetQuota, GetQuotaRoot),
    "BINARY": _is_binary,
    "BINARY.SIZE": lambda command: (
        isinstance(command, Fetch) and any(isinstance(item, BinarySection) and item.size_only for item in command.items)
    ),
    "OBJECTID": _any(
        _fetches("EMAILID", "THREADID"), _asks_status("MAILBOXID"), _searches(lambda key: isinstance(key, IdKey))
    ),
    "SAVEDATE": _any(
        _fetches("SAVEDATE"),
        _searches(lambda key: isinstance(key, SaveDateKey) or (isinstance(key, DateKey) and key.source == "saved")),
    ),
    "PREVIEW": lambda command: isinstance(command, Fetch) and any(isinstance(item, Preview) for item in command.items),
    "REPLACE": _is_a(Replace),
    "APPENDLIMIT": _asks_status("APPENDLIMIT"),
    "COMPRESS=DEFLATE": _is_a(Compress),
}
"""Use of each extension by a command. LITERAL+, MULTIAPPEND and names for ENABLE are handled apart."""

ENABLED = frozenset({"CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2"})
"""Extensions that ENABLE ignores when they are withheld, as it does unknown names (RFC 5161 §3.1)."""

WITHHELD = frozenset({*USES, *ENABLED, "LITERAL+", "LITERAL-", "MULTIAPPEND", "INPROGRESS", "QUOTA=RES-STORAGE"})
"""Names of extensions that can be withheld, in upper case."""

_NEEDED_BY: dict[str, tuple[str, ...]] = {
    "CONDSTORE": ("QRESYNC",),
    "ENABLE": ("QRESYNC", "UTF8=ACCEPT", "IMAP4REV2"),
    "ESEARCH": ("SEARCHRES", "PARTIAL", "CONTEXT=SEARCH"),
    "SORT": ("SORT=DISPLAY", "ESORT"),
    "ESORT": ("CONTEXT=SORT",),
    "QUOTA": ("QUOTA=RES-STORAGE",),
}
_REVISION_2 = frozenset(
    {"SASL-IR", "ENABLE", "IDLE", "NAMESPACE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH", "SEARCHRES", "LIST-EXTENDED"}
    | {"LIST-STATUS", "BINARY", "SPECIAL-USE", "STATUS=SIZE", "CHILDREN"}
)
"""Extensions that IMAP4rev2 includes (RFC 9051 §E)."""


def with_dependents(names: Iterable[str]) -> frozenset[str]:
    """Names in upper case, with the extensions that need them: without CONDSTORE there is no QRESYNC."""
    found: set[str] = set()
    pending = [name.upper() for name in names]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += _NEEDED_BY.get(name, ())
            pending += ["IMAP4REV2"] if name in _REVISION_2 else []
    return frozenset(found)


_MUST_WAIT = "a literal must wait for the continuation request"


class _Checked(Struct, frozen=True):
    """Grammar that refuses what uses a withheld extension."""

    grammar: Grammar
    withheld: frozenset[str]
    uses: tuple[Use, ...]
    max_plus: int
    """Maximum octets of a literal that is sent without waiting."""

    def __call__(self, reader: CommandReader, tag: str, /) -> AnyCommand:
        if _longest_plus(reader.octets) > self.max_plus:
            raise ImapGrammarError(_MUST_WAIT)
        command = self.grammar(reader, tag)
        if _unasked(command) > self.max_plus:
            raise ImapGrammarError(_MUST_WAIT)
        if any(use(command) for use in self.uses):
            raise ImapGrammarError("the command, or its argument, is unknown")
        if isinstance(command, Enable):
            return replace(
                command, extensions=tuple([name for name in command.extensions if name not in self.withheld])
            )
        return command


def _longest_plus(octets: bytes) -> int:
    """Octets of the longest literal that the client has sent without waiting, at least 1 if there is any."""
    longest = at = 0
    while (found := _PLUS.search(octets, at)) is not None:
        if found[2]:
            longest = max(longest, int(found[1]), 1)
        at = found.end() + int(found[1])
    return longest


def withhold(table: CommandTable, withheld: frozenset[str]) -> CommandTable:
    """Commands of a server without some extensions; what uses them is BAD."""
    uses = tuple([use for name, use in USES.items() if name in withheld])
    max_plus = 2**32 if "LITERAL+" not in withheld else MAX_PLUS if "LITERAL-" not in withheld else 0
    return {name: (states, _Checked(grammar, withheld, uses, max_plus)) for name, (states, grammar) in table.items()}


def is_command(event: Any) -> bool:
    """Whether an event is a command of the client, and not a part of one or a rejection."""
    return hasattr(event, "tag") and not isinstance(event, ImapRejected | LiteralWanted)


def without_multiappend(event: Any, withheld: frozenset[str], command: Any) -> Any:
    """The event; a second message of APPEND is a rejection if MULTIAPPEND is withheld. `command` is the APPEND."""
    if isinstance(event, AppendNext) and "MULTIAPPEND" in withheld:
        return ImapRejected(command.tag, "the end of the command is expected")
    return event
