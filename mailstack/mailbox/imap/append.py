"""APPEND of messages, and REPLACE (RFC 3501, RFC 3502, RFC 8508)."""

from __future__ import annotations

import re

from mailstack.letter import Arrival, Content, Envelope, Letter, new_letter_id
from mailstack.letter.delivery import Step
from mailstack.letter.mime.conversion import Domain, Unconvertible, convert
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.flags import flags_for
from mailstack.mailbox.imap.folders import FolderCommands
from mailstack.mailbox.imap.message_steps import MessageSteps
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.mailbox.imap.service import ImapService
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import (
    Append,
    AppendedMessage,
    AppendEnd,
    AppendNext,
    ImapRejected,
    MessageOctets,
    Replace,
)
from mailstack.protocols.imap.sequence_set import SequenceSet, format_set
from mailstack.store import ContentWriter
from mailstack.store.folders import Folder
from mailstack.store.mailboxes import AppendedLetter, Expunged

_BARE_LF = re.compile(rb"(?<!\r)\n")


class LineEnds:
    """Changes bare LF to CRLF in octets that come in pieces, so that every line of a content ends in CRLF."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, octets: bytes) -> bytes:
        """The next octets with their line ends."""
        if not octets:
            return b""
        first = b""
        if self._after_cr and octets.startswith(b"\n"):
            first, octets = b"\n", octets[1:]
        self._after_cr = octets.endswith(b"\r") if octets else False
        return first + _BARE_LF.sub(b"\r\n", octets)


class Appender:
    """APPEND of one session."""

    def __init__(
        self,
        dialogue: ImapDialogue,
        service: ImapService,
        folders: FolderCommands,
        steps: MessageSteps,
        *,
        account: str,
    ) -> None:
        self._steps = steps
        self._dialogue = dialogue
        self._service = service
        self._folders = folders
        self._account = account

    async def append(self, command: Append) -> str:
        """Stores all messages in one transaction; returns the response code.

        Raises CommandRefused, OverQuota, StoreError: then nothing was stored.
        """
        return await self._store(command, None)

    async def replace(self, command: Replace, selected: SelectedMailbox) -> None:
        """REPLACE: stores a message and removes another one in one transaction (RFC 8508). Raises as `append`."""
        selected.check_writable()
        numbers = SequenceSet(((command.number, command.number),))
        (uid,) = selected.uids_of(selected.resolve(numbers, by_uid=command.by_uid)) or (0,)
        if not uid:
            raise CommandRefused("no such message", "NONEXISTENT")
        letters = await self._steps.letters_of(selected.view.mailbox, [uid])
        code = await self._store(command, (selected.view.mailbox, uid))
        await self._steps.record_expunged(Expunged([uid], 0, letters), selected.folder)
        # RFC 8508 §3.4: before the EXPUNGE of the replaced message.
        self._dialogue.send(responses.untagged_ok("replacement stored", code))

    async def _store(self, command: Append | Replace, replaced: tuple[str, int] | None) -> str:
        folder = await self._folders.target(command.folder)
        writers: list[ContentWriter] = []
        try:
            letters = await self._receive_all(command.message, folder, writers)
            steps = [self._step(each.letter, folder) for each in letters]
            appended = await self._service.mailboxes.append(folder.mailbox, letters, steps, replaced=replaced)
        except BaseException:
            for writer in writers:
                writer.discard()
            raise
        self._service.journal.record(steps)
        return f"APPENDUID {appended.validity} {format_set(appended.uids)}"

    def _step(self, letter: Letter, folder: Folder) -> Step:
        """Step of the journey, which begins and ends here."""
        facts = self._steps.facts(folder.path)
        return Step(letter.id, letter.arrival.at, letter.arrival.server, "appended", facts)

    async def _receive_all(
        self, message: AppendedMessage, folder: Folder, writers: list[ContentWriter]
    ) -> list[AppendedLetter]:
        letters: list[AppendedLetter] = []
        octets = 0
        while True:
            octets += message.size
            await self._check(message, octets, len(letters))
            flags, _ = await flags_for(self._service.mailboxes, folder.mailbox, message.flags)
            writer = self._service.contents.new()
            writers.append(writer)
            self._dialogue.send(self._dialogue.engine.accept_literal())
            following = await self._receive(writer, message)
            content = await writer.finish()
            if message.is_binary:
                content = await self._converted(content, writers)
            now = self._service.clock.now()
            at = now if message.internal_date is None else message.internal_date
            letters.append(AppendedLetter(self._letter(content, now), flags, at))
            if isinstance(following, AppendEnd):
                return letters
            message = following.message

    async def _converted(self, content: Content, writers: list[ContentWriter]) -> Content:
        """A binary message in 8bit, as BODY[] sends it; BINARY decodes it (RFC 3516 §4.2). Raises CommandRefused."""
        try:
            converted = await convert(content, Domain.EIGHT)
        except Unconvertible as error:
            raise CommandRefused(f"the message can't be converted: {error}", "CANNOT") from None
        writer = self._service.contents.new()
        writers.append(writer)
        async for octets in converted.chunks():
            await writer.write(octets)
        return await writer.finish()

    async def _check(self, message: AppendedMessage, octets: int, count: int) -> None:
        """Raises CommandRefused for a message beyond the limits, OverQuota, StoreError."""
        limits = self._dialogue.limits
        if message.size > limits.message_size:
            raise CommandRefused(f"a message has at most {limits.message_size} octets", "TOOBIG")
        if count >= limits.append_messages:
            raise CommandRefused(f"a command appends at most {limits.append_messages} messages", "LIMIT")
        await self._service.quota.check(self._account, octets)

    async def _receive(self, writer: ContentWriter, message: AppendedMessage) -> AppendNext | AppendEnd:
        """Writes the octets of one message; returns what follows it. Raises CommandRefused, SessionEnded, StoreError."""
        line_ends = LineEnds()
        while True:
            event = await self._dialogue.next()
            match event:
                case MessageOctets(octets):
                    if not message.is_binary:
                        if b"\0" in octets:
                            raise CommandRefused("a NUL is permitted in literal8 only", status="BAD")
                        octets = line_ends.feed(octets)
                    await writer.write(octets)
                case AppendNext() | AppendEnd():
                    return event
                case ImapRejected(_, text, is_fatal, code, status):
                    if is_fatal:
                        self._dialogue.reject(event)
                    raise CommandRefused(text, code, status=status)
                case _:
                    raise AssertionError(f"unexpected {type(event).__name__} in APPEND")

    def _letter(self, content: Content, now: float) -> Letter:
        envelope = Envelope(None, (), "8BITMIME")
        tls, remote = self._dialogue.tls, self._dialogue.remote
        arrival = Arrival(now, self._service.hostname, "IMAP", remote, account=self._account, tls=tls)
        return Letter(new_letter_id(now), envelope, content, arrival)
