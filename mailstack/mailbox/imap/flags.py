"""STORE of flags (RFC 3501 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstack.mailbox.imap.capabilities import EnabledExtensions
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.mailbox_view import SYSTEM_FLAGS, MailboxView
from mailstack.mailbox.imap.message_steps import MessageSteps
from mailstack.mailbox.imap.removed_messages import removed_messages
from mailstack.mailbox.imap.selected import SelectedMailbox, send_slices
from mailstack.protocols.imap.commands import StoreFlags
from mailstack.protocols.imap.sequence_set import format_set
from mailstack.store import MailboxStore
from mailstack.store.mailboxes import MAX_KEYWORDS, FlagChange, Flags, FlagsStored

APPLIED_AT_ONCE = 2000
"""Messages that get new flags in the view in one turn of the reactor."""

ALL_FLAGS = Flags(31, (1 << MAX_KEYWORDS) - 1)

_SYSTEM = {name.lower(): 1 << bit for bit, name in enumerate(SYSTEM_FLAGS)}


async def flags_for(mailboxes: MailboxStore, mailbox: str, names: Sequence[str]) -> tuple[Flags, dict[str, int]]:
    r"""Bits of flags that a client sets, with the numbers of their keywords, which are added to the mailbox.

    Raises CommandRefused for unknown system flags, such as \Recent, and for too many keywords; StoreError.
    """
    system = 0
    for name in names:
        if name.startswith("\\"):
            if name.lower() not in _SYSTEM:
                raise CommandRefused("the system flag can't be set", "CANNOT", status="BAD")
            system |= _SYSTEM[name.lower()]
    keywords = list(dict.fromkeys(name for name in names if not name.startswith("\\")))
    if not keywords:
        return Flags(system, 0), {}
    numbers = await mailboxes.add_keywords(mailbox, keywords)
    if len(numbers) < len(keywords):
        raise CommandRefused(f"a mailbox has at most {MAX_KEYWORDS} keywords", "LIMIT")
    return Flags(system, sum({1 << number for number in numbers.values()})), numbers


class FlagStorage:
    """STORE of one session."""

    def __init__(
        self, dialogue: ImapDialogue, mailboxes: MailboxStore, enabled: EnabledExtensions, steps: MessageSteps
    ) -> None:
        self._steps = steps
        self._dialogue = dialogue
        self._mailboxes = mailboxes
        self._enabled = enabled

    async def store(self, command: StoreFlags, selected: SelectedMailbox) -> str:
        """STORE; returns the response code. Raises CommandRefused, StoreError."""
        if command.unchanged_since is not None:
            self._enabled.enable(["CONDSTORE"])
        selected.check_writable()
        uids = selected.uids_of(selected.resolve(command.messages, by_uid=command.by_uid))
        change = await self._change(command, selected.view)
        if not uids:
            return ""
        stored = await self._store(uids, change, selected, unchanged_since=command.unchanged_since)
        is_told = "CONDSTORE" in self._enabled
        if not command.silent:
            await self._send_flags([*[uid for uid, _ in stored.changed], *stored.removed], selected)
        elif is_told:
            await send_slices(self._dialogue, _modseq_lines(selected, stored))
        return self._modified(stored, selected, by_uid=command.by_uid)

    async def _send_flags(self, uids: Sequence[int], selected: SelectedMailbox) -> None:
        """FETCH with the flags of messages, of removed ones too while the client has numbers for them."""
        indexes = [index for uid in uids if (index := selected.index(uid)) is not None]
        await send_slices(self._dialogue, selected.flag_lines_of(indexes))
        if gone := [index for index in indexes if selected.position(index) is None]:
            removed = await removed_messages(self._mailboxes, selected, gone)
            await send_slices(self._dialogue, removed.flag_lines_of(gone))

    async def add_seen(self, uids: Sequence[int], selected: SelectedMailbox, seen: Flags) -> FlagsStored:
        """Sets a flag of messages that a FETCH has read; their FETCH responses have the new flags. Raises StoreError."""
        return await self._store(uids, FlagChange(added=seen), selected)

    async def _store(
        self, uids: Sequence[int], change: FlagChange, selected: SelectedMailbox, *, unchanged_since: int | None = None
    ) -> FlagsStored:
        view = selected.view
        stored = await self._mailboxes.store_flags(view.mailbox, uids, change, unchanged_since=unchanged_since)
        read = self._steps.newly_seen(stored, change, selected)
        await self.apply(stored, view, selected)
        await self._steps.record_read(read, selected)
        return stored

    async def apply(self, stored: FlagsStored, view: MailboxView, origin: SelectedMailbox) -> None:
        """Changes the flags in the view, for all its sessions."""
        # The flags that the view has of these are old.
        view.log_removal(stored.removed)
        updated = set(stored.updated)
        for start in range(0, len(stored.changed), APPLIED_AT_ONCE):
            if start:
                await self._dialogue.pause(0)
            changed = stored.changed[start : start + APPLIED_AT_ONCE]
            view.store_flags([each for each in changed if each[0] in updated], stored.modseq, origin)
        if stored.updated:
            view.advance(stored.modseq)

    async def _change(self, command: StoreFlags, view: MailboxView) -> FlagChange:
        if command.mode == "-FLAGS":
            return FlagChange(removed=view.mask(command.flags))
        added, numbers = await flags_for(self._mailboxes, view.mailbox, command.flags)
        view.learn_keywords(numbers)
        return FlagChange(added=added, removed=ALL_FLAGS if command.mode == "FLAGS" else Flags(0, 0))

    def _modified(self, stored: FlagsStored, selected: SelectedMailbox, *, by_uid: bool) -> str:
        """MODIFIED with the messages that were changed since (RFC 7162 §3.1.3)."""
        if not stored.refused:
            return ""
        refused = sorted(stored.refused)
        if not by_uid:
            refused = [index + 1 for uid in refused if (index := selected.index(uid)) is not None]
        return f"MODIFIED {format_set(refused)}"


def _modseq_lines(selected: SelectedMailbox, stored: FlagsStored) -> Iterator[bytes]:
    """FETCH with the new mod-sequences, which a silent STORE returns as well (RFC 7162 §3.1.3)."""
    for uid, _ in stored.changed:
        index = selected.index(uid)
        position = None if index is None else selected.position(index)
        if index is not None and position is not None:
            yield b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (index + 1, uid, selected.view.columns.modseqs[position])
