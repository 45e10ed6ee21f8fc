"""Mailbox copy of a simulated IMAP client, and its synchronization."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.imap.client import ImapData
from mailstack.protocols.imap.client_results import (
    CommandResult,
    FetchedMessage,
    fetched_messages,
    folder_argument,
    number,
    pairs,
    selected_folder,
    words,
)
from mailstack.protocols.imap.client_session import ImapClientSession
from mailstack.protocols.imap.response_values import Value
from mailstack.protocols.imap.sequence_set import format_set, parse_set
from mailstack.sandbox.simulation.collected import CollectedLetter


class SyncedMessage(Struct, frozen=True):
    """Message in the copy of a folder."""

    uid: int
    """UID in the folder."""
    flags: frozenset[str]
    r"""Flags and keywords, without \Recent."""
    letter: CollectedLetter
    """Content of the message."""


class SyncedMailbox(Struct, frozen=True):
    """Folder as a reader has it after a synchronization, and the differences from the synchronization before."""

    validity: int
    """UIDVALIDITY. With another one than before, all known messages are `removed`."""
    modseq: int
    """HIGHESTMODSEQ; 0 from a server without CONDSTORE."""
    messages: tuple[SyncedMessage, ...]
    """All messages in the order of their UIDs."""
    new: tuple[SyncedMessage, ...]
    """Messages that were added."""
    changed: tuple[SyncedMessage, ...]
    """Known messages with other flags than before."""
    removed: tuple[SyncedMessage, ...]
    """Messages that are gone, as they were known."""


class IdleNews(Struct, frozen=True):
    """Response of a server in IDLE."""

    at: float
    """Virtual seconds since the start of the simulation."""
    name: str
    """Name of the response: "EXISTS", "EXPUNGE", "FETCH" …"""
    number: int | None
    """Number of messages in EXISTS; number of the message in EXPUNGE and FETCH; None without one."""
    flags: frozenset[str] = frozenset()
    r"""Flags in FETCH, without \Recent."""


class MailboxCopy:
    """Copy of one folder in a client that is offline between two synchronizations (RFC 4549)."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._validity = 0
        self._modseq = 0
        self._messages: dict[int, SyncedMessage] = {}

    async def sync(self, session: ImapClientSession, *, qresync: bool) -> SyncedMailbox:
        """Selects the folder and brings the copy up to date; `qresync` asks for changes only (RFC 7162 §3.2.5)."""
        if qresync:
            await session.enable("QRESYNC")
        is_quick = qresync and self._modseq > 0
        known = b"(QRESYNC (%d %d))" % (self._validity, self._modseq)
        result = await session.command(b"SELECT", folder_argument(self._folder), *([known] if is_quick else []))
        selected, before = selected_folder(result), self._messages
        is_same = selected.validity == self._validity
        if is_quick and is_same:
            flags = {uid: message.flags for uid, message in before.items()} | _flags_by_uid(fetched_messages(result))
            for uid in _vanished(result, before):
                flags.pop(uid, None)
        else:
            flags = _flags_by_uid(await session.fetch("1:*", "(FLAGS)"))
        old = before if is_same else {}
        letters = await _letters(session, sorted(flags.keys() - old.keys()))
        after = {
            uid: SyncedMessage(uid, flags[uid], old[uid].letter if uid in old else letters[uid])
            for uid in sorted(flags)
            if uid in old or uid in letters
        }
        self._validity, self._modseq, self._messages = selected.validity, selected.modseq, after
        return SyncedMailbox(
            selected.validity,
            selected.modseq,
            tuple(after.values()),
            new=tuple([message for uid, message in after.items() if uid not in old]),
            changed=tuple([message for uid, message in after.items() if uid in old and message != old[uid]]),
            removed=tuple([message for uid, message in before.items() if uid not in after or not is_same]),
        )


def read_news(data: ImapData, at: float) -> IdleNews:
    """News of one untagged response."""
    items = pairs(data.values[0]) if data.name == "FETCH" and data.values else {}
    return IdleNews(at, data.name, data.number, _flags(items.get("FLAGS")))


async def _letters(session: ImapClientSession, uids: list[int]) -> dict[int, CollectedLetter]:
    """Contents by UID; a message removed meanwhile has none."""
    if not uids:
        return {}
    found = await session.fetch(format_set(uids), "(BODY.PEEK[])")
    return {
        number(each.items.get("UID")): CollectedLetter(content)
        for each in found
        if isinstance(content := each.items.get("BODY[]"), bytes)
    }


def _flags_by_uid(messages: list[FetchedMessage]) -> dict[int, frozenset[str]]:
    return {
        number(each.items["UID"]): _flags(each.items["FLAGS"])
        for each in messages
        if "UID" in each.items and "FLAGS" in each.items
    }


def _vanished(result: CommandResult, known: dict[int, SyncedMessage]) -> list[int]:
    """Known UIDs in VANISHED responses (RFC 7162 §3.2.10)."""
    sets = [data.values[-1] for data in result.named("VANISHED") if data.values]
    ranges = [pair for uids in sets if isinstance(uids, str) for pair in parse_set(uids.encode()).ranges]
    return [uid for uid in known if any(first <= uid <= last for first, last in ranges)]


def _flags(value: Value) -> frozenset[str]:
    return frozenset(words(value)) - {"\\Recent"}
