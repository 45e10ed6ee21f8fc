"""Folder messages of a test server, read and appended in the reactor's thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mailstack.letter import Arrival, Envelope, Letter, LetterId, new_letter_id
from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.letter.letter import read_all
from mailstack.mailbox.imap.append import LineEnds
from mailstack.mailbox.imap.flags import flags_for
from mailstack.mailbox.imap.mailbox_view import SYSTEM_FLAGS
from mailstack.sandbox.dev import DevEnvironment
from mailstack.sandbox.dev.servers import server_of_mailbox
from mailstack.store.folders import Folder, account_of
from mailstack.store.mailboxes import AppendedLetter, Flags
from mailstack.testing.message import ReadableMessage

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

_AT_ONCE = 500


class FolderMessage(ReadableMessage):
    """One message of a folder, as it was when it was read."""

    def __init__(self, uid: int, letter: LetterId, flags: frozenset[str], date: datetime, octets: bytes) -> None:
        super().__init__(octets)
        self.id: str = letter
        """Id of its letter; `mailstack journey` and `LocalMailServer.journey` accept it."""
        self.uid: int = uid
        """Uid in its folder: later messages have greater ones."""
        self.flags: frozenset[str] = flags
        r"""Flags and keywords, such as "\Seen"."""
        self.date: datetime = date
        """Internal date, in UTC."""

    @property
    def senders(self) -> frozenset[str]:
        """Addresses of From (Address.key)."""
        return frozenset(key_of(author.address) for author in self.parsed.authors)

    def __repr__(self) -> str:
        return f"<FolderMessage {self.uid} ({' '.join(sorted(self.flags))}): {self.subject!r}>"


async def read_messages(
    environment: DevEnvironment, mailbox: str, *, after: int = 0, last: int | None = None
) -> list[FolderMessage]:
    """Messages with a greater uid than `after`, up to the uid `last`, by uid. Raises StoreError."""
    mailboxes = environment.store.mailboxes
    status = await mailboxes.status(mailbox)
    keywords = () if status is None else status.keywords
    found: list[FolderMessage] = []
    limit = _AT_ONCE if last is None else min(_AT_ONCE, last - after)
    while page := await mailboxes.messages(mailbox, after=after, limit=limit):
        after = page[-1].uid
        wanted = [each for each in page if last is None or each.uid <= last]
        contents = await mailboxes.read_together(mailbox, [each.uid for each in wanted])
        for each in wanted:
            if each.uid in contents:
                octets, date = await read_all(contents[each.uid]), datetime.fromtimestamp(each.at, UTC)
                found.append(FolderMessage(each.uid, each.letter, _names(each.flags, keywords), date, octets))
        if last is not None and after >= last:
            break
    return found


async def append_message(
    environment: DevEnvironment, folder: Folder, octets: bytes, flags: Sequence[str], date: datetime | None
) -> FolderMessage:
    """Stores a message with a step "appended", as APPEND does.

    Raises CommandRefused for a flag, NoSuchFolder, StoreError: nothing is stored.
    """
    store, now, mailbox = environment.store, environment.travel.now, folder.mailbox
    bits, _ = await flags_for(store.mailboxes, mailbox, flags)
    account = account_of(mailbox)
    arrival = Arrival(now, server_of_mailbox(account), "IMAP", account=account)
    writer = store.contents.new()
    try:
        await writer.write(LineEnds().feed(octets))
        letter = Letter(new_letter_id(now), Envelope(None, (), "8BITMIME"), await writer.finish(), arrival)
        at = now if date is None else date.timestamp()
        step = Step(letter.id, now, arrival.server, "appended", {"by": account, "folder": folder.path, "client": ""})
        appended = await store.mailboxes.append(mailbox, [AppendedLetter(letter, bits, at)], [step])
    except BaseException:
        writer.discard()
        raise
    (uid,) = appended.uids
    (message,) = await read_messages(environment, mailbox, after=uid - 1, last=uid)
    return message


def _names(flags: Flags, keywords: Sequence[str]) -> frozenset[str]:
    system = [name for bit, name in enumerate(SYSTEM_FLAGS) if flags.system >> bit & 1]
    return frozenset([*system, *[name for bit, name in enumerate(keywords) if flags.keywords >> bit & 1]])
