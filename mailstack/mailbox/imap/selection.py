"""SELECT, EXAMINE, CLOSE and UNSELECT (RFC 3501 §6.3.1, RFC 7162 §3.2.5)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mailstack.mailbox.imap.capabilities import REV2, EnabledExtensions
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.folders import FolderCommands, mailbox_id
from mailstack.mailbox.imap.message_steps import MessageSteps
from mailstack.mailbox.imap.selected import SelectedMailbox, send_slices
from mailstack.mailbox.imap.service import ImapService
from mailstack.mailbox.imap.vanished import vanished_since
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Close, Qresync, Select
from mailstack.protocols.imap.sequence_set import format_ranges


class Selection:
    """Selected mailbox of one session, or none."""

    def __init__(
        self,
        dialogue: ImapDialogue,
        service: ImapService,
        folders: FolderCommands,
        enabled: EnabledExtensions,
        steps: MessageSteps,
    ) -> None:
        self._steps = steps
        self._dialogue = dialogue
        self._service = service
        self._folders = folders
        self._enabled = enabled
        self._selected: SelectedMailbox | None = None

    @property
    def mailbox(self) -> SelectedMailbox | None:
        """The selected mailbox; None in the authenticated state."""
        return self._selected

    @property
    def current(self) -> SelectedMailbox:
        """The selected mailbox, for commands of the selected state."""
        assert self._selected is not None, "the engine permits this command in the selected state only"
        return self._selected

    def close(self) -> None:
        """Leaves the mailbox."""
        if self._selected is not None:
            self._selected.view.wakers.discard(self._dialogue.wake)
            self._service.views.release(self._selected.view)
            self._selected = None
            self._dialogue.engine.unselected()

    async def select(self, command: Select) -> str:
        """SELECT and EXAMINE; returns the response code. A failure leaves no mailbox selected."""
        if command.qresync is not None and "QRESYNC" not in self._enabled:
            raise CommandRefused("QRESYNC has not been enabled", status="BAD")
        had_selected = self._selected is not None
        self.close()
        if had_selected and ("QRESYNC" in self._enabled or REV2 in self._enabled):
            self._dialogue.send(responses.untagged_ok("the previous mailbox is closed", "CLOSED"))
        if command.condstore:
            self._enabled.enable(["CONDSTORE"])
        folder = await self._folders.find(command.folder)
        view = await self._service.views.open(folder.mailbox)
        self._selected = selected = SelectedMailbox(view, folder, self._enabled, read_only=command.read_only)
        self._dialogue.engine.selected()
        await selected.recent.claim(self._service.mailboxes, selected.known)
        self._send_state(selected)
        if command.qresync is not None:
            await self._resynchronize(selected, command.qresync)
        return "READ-ONLY" if command.read_only else "READ-WRITE"

    def _send_state(self, selected: SelectedMailbox) -> None:
        view = selected.view
        octets = [selected.flag_lines(), responses.exists(selected.count)]
        if REV2 in self._enabled:
            # RFC 9051 §6.3.2: the name of the mailbox, and neither RECENT nor UNSEEN.
            octets.append(responses.list_line([], selected.folder.path, utf8=True))
        else:
            octets.append(selected.recent.report())
        if REV2 not in self._enabled and (unseen := view.first_unseen) is not None:
            octets.append(responses.untagged_ok("first unseen message", f"UNSEEN {unseen + 1}"))
        octets += [
            responses.untagged_ok("UIDs valid", f"UIDVALIDITY {view.validity}"),
            responses.untagged_ok("predicted next UID", f"UIDNEXT {view.next_uid}"),
            responses.untagged_ok("highest mod-sequence", f"HIGHESTMODSEQ {selected.modseq}"),
            responses.untagged_ok("mailbox id", f"MAILBOXID ({mailbox_id(selected.folder.mailbox)})"),
        ]
        self._dialogue.send(b"".join(octets))

    async def _resynchronize(self, selected: SelectedMailbox, known: Qresync) -> None:
        """VANISHED (EARLIER), then the changed messages (RFC 7162 §3.2.5.1)."""
        if known.validity != selected.view.validity:
            return
        ranges = await vanished_since(self._service.mailboxes, selected, known)
        if ranges:
            self._dialogue.send(responses.vanished(format_ranges(ranges), earlier=True))
        modseqs = selected.view.columns.modseqs
        # Meanwhile the view may have lost messages that still have a number here.
        found = ((index, selected.position(index)) for index in _positions(selected, known))
        changed = [index for index, at in found if at is not None and modseqs[at] > known.modseq]
        await send_slices(self._dialogue, selected.flag_lines_of(changed))
        self._dialogue.send(selected.reported_modseq())

    async def leave(self, command: Close) -> None:
        """CLOSE, which expunges silently, and UNSELECT (RFC 3501 §6.4.2, RFC 3691)."""
        selected = self.current
        if command.expunges and not selected.read_only:
            expunged = await self._service.mailboxes.expunge(selected.view.mailbox)
            await self._steps.record_expunged(expunged, selected.folder)
        self.close()


def _positions(selected: SelectedMailbox, known: Qresync) -> Sequence[int]:
    """Positions of the uids that a client has; all without a list of them."""
    if known.uids is None:
        return range(selected.count)
    return array("I", [at for span in selected.resolve(known.uids, by_uid=True) for at in span])
