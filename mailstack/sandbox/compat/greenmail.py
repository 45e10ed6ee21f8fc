"""GreenMail's API: users, the messages in their mailboxes, and the service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

import msgspec
from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.letter.letter import read_all
from mailstack.letter.parsed import parse
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.sandbox.compat.context import CompatAccounts, decode_body
from mailstack.store import Conflict, Entry, MaildropInUse, Store
from mailstack.store.archive import ARCHIVE
from mailstack.web.http_messages import JSON, HttpRoute, Request, Response, json_response
from mailstack.web.letter_reader import LetterReader

MAX_MESSAGES = 1000
"""Maximum messages of one answer."""
MAX_LOGIN = 320
"""Maximum characters of a login."""
PURGE_BATCH = 500
"""Letters that leave a mailbox in one transaction."""
INBOX = "inbox"
_PROTOCOLS = {
    "capture": "smtp",
    "captures": "smtps",
    "submission": "smtp",
    "submissions": "smtps",
    "pop3": "pop3",
    "pop3s": "pop3s",
    "web": "api",
}


class NewUser(Struct, frozen=True):
    """POST /api/user."""

    email: str
    password: str
    login: str = ""


class GreenMailUser(Struct, frozen=True):
    """Account."""

    login: str
    email: str


class GreenMailMessage(Struct, frozen=True):
    """Letter of a mailbox, with its source."""

    uid: str
    message_id: str = field(name="Message-ID")
    subject: str
    content_type: str = field(name="contentType")
    mime_message: str = field(name="mimeMessage")


class GreenMailReply(Struct, frozen=True):
    """Outcome in words."""

    message: str


class ServerSetup(Struct, frozen=True, rename="camel"):
    """Service; times in milliseconds, -1 for none."""

    port: int
    address: str
    protocol: str
    is_secure: bool
    read_timeout: int = -1
    write_timeout: int = -1
    connection_timeout: int = -1
    server_startup_timeout: int = 2000
    is_dynamic_port: bool = False


class GreenMailConfiguration(Struct, frozen=True, rename="camel"):
    """GET /api/configuration."""

    server_setups: tuple[ServerSetup, ...]
    authentication_disabled: bool = False
    sieve_ignore_detail: bool = False
    preload_directory: str | None = None


def greenmail_routes(accounts: CompatAccounts, reader: LetterReader) -> tuple[HttpRoute, ...]:
    """Routes of users, their messages and the service."""
    users, service = _Users(accounts, reader), _Service(accounts, reader.index)
    messages = "/api/user/{user}/messages"
    return (
        HttpRoute("GET", "/api/user", users.users, "admin"),
        HttpRoute("POST", "/api/user", users.add, "admin"),
        HttpRoute("DELETE", "/api/user/{user}", users.remove, "admin"),
        HttpRoute("GET", messages, users.messages, "admin"),
        HttpRoute("GET", f"{messages}/", users.messages, "admin"),
        HttpRoute("GET", f"{messages}/{{folder}}", users.messages, "admin"),
        HttpRoute("GET", f"{messages}/{{folder}}/", users.messages, "admin"),
        HttpRoute("GET", "/api/configuration", service.configuration, "admin"),
        HttpRoute("POST", "/api/mail/purge", service.purge, "admin"),
        HttpRoute("POST", "/api/service/reset", service.reset, "admin"),
        HttpRoute("GET", "/api/service/readiness", service.ready),
    )


def _reply(text: str, status: int = 200) -> Response:
    return json_response(GreenMailReply(text), status)


class _Users:
    def __init__(self, accounts: CompatAccounts, reader: LetterReader) -> None:
        self._accounts = accounts
        self._store = accounts.store
        self._names = accounts.names
        self._reader = reader

    async def users(self, _: Request) -> Response:
        return json_response([self._user(account.address) for account in await self._store.accounts.all()])

    async def add(self, request: Request) -> Response:
        user = decode_body(request, NewUser)
        try:
            address = Address.parse(user.email.strip())
        except AddressError as error:
            return _reply(f"Can not create user: {user.email[:100]!r} is no address: {error}", 400)
        login = user.login.strip()
        if login.lower() in {address.key, str(address).lower()} or self._key(login) == address.key:
            login = ""
        if "@" in login or not login.isprintable() or len(login) > MAX_LOGIN:
            return _reply("Can not create user: a login is the address, or a name without @", 400)
        if self._names.address_of(login) is not None:
            return _reply(f"Can not create user: the login {login} is there already", 400)
        try:
            await self._accounts.add(str(address), user.password)
        except Conflict:
            return _reply(f"Can not create user: {address} is there already", 400)
        except ValueError as error:
            return _reply(f"Can not create user: {error}", 400)
        if login:
            self._names.assign(login, address.key)
        return json_response(self._user(address.key))

    async def remove(self, request: Request) -> Response:
        name = request.variables["user"]
        existing = {account.address for account in await self._store.accounts.all()}
        if (key := self._key(name)) not in existing:
            return _reply(f"User '{name[:100]}' not found", 400)
        await self._accounts.remove(key)
        return _reply(f"User '{name[:100]}' deleted")

    async def messages(self, request: Request) -> Response:
        """Answers the letters of the INBOX, which is the only folder."""
        if (folder := request.variables.get("folder", INBOX)).lower() != INBOX:
            return _reply(f"There is no folder {folder[:100]!r}: mailboxes here have an INBOX only", 400)
        key = self._key(request.variables["user"])
        return Response(self._shown(key, await self._store.mailboxes.entries(key, 0, MAX_MESSAGES)), JSON)

    async def _shown(self, mailbox: str, entries: Sequence[Entry]) -> AsyncGenerator[bytes, None]:
        """Letters one by one: all of them may be more than fits into memory."""
        between = b"["
        for entry in entries:
            try:
                octets = await read_all(await self._store.mailboxes.read(mailbox, entry.uid))
            except KeyError:
                continue  # removed since
            yield between + await self._reader.do(partial(_encode, entry.uid, octets), len(octets))
            between = b","
        yield b"[]" if between == b"[" else b"]"

    def _key(self, name: str) -> str:
        """Mailbox of an address or a login; "" for none."""
        if (address := self._names.address_of(name)) is not None:
            return address
        try:
            return Address.parse(name if "@" in name else f"{name}@{self._accounts.domain}").key
        except AddressError:
            return ""

    def _user(self, address: str) -> GreenMailUser:
        local, _, domain = address.rpartition("@")
        return GreenMailUser(
            self._names.name_of(address) or (local if domain == self._accounts.domain else address), address
        )


def _encode(uid: int, octets: bytes) -> bytes:
    """Letter in JSON."""
    reading = parse(octets)
    source = octets.decode("utf-8", "replace")
    content_type = reading.first("Content-Type") or "text/plain"
    message = GreenMailMessage(str(uid), reading.first("Message-ID"), reading.subject, content_type, source)
    return msgspec.json.encode(message)


class _Service:
    def __init__(self, accounts: CompatAccounts, index: LetterIndex) -> None:
        self._accounts = accounts
        self._index = index

    async def configuration(self, _: Request) -> Response:
        accounts = self._accounts
        setups = [
            ServerSetup(at.port, at.host, _PROTOCOLS[name], _PROTOCOLS[name].endswith("s"))
            for name, at in accounts.services().items()
            if name in _PROTOCOLS
        ]
        directory = None if accounts.preload is None else str(accounts.preload)
        return json_response(GreenMailConfiguration(tuple(setups), accounts.any_password, preload_directory=directory))

    async def purge(self, _: Request) -> Response:
        await _purge(self._accounts.store, self._index)
        return _reply("Purged mails")

    async def reset(self, _: Request) -> Response:
        """Deletes all letters and restores the accounts of the start."""
        await _purge(self._accounts.store, self._index)
        await self._accounts.reset()
        return _reply("Performed reset")

    async def ready(self, _: Request) -> Response:
        return _reply("Service running") if self._accounts.services() else _reply("Service not running", 503)


async def _purge(store: Store, index: LetterIndex) -> None:
    """Empties the mailboxes and the index.

    In a mailbox in use, letters remain that its session has not deleted.
    """
    await index.up_to_date()
    await index.soft_delete(ItemFilter())
    accounts = [account for account in await store.mailboxes.sizes() if account != ARCHIVE]  # the index owns it
    for mailbox in [folder.mailbox for account in accounts for folder in await store.folders.list(account)]:
        while mailbox and (entries := await store.mailboxes.entries(mailbox, 0, PURGE_BATCH)):
            try:
                await store.mailboxes.update(mailbox, collected=(), deleted=[entry.uid for entry in entries], steps=())
            except (Conflict, MaildropInUse):
                break
