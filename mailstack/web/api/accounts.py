"""Accounts, aliases and mailboxes."""

from __future__ import annotations

from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.letter.timestamps import iso8601
from mailstack.mailbox.index.items import ItemFilter, MailboxCount
from mailstack.store import Account, Conflict, MaildropInUse
from mailstack.store.archive import ARCHIVE
from mailstack.web.api.context import ApiContext
from mailstack.web.api.filters import BY_NAME, by_name, seen_by
from mailstack.web.http_values import HttpError, Request, Response, from_json, in_json
from mailstack.web.routes import Route, RouteDoc

OWNER = "http"
"""Who holds a maildrop while it is emptied."""


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    address: str
    password: str


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    password: str


class AccountShown(Struct, frozen=True):
    """Somebody who can log in."""

    address: str
    created: str
    quota: int | None
    password: str | None
    """Only in a dev environment, where it is everybody's; null when it was changed."""


class AccountList(Struct, frozen=True):
    accounts: list[AccountShown]
    total: int
    next: str | None
    """`after` of the next page; null at the end. So it is with all lists by name."""


class AliasShown(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that leads to others."""

    address: str
    targets: list[str] = field(default_factory=list)


class AliasList(Struct, frozen=True):
    aliases: list[AliasShown]
    total: int
    next: str | None


class MailboxShown(Struct, frozen=True):
    address: str
    octets: int
    """That POP3 has there."""
    letters: int
    """For it, that the API lists."""
    unread: int


class MailboxList(Struct, frozen=True):
    mailboxes: list[MailboxShown]
    total: int
    next: str | None


class SessionsEnded(Struct, frozen=True):
    """Whose sessions have ended."""

    address: str
    ended: bool


class Emptied(Struct, frozen=True):
    """How many letters have left a mailbox."""

    deleted: int


class Removed(Struct, frozen=True):
    """What is there no longer."""

    removed: str


def account_routes(behind: ApiContext) -> tuple[Route, ...]:
    """The routes about who is here."""
    pages = Accounts(behind)
    one, alias = "/v1/accounts/{address}", "/v1/aliases/{address}"
    shown = AccountShown
    return (
        Route(
            "GET",
            "/v1/accounts",
            pages.accounts,
            "user",
            told=RouteDoc("Who can log in; of users only oneself.", BY_NAME, gives=AccountList),
        ),
        Route(
            "POST",
            "/v1/accounts",
            pages.add,
            "admin",
            told=RouteDoc("Add one.", takes=NewAccount, gives=shown, status=201),
        ),
        Route(
            "PATCH", one, pages.change, "admin", told=RouteDoc("Change the password.", takes=NewPassword, gives=shown)
        ),
        Route("DELETE", one, pages.remove, "admin", told=RouteDoc("Remove it, and its mailbox.", gives=Removed)),
        Route(
            "DELETE",
            one + "/sessions",
            pages.end_sessions,
            "user",
            told=RouteDoc("End every session, stream and wait of it; of users only one's own.", gives=SessionsEnded),
        ),
        Route(
            "GET",
            "/v1/aliases",
            pages.aliases,
            "admin",
            told=RouteDoc("Addresses that lead to others.", BY_NAME, gives=AliasList),
        ),
        Route(
            "POST",
            "/v1/aliases",
            pages.set_alias,
            "admin",
            told=RouteDoc("Set one.", takes=AliasShown, gives=AliasShown, status=201),
        ),
        Route("DELETE", alias, pages.remove_alias, "admin", told=RouteDoc("Remove one.", gives=Removed)),
        Route(
            "GET",
            "/v1/mailboxes",
            pages.mailboxes,
            "user",
            told=RouteDoc("Mailboxes, and how much is in each.", BY_NAME, gives=MailboxList),
        ),
        Route(
            "DELETE",
            "/v1/mailboxes/{address}/letters",
            pages.empty,
            "user",
            told=RouteDoc("Empty a mailbox; its letters go from the list as well.", gives=Emptied),
        ),
    )


class Accounts:
    """The pages behind them."""

    def __init__(self, behind: ApiContext) -> None:
        self._behind = behind
        self._store = behind.store
        self._admin = behind.options.admin

    async def accounts(self, ask: Request) -> Response:
        own = seen_by(ask)
        found = [each for each in await self._store.accounts() if own in {None, each.address}]
        found.sort(key=lambda account: account.address)
        some, following = by_name(ask, found, lambda account: account.address)
        return in_json(AccountList([self._shown(each) for each in some], len(found), following))

    def _shown(self, account: Account) -> AccountShown:
        known = dict(self._behind.options.shown_accounts)
        return AccountShown(account.address, iso8601(account.created), account.quota, known.get(account.address))

    async def add(self, ask: Request) -> Response:
        wanted = from_json(ask, NewAccount)
        address = self._own(wanted.address)
        keep = self._admin.keep_password
        if keep is None:
            raise HttpError(501, "Accounts can't be added here; `mailstack user add` does it.")
        try:
            self._admin.check_password(wanted.password, address.key)
            kept = await keep(wanted.password)
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        account = Account(address.key, kept.password_hash, self._behind.clock.now(), scram=kept.scram)
        try:
            await self._store.add_accounts([account])
        except Conflict as conflict:
            raise HttpError(409, str(conflict)) from None
        self._admin.forget()
        return in_json(self._shown(account), 201)

    def _own(self, text: str) -> Address:
        """An address at a domain of this server. Raises Trouble 400."""
        address = _address(text)
        if not self._behind.access.directory.is_local(address.domain):
            raise HttpError(400, f"{address.domain} is no domain of this server.")
        return address

    async def change(self, ask: Request) -> Response:
        key = _address(ask.variables["address"]).key
        keep = self._admin.keep_password
        if keep is None:
            raise HttpError(501, "Passwords can't be changed here; `mailstack user password` does it.")
        try:
            wanted = from_json(ask, NewPassword).password
            self._admin.check_password(wanted, key)
            kept = await keep(wanted)
            await self._store.set_password(key, kept.password_hash, kept.scram)
        except KeyError:
            raise _no_account(key) from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        self._admin.forget()
        account = await self._store.account(key)
        if account is None:
            raise _no_account(key)
        return in_json(self._shown(account))

    async def remove(self, ask: Request) -> Response:
        key = _address(ask.variables["address"]).key
        try:
            await self._store.remove_account(key)
        except KeyError:
            raise _no_account(key) from None
        self._admin.forget()
        return in_json(Removed(key))

    async def end_sessions(self, ask: Request) -> Response:
        key = _address(ask.variables["address"]).key
        if seen_by(ask) not in {None, key}:
            raise HttpError(403, "That is another account; an administrator may end its sessions.")
        try:
            await self._store.end_sessions(key)
        except KeyError:
            raise _no_account(key) from None
        self._admin.forget()
        return in_json(SessionsEnded(key, ended=True))

    async def aliases(self, ask: Request) -> Response:
        found = sorted(await self._store.aliases())
        some, following = by_name(ask, found, lambda alias: alias[0])
        return in_json(AliasList([AliasShown(address, list(to)) for address, to in some], len(found), following))

    async def set_alias(self, ask: Request) -> Response:
        wanted = from_json(ask, AliasShown)
        address = self._own(wanted.address)
        targets = [str(_address(target)) for target in wanted.targets]
        if not targets:
            raise HttpError(400, 'An alias leads somewhere: {"address": "sales@…", "targets": ["alice@…"]}')
        try:
            await self._store.set_alias(address.key, targets)
        except Conflict as conflict:
            raise HttpError(409, str(conflict)) from None
        self._admin.forget()
        return in_json(AliasShown(address.key, targets), 201)

    async def remove_alias(self, ask: Request) -> Response:
        key = _address(ask.variables["address"]).key
        try:
            await self._store.remove_alias(key)
        except KeyError:
            raise HttpError(404, f"There is no alias {key}; GET /v1/aliases lists those that are there.") from None
        self._admin.forget()
        return in_json(Removed(key))

    async def mailboxes(self, ask: Request) -> Response:
        octets = await self._store.mailboxes()
        octets.pop(ARCHIVE, None)
        counts: dict[str, MailboxCount] = {}
        if (index := self._behind.index) is not None:
            counts = {each.mailbox: each for each in await index.mailboxes()}
        own = seen_by(ask)
        names = sorted(name for name in {*octets, *counts} if own in {None, name})
        nothing = MailboxCount("", 0, 0)
        some, following = by_name(ask, names, str)
        shown = [
            MailboxShown(name, octets.get(name, 0), found.total, found.unread)
            for name in some
            for found in (counts.get(name, nothing),)
        ]
        return in_json(MailboxList(shown, len(names), following))

    async def empty(self, ask: Request) -> Response:
        key = _address(ask.variables["address"]).key
        if seen_by(ask) not in {None, key}:
            raise HttpError(403, "That is somebody else's mailbox.")
        deleted = 0
        try:
            maildrop = await self._store.open_maildrop(key, OWNER)
        except MaildropInUse:
            raise HttpError(409, f"A client has the mailbox of {key} open; try again when it has gone.") from None
        try:
            uids = [entry.uid for entry in maildrop.entries]
            if (index := self._behind.index) is not None:
                await index.up_to_date()
                deleted = (await index.soft_delete(ItemFilter(mailbox=key, seen_by=seen_by(ask)))).count
            await self._store.update_maildrop(key, collected=(), deleted=uids, steps=())
        finally:
            await self._store.release_maildrop(key, OWNER)
        return in_json(Emptied(max(deleted, len(uids))))


def _address(text: str) -> Address:
    """Raises Trouble 400."""
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise HttpError(400, f"{text[:60]!r} is no address: {error}") from None


def _no_account(key: str) -> HttpError:
    return HttpError(404, f"There is no account {key}; GET /v1/accounts lists those that are there.")
