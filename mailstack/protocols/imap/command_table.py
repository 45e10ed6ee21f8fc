"""Command table of IMAP: states and grammar of each command (RFC 3501 §3, §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from mailstack.protocols.imap import (
    append_grammar,
    fetch_grammar,
    folder_grammar,
    message_grammar,
    notify_grammar,
    session_grammar,
    sort_grammar,
)
from mailstack.protocols.imap.commands import (
    AnyCommand,
    Capability,
    Close,
    Idle,
    ImapNoop,
    ImapStartTls,
    Logout,
    Namespace,
)
from mailstack.protocols.imap.session_grammar import bare
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError
from mailstack.protocols.imap.update_commands import cancel_update


class ImapState(Enum):
    """State of a session (RFC 3501 §3)."""

    NOT_AUTHENTICATED = "before login"
    AUTHENTICATED = "without a selected mailbox"
    SELECTED = "while a mailbox is selected"
    LOGOUT = "after LOGOUT"


# Tuples, because the hash of an Enum is slow.
_BEFORE = (ImapState.NOT_AUTHENTICATED,)
_AFTER = (ImapState.AUTHENTICATED, ImapState.SELECTED)
_SELECTED = (ImapState.SELECTED,)
_ANY = _BEFORE + _AFTER

Grammar = Callable[[CommandReader, str], AnyCommand]
"""Parser of the arguments of one command, after its name; its second argument is the tag."""


_UID_FORMS: dict[str, Grammar] = {
    "FETCH": lambda reader, tag: fetch_grammar.fetch(reader, tag, by_uid=True),
    "STORE": lambda reader, tag: message_grammar.store(reader, tag, by_uid=True),
    "SEARCH": lambda reader, tag: sort_grammar.search(reader, tag, by_uid=True),
    "SORT": lambda reader, tag: sort_grammar.sort(reader, tag, by_uid=True),
    "THREAD": lambda reader, tag: sort_grammar.thread(reader, tag, by_uid=True),
    "COPY": lambda reader, tag: message_grammar.copy(reader, tag, by_uid=True),
    "MOVE": lambda reader, tag: message_grammar.move(reader, tag, by_uid=True),
    "REPLACE": lambda reader, tag: append_grammar.replace(reader, tag, by_uid=True),
    "EXPUNGE": message_grammar.uid_expunge,
}


def _uid(reader: CommandReader, tag: str) -> AnyCommand:
    reader.space()
    grammar = _UID_FORMS.get(reader.word("a command"))
    if grammar is None:
        raise ImapGrammarError("the command has no UID form")
    return grammar(reader, tag)


CommandTable = Mapping[bytes, tuple[tuple[ImapState, ...], Grammar]]
"""States in which each command is allowed, and the grammar of its arguments."""

COMMANDS: CommandTable = {
    b"CAPABILITY": (_ANY, bare(Capability)),
    b"NOOP": (_ANY, bare(ImapNoop)),
    b"LOGOUT": (_ANY, bare(Logout)),
    b"ID": (_ANY, session_grammar.id_),
    b"STARTTLS": (_BEFORE, bare(ImapStartTls)),
    b"LOGIN": (_BEFORE, session_grammar.login),
    b"AUTHENTICATE": (_BEFORE, session_grammar.authenticate),
    b"ENABLE": (_AFTER, session_grammar.enable),
    b"SELECT": (_AFTER, folder_grammar.select),
    b"EXAMINE": (_AFTER, folder_grammar.examine),
    b"CREATE": (_AFTER, folder_grammar.create),
    b"DELETE": (_AFTER, folder_grammar.delete),
    b"RENAME": (_AFTER, folder_grammar.rename),
    b"SUBSCRIBE": (_AFTER, folder_grammar.subscribe),
    b"UNSUBSCRIBE": (_AFTER, folder_grammar.unsubscribe),
    b"LIST": (_AFTER, folder_grammar.list_),
    b"LSUB": (_AFTER, folder_grammar.lsub),
    b"NAMESPACE": (_AFTER, bare(Namespace)),
    b"STATUS": (_AFTER, folder_grammar.status),
    b"NOTIFY": (_AFTER, notify_grammar.notify),
    b"APPEND": (_AFTER, append_grammar.append),
    b"IDLE": (_AFTER, bare(Idle)),
    b"GETQUOTA": (_AFTER, session_grammar.get_quota),
    b"GETQUOTAROOT": (_AFTER, session_grammar.get_quota_root),
    b"COMPRESS": (_AFTER, session_grammar.compress),
    b"CHECK": (_SELECTED, session_grammar.check),
    b"CANCELUPDATE": (_SELECTED, cancel_update),
    b"CLOSE": (_SELECTED, bare(lambda tag: Close(tag, expunges=True))),
    b"UNSELECT": (_SELECTED, bare(lambda tag: Close(tag, expunges=False))),
    b"EXPUNGE": (_SELECTED, message_grammar.expunge),
    b"SEARCH": (_SELECTED, sort_grammar.search),
    b"SORT": (_SELECTED, sort_grammar.sort),
    b"THREAD": (_SELECTED, sort_grammar.thread),
    b"FETCH": (_SELECTED, fetch_grammar.fetch),
    b"STORE": (_SELECTED, message_grammar.store),
    b"COPY": (_SELECTED, message_grammar.copy),
    b"MOVE": (_SELECTED, message_grammar.move),
    b"REPLACE": (_SELECTED, append_grammar.replace),
    b"UID": (_SELECTED, _uid),
}
"""All commands of the server."""
