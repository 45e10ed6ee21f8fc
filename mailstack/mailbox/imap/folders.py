"""Folder commands of IMAP, from CREATE to NAMESPACE (RFC 3501 §6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from mailstack.mailbox.imap.capabilities import REV2, EnabledExtensions
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.service import ImapService
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Create, Delete, ImapStatus, Rename, Subscribe
from mailstack.store.folders import INBOX, SEPARATOR, Folder, NoSuchFolder
from mailstack.store.mailboxes import MailboxStatus

SPECIAL_USES = {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
"""Special uses of folders (RFC 6154 §2), by their name in lower case. \\All and \\Flagged are no folders here."""

_NO_STATUS = MailboxStatus(1, 1, 0, 0, 0, 0, 1, ())


def mailbox_id(mailbox: str) -> str:
    """MAILBOXID of a mailbox, which stays when its folder is renamed (RFC 8474 §4)."""
    return f"F{blake2b(mailbox.encode(), digest_size=12).hexdigest()}"


class FolderCommands:
    """Commands of one session on the folders of its account."""

    def __init__(self, dialogue: ImapDialogue, service: ImapService, account: str, enabled: EnabledExtensions) -> None:
        self._dialogue = dialogue
        self._enabled = enabled
        self._service = service
        self._account = account
        self._folders = service.folders

    async def all(self) -> list[Folder]:
        """All folders and subscribed names. Raises StoreError."""
        return await self._folders.list(self._account)

    async def find(self, path: str) -> Folder:
        """Returns an existing folder. Raises NoSuchFolder, StoreError."""
        for folder in await self.all():
            if folder.path == path and folder.mailbox:
                return folder
        raise NoSuchFolder

    async def target(self, path: str) -> Folder:
        """Returns the folder for new messages. Raises CommandRefused with TRYCREATE, StoreError (RFC 3501 §6.3.11)."""
        try:
            return await self.find(path)
        except NoSuchFolder:
            raise CommandRefused("no such mailbox", "TRYCREATE") from None

    async def create(self, command: Create) -> str:
        """CREATE; returns the response code (RFC 8474 §4.1)."""
        if command.folder == INBOX:
            raise CommandRefused("INBOX exists always", "ALREADYEXISTS")
        folders = await self.all()
        if len(folders) + command.folder.count(SEPARATOR) >= self._dialogue.limits.folders:
            raise CommandRefused("the account has too many mailboxes", "LIMIT")
        use = _special_use(command.uses, folders)
        folder = await self._folders.create(self._account, command.folder, self._service.clock.now(), use)
        return f"MAILBOXID ({mailbox_id(folder.mailbox)})"

    async def delete(self, command: Delete) -> None:
        if command.folder == INBOX:
            raise CommandRefused("INBOX can't be deleted", "CANNOT")
        await self._folders.remove(self._account, command.folder)

    async def rename(self, command: Rename) -> None:
        if command.to == INBOX:
            raise CommandRefused("INBOX exists always", "ALREADYEXISTS")
        if command.to.startswith(command.folder + SEPARATOR) and command.folder != INBOX:
            raise CommandRefused("a mailbox can't be moved below itself", "CANNOT")
        await self._folders.rename(self._account, command.folder, command.to, self._service.clock.now())
        if REV2 in self._enabled and command.folder != INBOX:
            # RFC 9051 §6.3.9.7: the name as it is now, with the old one. INBOX exists still.
            self._dialogue.send(responses.list_line([], command.to, utf8=True, old_name=command.folder))

    async def subscribe(self, command: Subscribe) -> None:
        """SUBSCRIBE of any name, which need not exist (RFC 3501 §6.3.6), and UNSUBSCRIBE."""
        if command.on and len(await self.all()) >= self._dialogue.limits.folders:
            raise CommandRefused("the account has too many subscriptions", "LIMIT")
        await self._folders.subscribe(self._account, command.folder, on=command.on)

    async def status(self, command: ImapStatus) -> None:
        if "HIGHESTMODSEQ" in command.items:
            self._enabled.enable(["CONDSTORE"])
        folder = await self.find(command.folder)
        status = await self._service.mailboxes.status(folder.mailbox) or _NO_STATUS
        recent = await self.recent_counts([folder], command.items)
        self.send_status(folder, status, command.items, recent.get(folder.mailbox, 0))

    async def recent_counts(self, folders: Sequence[Folder], items: Sequence[str]) -> dict[str, int]:
        """Numbers of recent messages by mailbox, if RECENT is among the items of STATUS."""
        if "RECENT" not in items:
            return {}
        return await self._service.mailboxes.recent_counts([folder.mailbox for folder in folders])

    def send_status(self, folder: Folder, status: MailboxStatus | None, items: Sequence[str], recent: int) -> None:
        """Sends STATUS; a mailbox without a status never had a message."""
        counted = status or _NO_STATUS
        values: dict[str, object] = {
            "MESSAGES": counted.messages,
            "RECENT": recent,
            "UIDNEXT": counted.next_uid,
            "UIDVALIDITY": counted.validity,
            "UNSEEN": counted.unseen,
            "SIZE": counted.octets,
            "DELETED": counted.deleted,
            "HIGHESTMODSEQ": counted.modseq,
            "MAILBOXID": f"({mailbox_id(folder.mailbox)})",
            "APPENDLIMIT": self._dialogue.limits.message_size,
        }
        utf8 = self._dialogue.engine.utf8
        self._dialogue.send(responses.status(folder.path, [(item, values[item]) for item in items], utf8=utf8))

    async def namespace(self) -> None:
        """NAMESPACE: personal mailboxes alone (RFC 2342)."""
        self._dialogue.send(b'* NAMESPACE (("" "/")) NIL NIL\r\n')


def _special_use(uses: Sequence[str], folders: Sequence[Folder]) -> str:
    """Special use of a new folder. Raises CommandRefused for an unknown or taken one, or several."""
    if not uses:
        return ""
    use = SPECIAL_USES.get(uses[0].lower())
    if use is None or len(uses) > 1:
        raise CommandRefused("the special use is not supported", "USEATTR")
    if any(folder.use == use and folder.mailbox for folder in folders):
        raise CommandRefused(f"another mailbox is {use}", "USEATTR")
    return use
