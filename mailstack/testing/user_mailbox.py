"""Mailbox of an account of a test server, with its folders."""

from __future__ import annotations

from collections.abc import Awaitable

from mailstack.letter import Address
from mailstack.protocols.imap.mailbox_names import canonical, parse_name
from mailstack.sandbox.arguments import parse_address
from mailstack.sandbox.dev.servers import server_of_mailbox
from mailstack.sandbox.dev.settings import HOME, HOME_DOMAIN
from mailstack.store.folders import INBOX, SEPARATOR, Folder, FolderExists
from mailstack.testing.mail_folder import MailFolder
from mailstack.testing.server_access import ServerAccess

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class UserMailbox:
    """Mailbox of an account, with its folders."""

    def __init__(self, access: ServerAccess, address: str) -> None:
        """Raises LookupError for an address of home.test without an account, and AddressError."""
        self._access = access
        parsed = parse_address(address, HOME_DOMAIN)
        account = access.call(lambda: self._account_of(parsed))
        if account is None:
            raise LookupError(
                f"mailbox() takes the address of an account, and {parsed} has none: add it by add_account({str(parsed)!r}, …)"
            )
        self._account: str = account

    async def _account_of(self, address: Address) -> str | None:
        """Account of an address; outside home.test, all addresses have mailboxes."""
        if server_of_mailbox(address.key) == HOME:
            return await self._access.environment().accounts.directory.mailbox(address)
        return address.key

    @property
    def folders(self) -> list[str]:
        """Names of all folders, INBOX first."""
        return [*self._access.call(self._all_folders)]

    def folder(self, name: str = INBOX) -> MailFolder:
        """A folder. Raises LookupError with the names of the folders."""
        return self._folder("folder", canonical(name))

    def create_folder(self, name: str) -> MailFolder:
        """Creates a folder, with missing folders above it ("Projects/2026"). Raises ValueError."""
        path = self._new_name("create_folder", name)

        async def create() -> bool:
            environment = self._access.environment()
            return await _succeeds(environment.store.folders.create(self._account, path, environment.travel.now))

        if not self._access.call(create):
            raise ValueError(f"create_folder() takes a new name, and {self._account} has {path!r}")
        return self._folder("create_folder", path)

    def rename_folder(self, name: str, to: str) -> MailFolder:
        """Renames a folder with the folders below it, as RENAME does: INBOX stays, and its messages move.

        Raises LookupError, and ValueError for the new name.
        """
        folder, path = self._folder("rename_folder", canonical(name)), self._new_name("rename_folder", to)
        if path.startswith(folder.name + SEPARATOR) and folder.name != INBOX:
            raise ValueError(f"rename_folder() can't move {folder.name!r} below itself")

        async def rename() -> bool:
            environment = self._access.environment()
            return await _succeeds(
                environment.store.folders.rename(self._account, folder.name, path, environment.travel.now)
            )

        if not self._access.call(rename):
            raise ValueError(f"rename_folder() takes a new name, and {self._account} has {path!r}")
        return self._folder("rename_folder", path)

    def _folder(self, function: str, path: str) -> MailFolder:
        folders = self._access.call(self._all_folders)
        if path not in folders:
            raise LookupError(f"{function}() takes a folder of {self._account}: {', '.join(folders)}; not {path!r}")
        return MailFolder(self._access, folders[path])

    def _new_name(self, function: str, name: str) -> str:
        try:
            path = parse_name(name.encode(), utf8=True, is_new=True)
        except ValueError as error:
            raise ValueError(f"{function}() got {name!r}: {error}") from None
        self._access.call(self._all_folders)
        return path

    async def _all_folders(self) -> dict[str, Folder]:
        """Folders by path; the default folders are there from the first call."""
        environment = self._access.environment()
        folders = environment.store.folders
        defaults = [Folder(each.path, use=each.use, is_subscribed=True) for each in environment.settings.imap.folders]
        await folders.prepare(self._account, defaults, environment.travel.now)
        return {each.path: each for each in await folders.list(self._account) if each.mailbox}


async def _succeeds(change: Awaitable[object]) -> bool:
    """Whether the new name of a change was free."""
    try:
        await change
    except FolderExists:
        return False
    return True
