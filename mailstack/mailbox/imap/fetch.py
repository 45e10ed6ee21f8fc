"""FETCH (RFC 3501 §6.4.5, RFC 7162 §3.1.4)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.letter import Content
from mailstack.letter.letter import CHUNK
from mailstack.mailbox.imap.capabilities import EnabledExtensions
from mailstack.mailbox.imap.content_items import ContentItems
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.fetch_plan import FetchPlan
from mailstack.mailbox.imap.flags import FlagStorage
from mailstack.mailbox.imap.message_text import MessageText
from mailstack.mailbox.imap.removed_messages import RemovedContents, removed_messages
from mailstack.mailbox.imap.selected import SLICE, SelectedMailbox, send_slices
from mailstack.mailbox.imap.vanished import removed_since
from mailstack.mailbox.login import SessionEnded
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Fetch
from mailstack.protocols.imap.sections import UnknownEncoding
from mailstack.protocols.imap.sequence_set import format_ranges
from mailstack.store import MailboxStore, StoreError
from mailstack.store.mailboxes import SEEN, Flags

_log = logging.getLogger(__name__)

MAX_MESSAGES = 64
"""Maximum messages that are read together."""

MAX_OCTETS = 262_144
"""Maximum octets of messages that are read together."""

MAX_COST = 131_072
"""Maximum octets of messages that are parsed in one turn of the reactor."""

MESSAGE_COST = 8192
"""Cost of each message in octets, besides its size."""


class FetchOutput:
    """Octets of responses, sent in large pieces at the speed of the client."""

    def __init__(self, dialogue: ImapDialogue) -> None:
        self._dialogue = dialogue
        self._octets = bytearray()
        self._start = self._cost = 0
        self._is_begun = False
        """Whether a part of the current response has been sent."""

    def begin(self, octets: bytes) -> None:
        """Starts the response for a message."""
        self._start, self._is_begun = len(self._octets), False
        self._octets += octets

    async def write(self, octets: bytes) -> None:
        self._octets += octets
        if len(self._octets) >= CHUNK:
            await self.flush()

    async def end(self, octets: bytes, size: int) -> None:
        """Ends the response for a message of `size` octets."""
        self._octets += octets
        self._cost += MESSAGE_COST + size
        if self._cost >= MAX_COST:
            self._cost = 0
            await self._dialogue.pause(0)

    async def flush(self) -> None:
        """Sends all; other sessions run. Raises SessionEnded."""
        self._dialogue.send(bytes(self._octets))
        self._octets.clear()
        self._cost, self._is_begun = 0, True
        await self._dialogue.drain()
        await self._dialogue.pause(0)

    def drop(self) -> None:
        """Drops the response that was begun. Raises SessionEnded if a part of it was sent, of a literal for example."""
        if self._is_begun:
            raise SessionEnded
        del self._octets[self._start :]


class Fetcher:
    """FETCH of one session."""

    def __init__(
        self, dialogue: ImapDialogue, mailboxes: MailboxStore, flags: FlagStorage, enabled: EnabledExtensions
    ) -> None:
        self._dialogue = dialogue
        self._mailboxes = mailboxes
        self._flags = flags
        self._enabled = enabled

    async def fetch(self, command: Fetch, selected: SelectedMailbox) -> None:
        """FETCH. Raises CommandRefused, StoreError; some messages may have been sent before."""
        plan = FetchPlan(command, self._enabled)
        if plan.has_modseq:
            self._enabled.enable(["CONDSTORE"])
        ranges = selected.resolve(command.messages, by_uid=command.by_uid)
        if command.vanished and command.changed_since is not None:
            await self._send_vanished(command, command.changed_since, selected)
        indexes: Iterable[int] = (index for span in ranges for index in span)
        if command.changed_since is not None:
            indexes = _changed(selected, indexes, command.changed_since)
        if plan.has_flags:
            await send_slices(self._dialogue, selected.new_keywords())
        fetched = await self._send(self._mailboxes, plan, selected, indexes)
        trouble = fetched.trouble
        for start in range(0, len(fetched.gone), SLICE):
            gone = fetched.gone[start : start + SLICE]
            # The view may not know of it yet, and has older flags of them.
            selected.view.log_removal([selected.uids[index] for index in gone])
            removed = await removed_messages(self._mailboxes, selected, gone)
            kept = await self._send(RemovedContents(self._mailboxes), plan, removed, gone)
            trouble = trouble or kept.trouble or (_GONE if kept.gone and not command.by_uid else None)
        if trouble is not None:
            raise trouble

    async def _send(
        self, mailboxes: ContentReader, plan: FetchPlan, selected: SelectedMailbox, indexes: Iterable[int]
    ) -> Fetched:
        """Sends the items of messages. Raises StoreError, SessionEnded."""
        if plan.contents:
            return await _ContentFetch(self._dialogue, mailboxes, self._flags, plan, selected).send(indexes)
        return await self._send_attributes(plan, selected, indexes)

    async def _send_vanished(self, command: Fetch, since: int, selected: SelectedMailbox) -> None:
        """VANISHED (EARLIER) (RFC 7162 §3.2.6)."""
        removed = await removed_since(self._mailboxes, selected, since, command.messages)
        if removed:
            self._dialogue.send(responses.vanished(format_ranges(removed), earlier=True))

    async def _send_attributes(self, plan: FetchPlan, selected: SelectedMailbox, indexes: Iterable[int]) -> Fetched:
        """Sends items that are in memory."""
        fetched = Fetched()

        def lines() -> Iterator[bytes]:
            for index in indexes:
                position = selected.position(index)
                if position is None:
                    fetched.gone.append(index)
                else:
                    yield plan.start(selected, index + 1, position) + b")\r\n"

        await send_slices(self._dialogue, lines())
        return fetched


def _changed(selected: SelectedMailbox, indexes: Iterable[int], since: int) -> Iterator[int]:
    """Messages with a greater mod-sequence."""
    for index in indexes:
        position = selected.position(index)
        if position is not None and selected.view.columns.modseqs[position] > since:
            yield index


_GONE = CommandRefused("some of the messages have been removed", "EXPUNGEISSUED")
_DAMAGED = CommandRefused("some of the messages can't be read", "SERVERBUG")
_UNKNOWN_ENCODING = CommandRefused("a part has an unknown Content-Transfer-Encoding", "UNKNOWN-CTE")


class ContentReader(Protocol):
    """Reader of contents: a `MailboxStore`, or `RemovedContents`."""

    async def read(self, mailbox: str, uid: int) -> Content: ...

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]: ...


class Fetched(Struct):
    """Messages that a FETCH has not sent."""

    gone: list[int] = []
    """Positions of removed messages."""
    trouble: CommandRefused | None = None
    """Trouble with other messages."""


class _ContentFetch:
    """One FETCH with items that need the content of the messages."""

    def __init__(
        self,
        dialogue: ImapDialogue,
        mailboxes: ContentReader,
        flags: FlagStorage,
        plan: FetchPlan,
        selected: SelectedMailbox,
    ) -> None:
        self._dialogue = dialogue
        self._mailboxes = mailboxes
        self._flags = flags
        self._plan = plan
        self._selected = selected
        self._output = FetchOutput(dialogue)
        self._items = ContentItems(plan.contents, self._output.write, utf8=dialogue.engine.utf8)
        self._fetched = Fetched()

    async def send(self, indexes: Iterable[int]) -> Fetched:
        """Sends all messages. Raises StoreError, SessionEnded."""
        batch: list[int] = []
        octets = 0
        for index in indexes:
            position = self._selected.position(index)
            if position is None:
                self._fetched.gone.append(index)
                continue
            size = self._selected.view.columns.sizes[position]
            if batch and (len(batch) >= MAX_MESSAGES or octets + size > MAX_OCTETS):
                await self._send_batch(batch)
                batch, octets = [], 0
            batch.append(index)
            octets += size
        if batch:
            await self._send_batch(batch)
        await self._output.flush()
        return self._fetched

    async def _send_batch(self, batch: list[int]) -> None:
        selected, uids = self._selected, [self._selected.uids[index] for index in batch]
        contents: dict[int, Content] = {}
        if len(uids) > 1:
            contents = await self._mailboxes.read_together(selected.view.mailbox, uids)
        newly_seen = await self._set_seen(uids)
        for index, uid in zip(batch, uids, strict=True):
            content = contents.pop(uid, None) or await self._read(index, uid)
            if content is not None:
                await self._send_message(index, content, with_flags=uid in newly_seen)

    async def _read(self, index: int, uid: int) -> Content | None:
        """Reads one message; None for a removed or damaged one, which is noted."""
        try:
            return await self._mailboxes.read(self._selected.view.mailbox, uid)
        except KeyError:
            self._fetched.gone.append(index)
        except StoreError as error:
            self._note_damage(uid, error)
        return None

    async def _set_seen(self, uids: list[int]) -> set[int]:
        r"""Sets \Seen of messages without it; returns their uids."""
        selected = self._selected
        if not self._plan.sets_seen or selected.read_only:
            return set()
        columns = selected.view.columns
        unseen = [uid for uid in uids if (at := columns.position(uid)) is not None and not columns.system[at] & SEEN]
        if not unseen:
            return set()
        stored = await self._flags.add_seen(unseen, selected, Flags(SEEN, 0))
        return {uid for uid, _ in stored.changed}

    async def _send_message(self, index: int, content: Content, *, with_flags: bool) -> None:
        selected, plan = self._selected, self._plan
        text = MessageText(content, self._dialogue.pause)
        position = selected.position(index)
        if position is None:
            self._fetched.gone.append(index)
            return
        start = plan.start(selected, index + 1, position)
        if with_flags:
            start += plan.new_flags(selected, position)
        self._output.begin(start)
        try:
            await text.load()
            await self._items.write(text, is_first=start.endswith(b"("))
            await self._output.end(b")\r\n", min(text.size, MAX_OCTETS))
        except UnknownEncoding:
            self._output.drop()
            self._fetched.trouble = _UNKNOWN_ENCODING
        except StoreError as error:
            self._output.drop()
            self._note_damage(selected.uids[index], error)

    def _note_damage(self, uid: int, error: StoreError) -> None:
        _log.error("can't read message %d of %s: %s", uid, self._selected.view.mailbox, error)
        self._fetched.trouble = _DAMAGED
