"""Grammar of NOTIFY (RFC 5465 §8)."""

from __future__ import annotations

from mailstack.protocols.imap.fetch_grammar import fetch_items
from mailstack.protocols.imap.fetch_items import FetchItem
from mailstack.protocols.imap.notify_commands import (
    FLAG_CHANGE,
    MAILBOX_NAME,
    MESSAGE_EVENTS,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    SUBSCRIPTION_CHANGE,
    EventGroup,
    Notify,
)
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError, ImpossibleCommand

MAX_GROUPS = 100
"""Maximum groups of one NOTIFY."""
MAX_FOLDERS = 1000
"""Maximum names of one NOTIFY."""

_SELECTED = frozenset({"SELECTED", "SELECTED-DELAYED"})
_DYNAMIC = frozenset({"INBOXES", "PERSONAL", "SUBSCRIBED"})
_NAMED = frozenset({"SUBTREE", "MAILBOXES"})
_EVENTS = MESSAGE_EVENTS | {MAILBOX_NAME, SUBSCRIPTION_CHANGE}
_OTHER_EVENTS = frozenset({"ANNOTATIONCHANGE", "MAILBOXMETADATACHANGE", "SERVERMETADATACHANGE"})
_BAD_EVENT = "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)"


def notify(reader: CommandReader, tag: str) -> Notify:
    """NOTIFY; an event that is not offered is impossible [BADEVENT]."""
    reader.space()
    word = reader.word("SET or NONE")
    if word == "NONE":
        return Notify(tag)
    if word != "SET":
        raise ImapGrammarError("SET or NONE is expected")
    reader.space()
    with_status = not reader.is_next(b"(")
    if with_status:
        if reader.word("STATUS") != "STATUS":
            raise ImapGrammarError("STATUS is expected")
        reader.space()
    groups = [_group(reader)]
    names = len(groups[0].folders)
    while reader.skip_space():
        groups.append(_group(reader))
        names += len(groups[-1].folders)
        if len(groups) > MAX_GROUPS or names > MAX_FOLDERS:
            raise ImpossibleCommand("NOTIFY has too many mailboxes", "NOTIFICATIONOVERFLOW")
    if sum(group.is_selected for group in groups) > 1:
        raise ImapGrammarError("the selected mailbox has one group")
    return Notify(tag, tuple(groups), with_status)


def _group(reader: CommandReader) -> EventGroup:
    reader.expect(b"(")
    which = reader.word("mailboxes")
    if which not in _SELECTED | _DYNAMIC | _NAMED:
        raise ImapGrammarError("the mailboxes are unknown")
    folders: tuple[str, ...] = ()
    if which in _NAMED:
        reader.space()
        folders = _folders(reader)
    reader.space()
    events, items = _events(reader, which in _SELECTED)
    reader.expect(b")")
    return EventGroup(which, frozenset(events), folders, items)


def _folders(reader: CommandReader) -> tuple[str, ...]:
    if not reader.skip(b"("):
        return (reader.folder(),)
    folders = [reader.folder()]
    while not reader.skip(b")"):
        reader.space()
        folders.append(reader.folder())
        if len(folders) > MAX_FOLDERS:
            raise ImpossibleCommand("NOTIFY has too many mailboxes", "NOTIFICATIONOVERFLOW")
    return tuple(folders)


def _events(reader: CommandReader, is_selected: bool) -> tuple[set[str], tuple[FetchItem, ...]]:
    """Events, with the items of new messages; an order of events is that of the RFC, or any other."""
    events: set[str] = set()
    items: tuple[FetchItem, ...] = ()
    if not reader.skip(b"("):
        if reader.word("events") != "NONE":
            raise ImapGrammarError("events are expected")
        return events, items
    while not reader.skip(b")"):
        if events:
            reader.space()
        event = reader.word("an event")
        if event not in _EVENTS:
            if event in _OTHER_EVENTS:
                raise ImpossibleCommand("the event is not offered", _BAD_EVENT)
            raise ImpossibleCommand("the event is unknown", _BAD_EVENT)
        events.add(event)
        if event == MESSAGE_NEW and reader.skip(b" ("):
            reader.at -= 1
            items = fetch_items(reader)
    _check(events, items, is_selected)
    return events, items


def _check(events: set[str], items: tuple[FetchItem, ...], is_selected: bool) -> None:
    """Rules of RFC 5465 §5 and §6.1. Raises ImapGrammarError."""
    if (MESSAGE_NEW in events) != (MESSAGE_EXPUNGE in events):
        raise ImapGrammarError("MessageNew and MessageExpunge belong together")
    if FLAG_CHANGE in events and MESSAGE_NEW not in events:
        raise ImapGrammarError("FlagChange needs MessageNew and MessageExpunge")
    if items and not is_selected:
        raise ImapGrammarError("only the selected mailbox has fetch items")
    if is_selected and events - MESSAGE_EVENTS:
        raise ImapGrammarError("the selected mailbox has message events alone")
