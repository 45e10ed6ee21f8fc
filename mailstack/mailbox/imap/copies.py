"""COPY, MOVE and EXPUNGE (RFC 3501 §6.4.3, §6.4.7, RFC 4315, RFC 6851)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.mailbox.imap.dialogue import ImapDialogue
from mailstack.mailbox.imap.folders import FolderCommands
from mailstack.mailbox.imap.message_steps import MessageSteps
from mailstack.mailbox.imap.quota import AccountQuota
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Expunge, ImapCopy
from mailstack.protocols.imap.sequence_set import format_set
from mailstack.store import MailboxStore
from mailstack.store.mailboxes import Copied, Expunged


class MessageCopies:
    """COPY, MOVE and EXPUNGE of one session."""

    def __init__(
        self,
        dialogue: ImapDialogue,
        folders: FolderCommands,
        mailboxes: MailboxStore,
        quota: AccountQuota,
        steps: MessageSteps,
        *,
        account: str,
        now: Callable[[], float],
    ) -> None:
        """`now` returns seconds since 1970."""
        self._dialogue = dialogue
        self._folders = folders
        self._mailboxes = mailboxes
        self._quota = quota
        self._steps = steps
        self._account = account
        self._now = now

    async def copy(self, command: ImapCopy, selected: SelectedMailbox) -> str:
        """COPY and MOVE; returns the response code. Raises CommandRefused, OverQuota, StoreError."""
        if command.moves:
            selected.check_writable()
        ranges = selected.resolve(command.messages, by_uid=command.by_uid)
        target = await self._folders.target(command.folder)
        uids, source = selected.uids_of(ranges), selected.view.mailbox
        if not uids:
            return ""
        if command.moves:
            copied, expunged = await self._mailboxes.move(source, uids, target.mailbox, self._now())
            if code := _copy_uid(copied):
                self._dialogue.send(responses.untagged_ok("moved", code))
            _remove(selected, expunged)
            await self._steps.record_moved(copied, selected.folder, target)
            return ""
        await self._quota.check(self._account, _octets(selected, ranges))
        return _copy_uid(await self._mailboxes.copy(source, uids, target.mailbox, self._now()))

    async def expunge(self, command: Expunge, selected: SelectedMailbox) -> str:
        """EXPUNGE and UID EXPUNGE; returns the response code (RFC 7162 §3.2.7)."""
        selected.check_writable()
        uids = None
        if command.uids is not None:
            uids = selected.uids_of(selected.resolve(command.uids, by_uid=True))
            if not uids:
                return ""
        expunged = await self._mailboxes.expunge(selected.view.mailbox, uids)
        _remove(selected, expunged)
        await self._steps.record_expunged(expunged, selected.folder)
        return f"HIGHESTMODSEQ {expunged.modseq}" if expunged.uids else ""


def _remove(selected: SelectedMailbox, expunged: Expunged) -> None:
    """Removes messages from the view; the news of the command have their EXPUNGE responses."""
    selected.view.log_removal(expunged.uids)
    if expunged.uids:
        selected.view.advance(expunged.modseq)
    elif expunged.modseq > selected.view.modseq:
        # Another process may have removed them; the news of the command have its removals.
        selected.view.is_stale = True


def _copy_uid(copied: Copied) -> str:
    """COPYUID (RFC 4315 §3); "" if nothing was copied."""
    if not copied.uids:
        return ""
    return f"COPYUID {copied.validity} {format_set(copied.source_uids)} {format_set(copied.uids)}"


def _octets(selected: SelectedMailbox, ranges: list[range]) -> int:
    sizes = selected.view.columns.sizes
    positions = (selected.position(index) for span in ranges for index in span)
    return sum([sizes[position] for position in positions if position is not None])
