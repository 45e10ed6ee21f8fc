"""Gmail account on the folders of the store: labels, ids of messages and threads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from mailstack.letter import Content, LetterId
from mailstack.letter.mime.parts import header_end
from mailstack.net.clock import ReactorClock
from mailstack.sandbox.imap.stored_messages import entries_of, mailbox_of
from mailstack.store import Store
from mailstack.store.folders import FolderExists
from mailstack.store.mailboxes import Entry

ALL_MAIL = "[Gmail]/All Mail"
SYSTEM_FOLDERS = {
    "\\Inbox": "INBOX",
    "\\Sent": "[Gmail]/Sent Mail",
    "\\Draft": "[Gmail]/Drafts",
    "\\Starred": "[Gmail]/Starred",
    "\\Important": "[Gmail]/Important",
    "\\Spam": "[Gmail]/Spam",
    "\\Trash": "[Gmail]/Trash",
}
"""Folder of each system label. Every other label is a folder of its own name."""

BATCH = 64
"""Messages that are read together for their threads."""
MAX_HEADER = 262_144
"""Maximum octets of a header section that are read for a thread."""

_LABELS = {folder: label for label, folder in SYSTEM_FOLDERS.items()}
_FOLDERS = {label.lower(): folder for label, folder in SYSTEM_FOLDERS.items()}
_REFERENCE = re.compile(
    rb"^(references|in-reply-to|message-id):((?:[^\r\n]*\r\n[ \t])*[^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,500}>")


def number_of(octets: bytes) -> int:
    """Number of 63 bits for an id, as Gmail's are."""
    return int.from_bytes(blake2b(octets, digest_size=8).digest()) >> 1


def message_number(letter: LetterId) -> int:
    """X-GM-MSGID of a letter: the same in all folders."""
    return number_of(letter.encode())


def folder_of(label: str) -> str:
    """Path of the folder of a label."""
    return _FOLDERS.get(label.lower(), label)


def _plain(label: str) -> str:
    return label.lower().replace(" ", "-").replace("/", "-")


class GmailMailbox:
    """Messages of one account with their labels."""

    def __init__(self, store: Store, clock: ReactorClock, account: str) -> None:
        self._store = store
        self._clock = clock
        self._account = account

    async def entries(self, folder: str) -> list[Entry]:
        """Entries of a folder; none if it does not exist. Raises StoreError."""
        mailbox = await mailbox_of(self._store, self._account, folder)
        return await entries_of(self._store, mailbox) if mailbox else []

    async def labels(self, selected: str) -> dict[LetterId, list[str]]:
        """Labels of all letters, without that of the selected folder, as Gmail shows them. Raises StoreError."""
        found: defaultdict[LetterId, list[str]] = defaultdict(list)
        for folder in await self._store.folders.list(self._account):
            if folder.mailbox and folder.path not in {selected, ALL_MAIL, "[Gmail]"}:
                for entry in await entries_of(self._store, folder.mailbox):
                    found[entry.letter].append(_LABELS.get(folder.path, folder.path))
        return found

    async def labelled(self, label: str) -> set[LetterId]:
        """Letters with a label, in any case, with "-" for blanks and separators. Raises StoreError."""
        wanted = _plain(folder_of(label))
        found: set[LetterId] = set()
        for folder in await self._store.folders.list(self._account):
            if folder.mailbox and _plain(folder.path) == wanted:
                found.update([entry.letter for entry in await entries_of(self._store, folder.mailbox)])
        return found

    async def threads(self, selected: str, uids: Sequence[int]) -> dict[int, int]:
        """X-GM-THRID of messages: by the first message of References, In-Reply-To or Message-ID. Raises StoreError."""
        mailbox = await mailbox_of(self._store, self._account, selected)
        found: dict[int, int] = {}
        for start in range(0, len(uids), BATCH):
            contents = await self._store.mailboxes.read_together(mailbox, uids[start : start + BATCH])
            for uid, content in contents.items():
                found[uid] = number_of(_root(await _header(content)) or b"%d" % uid)
            await self._clock.pause(0)
        return found

    # --- changes

    async def add(self, selected: str, uids: Iterable[int], label: str) -> None:
        """Adds a label: copies messages into its folder, unless they are there. Raises StoreError."""
        folder = folder_of(label)
        there = {entry.letter for entry in await self.entries(folder)}
        missing = set(uids)
        new = [
            entry.uid for entry in await self.entries(selected) if entry.uid in missing and entry.letter not in there
        ]
        if new and folder != selected:
            source, target = [await self._mailbox(path) for path in (selected, folder)]
            await self._store.mailboxes.copy(source, new, target, self._clock.now())

    async def remove(self, selected: str, uids: Iterable[int], label: str) -> None:
        """Removes a label, and the messages from its folder; the last one leaves All Mail. Raises StoreError."""
        uids, folder = set(uids), folder_of(label)
        letters = {entry.letter: entry.uid for entry in await self.entries(selected) if entry.uid in uids}
        labels = await self.labels(folder)
        await self.add(selected, [uid for letter, uid in letters.items() if not labels.get(letter)], ALL_MAIL)
        gone = [entry.uid for entry in await self.entries(folder) if entry.letter in letters]
        if gone:
            await self._store.mailboxes.update(await self._mailbox(folder), collected=(), deleted=gone, steps=())

    async def _mailbox(self, folder: str) -> str:
        """Mailbox of a folder, which is created for a new label."""
        mailbox = await mailbox_of(self._store, self._account, folder)
        if not mailbox:
            try:
                created = await self._store.folders.create(self._account, folder, self._clock.now())
            except FolderExists:
                return await mailbox_of(self._store, self._account, folder)
            await self._store.folders.subscribe(self._account, folder, on=True)
            return created.mailbox
        return mailbox


async def _header(content: Content) -> bytes:
    octets = bytearray()
    async for chunk in content.chunks():
        octets += chunk
        if header_end(octets) >= 0 or len(octets) >= MAX_HEADER:
            break
    end = header_end(octets)
    return bytes(octets[:end] if end >= 0 else octets[:MAX_HEADER])


def _root(header: bytes) -> bytes:
    """Id of the first message of a thread; empty without any."""
    fields = {found[1].lower(): found[2] for found in _REFERENCE.finditer(header)}
    for name in (b"references", b"in-reply-to", b"message-id"):
        if ids := _MESSAGE_ID.findall(fields.get(name, b"")):
            return bytes(ids[0])
    return b""
