"""GreenMail's users: made, listed and removed, and the messages in their mailboxes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial

import msgspec
from msgspec import Struct, field

from mailstack.accounts.login_names import LoginNames
from mailstack.letter import Address, AddressError
from mailstack.letter.content import read_all
from mailstack.letter.parsed import parse
from mailstack.sandbox.compat.bodies import taken
from mailstack.store import Conflict, Entry, Store
from mailstack.web.http_values import JSON, Request, Response, in_json
from mailstack.web.letter_reader import Shelf
from mailstack.web.routes import Route, RouteDoc

MOST = 1000
"""Messages of one answer."""
INBOX = "inbox"
LONGEST_LOGIN = 320
"""Characters."""


class NewUser(Struct, frozen=True):
    """What POST /api/user takes."""

    email: str
    password: str
    login: str = ""


class User(Struct, frozen=True):
    login: str
    email: str


class Message(Struct, frozen=True):
    uid: str
    message_id: str = field(name="Message-ID")
    subject: str
    content_type: str = field(name="contentType")
    mime_message: str = field(name="mimeMessage")


class Said(Struct, frozen=True):
    message: str


def said(text: str, status: int = 200) -> Response:
    """GreenMail's way to say something."""
    return in_json(Said(text), status)


def user_pages(  # noqa: PLR0917  # each of a type of its own
    store: Store,
    shelf: Shelf,
    add: Callable[[str, str], Awaitable[None]],
    remove: Callable[[str], Awaitable[None]],
    domain: str,
    names: LoginNames,
) -> tuple[Route, ...]:
    """`add` takes an address and a password, `remove` a key; `domain` is that of logins without one that are no `names`."""
    pages = _Users(store, shelf, add, remove, domain, names)
    return (
        Route("GET", "/api/user", pages.users, "admin", told=RouteDoc("All users.", gives=list[User])),
        Route("POST", "/api/user", pages.add, "admin", told=RouteDoc("Add a user.", takes=NewUser, gives=User)),
        Route(
            "DELETE",
            "/api/user/{user}",
            pages.remove,
            "admin",
            told=RouteDoc("Remove a user; the mailbox stays.", gives=Said),
        ),
        Route(
            "GET",
            "/api/user/{user}/messages",
            pages.messages,
            "admin",
            told=RouteDoc("All messages of a mailbox.", gives=list[Message]),
        ),
        Route("GET", "/api/user/{user}/messages/", pages.messages, "admin"),
        Route(
            "GET",
            "/api/user/{user}/messages/{folder}",
            pages.messages,
            "admin",
            told=RouteDoc("The same, of its INBOX.", gives=list[Message]),
        ),
        Route("GET", "/api/user/{user}/messages/{folder}/", pages.messages, "admin"),
    )


class _Users:
    def __init__(  # noqa: PLR0917  # each of a type of its own
        self,
        store: Store,
        shelf: Shelf,
        add: Callable[[str, str], Awaitable[None]],
        remove: Callable[[str], Awaitable[None]],
        domain: str,
        names: LoginNames,
    ) -> None:
        self._names = names
        self._store = store
        self._shelf = shelf
        self._add = add
        self._remove = remove
        self._domain = domain

    async def users(self, _: Request) -> Response:
        return in_json([self._user(account.address) for account in await self._store.accounts()])

    async def add(self, ask: Request) -> Response:
        wanted = taken(ask, NewUser)
        try:
            address = Address.parse(wanted.email.strip())
        except AddressError as error:
            return said(f"Can not create user: {wanted.email[:100]!r} is no address: {error}", 400)
        login = wanted.login.strip()
        if login.lower() in {address.key, str(address).lower()} or self._key(login) == address.key:
            login = ""
        if "@" in login or not login.isprintable() or len(login) > LONGEST_LOGIN:
            return said("Can not create user: a login is the address, or a name without @", 400)
        if self._names.address_of(login) is not None:
            return said(f"Can not create user: the login {login} is there already", 400)
        try:
            await self._add(str(address), wanted.password)
        except Conflict:
            return said(f"Can not create user: {address} is there already", 400)
        except ValueError as error:
            return said(f"Can not create user: {error}", 400)
        if login:
            self._names.give(login, address.key)
        return in_json(self._user(address.key))

    async def remove(self, ask: Request) -> Response:
        name = ask.variables["user"]
        known = {account.address for account in await self._store.accounts()}
        if (key := self._key(name)) not in known:
            return said(f"User '{name[:100]}' not found", 400)
        await self._remove(key)
        return said(f"User '{name[:100]}' deleted")

    async def messages(self, ask: Request) -> Response:
        """The whole mailbox; there are no other folders."""
        if (folder := ask.variables.get("folder", INBOX)).lower() != INBOX:
            return said(f"There is no folder {folder[:100]!r}: mailboxes here have an INBOX only", 400)
        key = self._key(ask.variables["user"])
        return Response(self._shown(key, await self._store.entries(key, 0, MOST)), JSON)

    async def _shown(self, mailbox: str, entries: Sequence[Entry]) -> AsyncGenerator[bytes, None]:
        """One after the other: together they may be more than is to be held."""
        between = b"["
        for entry in entries:
            try:
                octets = await read_all(await self._store.read(mailbox, entry.uid))
            except KeyError:
                continue  # it went meanwhile
            yield between + await self._shelf.do(partial(_shown, entry.uid, octets), len(octets))
            between = b","
        yield b"[]" if between == b"[" else b"]"

    def _key(self, name: str) -> str:
        """Whose mailbox an address, or a login, is."""
        if (address := self._names.address_of(name)) is not None:
            return address
        try:
            return Address.parse(name if "@" in name else f"{name}@{self._domain}").key
        except AddressError:
            return ""

    def _user(self, address: str) -> User:
        local, _, domain = address.rpartition("@")
        return User(self._names.name_of(address) or (local if domain == self._domain else address), address)


def _shown(uid: int, octets: bytes) -> bytes:
    """As JSON."""
    reading = parse(octets)
    source = octets.decode("utf-8", "replace")
    content_type = reading.first("Content-Type") or "text/plain"
    shown = Message(str(uid), reading.first("Message-ID"), reading.subject, content_type, source)
    return msgspec.json.encode(shown)
