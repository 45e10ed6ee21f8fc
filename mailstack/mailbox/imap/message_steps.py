"""Journey steps of messages in folders: read, moved, expunged.

They are stored behind the change that they describe, before the command is answered, and never hinder it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step, StepName
from mailstack.mailbox.imap.dialogue import ImapDialogue
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.mailbox.imap.service import ImapService
from mailstack.store import StoreError
from mailstack.store.folders import Folder
from mailstack.store.mailboxes import SEEN, Copied, Expunged, FlagChange, FlagsStored

_log = logging.getLogger(__name__)


class MessageSteps:
    """Recorder of one session. A command has at most `ImapLimits.journey_messages` steps; 0: none."""

    def __init__(self, dialogue: ImapDialogue, service: ImapService, account: str) -> None:
        self._dialogue = dialogue
        self._service = service
        self._account = account
        self._limit = service.limits.journey_messages

    def facts(self, folder: str) -> dict[str, Any]:
        """Facts of a step: account, folder, client, TLS."""
        remote, tls = self._dialogue.remote, self._dialogue.tls
        facts: dict[str, Any] = {
            "by": self._account,
            "folder": folder,
            "client": remote.host if remote is not None else "",
        }
        if tls is not None:
            facts["tls"] = {"version": tls.version, "cipher": tls.cipher}
        return facts

    def newly_seen(self, stored: FlagsStored, change: FlagChange, selected: SelectedMailbox) -> list[int]:
        r"""Uids that a change has given \Seen; asked before the view has the change."""
        if not self._limit or not change.added.system & SEEN:
            return []
        columns = selected.view.columns
        updated = islice(stored.updated, self._limit)
        return [uid for uid in updated if (at := columns.position(uid)) is not None and not columns.system[at] & SEEN]

    async def record_read(self, uids: Sequence[int], selected: SelectedMailbox) -> None:
        r"""Records the first \Seen of messages by this account."""
        if self._limit and uids:
            await self._record("read", self.facts(selected.folder.path), mailbox=selected.view.mailbox, uids=uids)

    async def record_moved(self, copied: Copied, source: Folder, target: Folder) -> None:
        """Records messages that have moved to another folder; `use` is the special use of that (RFC 6154)."""
        if self._limit and copied.uids:
            facts = {**self.facts(target.path), "source": source.path}
            if target.use:
                facts["use"] = target.use
            await self._record("moved", facts, mailbox=target.mailbox, uids=copied.uids)

    async def record_expunged(self, expunged: Expunged, folder: Folder) -> None:
        """Records removed messages."""
        if self._limit and expunged.letters:
            await self._record("expunged", self.facts(folder.path), letters=expunged.letters)

    async def letters_of(self, mailbox: str, uids: Sequence[int]) -> Sequence[LetterId]:
        """Letters of messages that are about to be removed; none if nothing is recorded. Raises StoreError."""
        return await self._service.mailboxes.letters_of(mailbox, uids[: self._limit]) if self._limit else ()

    async def _record(
        self,
        name: StepName,
        facts: dict[str, Any],
        *,
        letters: Sequence[LetterId] = (),
        mailbox: str = "",
        uids: Sequence[int] = (),
    ) -> None:
        service = self._service
        try:
            found = letters or await self.letters_of(mailbox, uids)
            now, server = service.clock.now(), service.hostname
            steps = [Step(letter, now, server, name, facts) for letter in dict.fromkeys(found[: self._limit])]
            service.journal.record(await service.history.add_steps(steps))
        except StoreError as error:
            _log.error("can't record that messages of %s were %s: %s", self._account, name, error)
