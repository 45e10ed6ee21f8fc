"""Accounts, aliases and mailboxes."""

from __future__ import annotations

from msgspec import Struct, field

from mailstack.accounts.passwords import StoredPassword
from mailstack.letter import Address, AddressError
from mailstack.letter.times import iso8601
from mailstack.mailbox.index.items import ItemFilter, MailboxCount
from mailstack.store import Conflict, MaildropInUse
from mailstack.store.accounts import Account
from mailstack.store.archive import ARCHIVE
from mailstack.web.api.letter_index import BY_NAME, page_by_name, visible_to
from mailstack.web.context import ApiContext
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, RouteDoc, decode_json, json_response

OWNER = "http"
"""Lock owner of a maildrop that is being emptied."""


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    address: str
    password: str


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    password: str


class AccountInfo(Struct, frozen=True):
    """Account with a login."""

    address: str
    created: str
    quota: int | None
    password: str | None
    """Password in a dev environment, where it is public; null elsewhere and after a change."""


class AccountList(Struct, frozen=True):
    accounts: list[AccountInfo]
    total: int
    next: str | None
    """`after` of the next page; null at the end."""


class AliasInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """Address with the targets that its letters go to."""

    address: str
    targets: list[str] = field(default_factory=list)


class AliasList(Struct, frozen=True):
    aliases: list[AliasInfo]
    total: int
    next: str | None


class MailboxInfo(Struct, frozen=True):
    address: str
    octets: int
    """Octets of the letters in the maildrop."""
    letters: int
    """Letters for the mailbox in the letter index."""
    unread: int


class MailboxList(Struct, frozen=True):
    mailboxes: list[MailboxInfo]
    total: int
    next: str | None


class SessionEndResult(Struct, frozen=True):
    """Account after the end of its sessions."""

    address: str
    ended: bool


class DeletedCount(Struct, frozen=True):
    """Number of letters deleted from a mailbox."""

    deleted: int


class RemovedName(Struct, frozen=True):
    removed: str


def account_routes(context: ApiContext) -> tuple[HttpRoute, ...]:
    pages = AccountPages(context)
    one, alias = "/v1/accounts/{address}", "/v1/aliases/{address}"
    return (
        HttpRoute(
            "GET",
            "/v1/accounts",
            pages.accounts,
            "user",
            RouteDoc("Accounts; a user without administrator access sees only their own.", AccountList, query=BY_NAME),
        ),
        HttpRoute(
            "POST", "/v1/accounts", pages.add, "admin", RouteDoc("Add an account.", AccountInfo, NewAccount, 201)
        ),
        HttpRoute(
            "PATCH",
            one,
            pages.change,
            "admin",
            RouteDoc("Change the password of an account.", AccountInfo, NewPassword),
        ),
        HttpRoute("DELETE", one, pages.remove, "admin", RouteDoc("Remove an account and its mailbox.", RemovedName)),
        HttpRoute(
            "DELETE",
            one + "/sessions",
            pages.end_sessions,
            "user",
            RouteDoc(
                "End all sessions, streams and waits of an account; users may end only their own.", SessionEndResult
            ),
        ),
        HttpRoute(
            "GET", "/v1/aliases", pages.aliases, "admin", RouteDoc("List the aliases.", AliasList, query=BY_NAME)
        ),
        HttpRoute(
            "POST", "/v1/aliases", pages.set_alias, "admin", RouteDoc("Set an alias.", AliasInfo, AliasInfo, 201)
        ),
        HttpRoute("DELETE", alias, pages.remove_alias, "admin", RouteDoc("Remove an alias.", RemovedName)),
        HttpRoute(
            "GET",
            "/v1/mailboxes",
            pages.mailboxes,
            "user",
            RouteDoc("List the mailboxes with their sizes.", MailboxList, query=BY_NAME),
        ),
        HttpRoute(
            "DELETE",
            "/v1/mailboxes/{address}/letters",
            pages.empty,
            "user",
            RouteDoc("Delete all messages of a mailbox, from the letter list as well.", DeletedCount),
        ),
    )


class AccountPages:
    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._store = context.store
        self._admin = context.options.admin

    async def accounts(self, request: Request) -> Response:
        own = visible_to(request)
        found = [each for each in await self._store.accounts.all() if own in {None, each.address}]
        found.sort(key=lambda account: account.address)
        page, following = page_by_name(request, found, lambda account: account.address)
        return json_response(AccountList([self._account_info(each) for each in page], len(found), following))

    def _account_info(self, account: Account) -> AccountInfo:
        passwords = dict(self._context.options.shown_accounts)
        return AccountInfo(account.address, iso8601(account.created), account.quota, passwords.get(account.address))

    async def add(self, request: Request) -> Response:
        wanted = decode_json(request, NewAccount)
        address = self._local_address(wanted.address)
        stored = await self._hash(address.key, wanted.password, "add accounts", "add")
        account = Account(address.key, stored.password_hash, self._context.clock.now(), scram=stored.scram)
        try:
            await self._store.accounts.add([account])
        except Conflict as conflict:
            raise HttpError(409, str(conflict)) from None
        self._admin.invalidate_directory()
        return json_response(self._account_info(account), 201)

    async def _hash(self, key: str, password: str, action: str, command: str) -> StoredPassword:
        """Check and hash a new password. Raises HttpError 400 and 501."""
        if self._admin.hash_password is None:
            raise HttpError(501, f"This server can't {action} by HTTP; use `mailstack user {command}`.")
        try:
            self._admin.check_password(password, key)
            return await self._admin.hash_password(password)
        except ValueError as error:
            raise HttpError(400, str(error)) from None

    def _local_address(self, text: str) -> Address:
        """Parses an address at a domain of this server. Raises HttpError 400."""
        address = _address(text)
        if not self._context.access.directory.is_local(address.domain):
            raise HttpError(400, f"{address.domain} is not a domain of this server.")
        return address

    async def change(self, request: Request) -> Response:
        key = _address(request.variables["address"]).key
        stored = await self._hash(key, decode_json(request, NewPassword).password, "change passwords", "password")
        try:
            await self._store.accounts.set_password(key, stored.password_hash, stored.scram)
        except KeyError:
            raise _no_account(key) from None
        self._admin.invalidate_directory()
        account = await self._store.accounts.get(key)
        if account is None:
            raise _no_account(key)
        return json_response(self._account_info(account))

    async def remove(self, request: Request) -> Response:
        key = _address(request.variables["address"]).key
        try:
            await self._store.accounts.remove(key)
        except KeyError:
            raise _no_account(key) from None
        self._admin.invalidate_directory()
        return json_response(RemovedName(key))

    async def end_sessions(self, request: Request) -> Response:
        key = _address(request.variables["address"]).key
        if visible_to(request) not in {None, key}:
            raise HttpError(403, "Only an administrator may end the sessions of another account.")
        try:
            await self._store.accounts.end_sessions(key)
        except KeyError:
            raise _no_account(key) from None
        self._admin.invalidate_directory()
        return json_response(SessionEndResult(key, ended=True))

    async def aliases(self, request: Request) -> Response:
        found = sorted(await self._store.accounts.aliases())
        page, following = page_by_name(request, found, lambda alias: alias[0])
        return json_response(AliasList([AliasInfo(address, list(to)) for address, to in page], len(found), following))

    async def set_alias(self, request: Request) -> Response:
        alias = decode_json(request, AliasInfo)
        address = self._local_address(alias.address)
        targets = [str(_address(target)) for target in alias.targets]
        if not targets:
            raise HttpError(
                400, 'targets is empty; an alias needs at least one: {"address": "sales@…", "targets": ["alice@…"]}'
            )
        try:
            await self._store.accounts.set_alias(address.key, targets)
        except Conflict as conflict:
            raise HttpError(409, str(conflict)) from None
        self._admin.invalidate_directory()
        return json_response(AliasInfo(address.key, targets), 201)

    async def remove_alias(self, request: Request) -> Response:
        key = _address(request.variables["address"]).key
        try:
            await self._store.accounts.remove_alias(key)
        except KeyError:
            raise HttpError(404, f"There is no alias {key}; GET /v1/aliases lists the aliases.") from None
        self._admin.invalidate_directory()
        return json_response(RemovedName(key))

    async def mailboxes(self, request: Request) -> Response:
        octets = await self._store.mailboxes.sizes()
        octets.pop(ARCHIVE, None)
        counts: dict[str, MailboxCount] = {}
        if (index := self._context.index) is not None:
            await index.up_to_date()
            counts = {each.mailbox: each for each in await index.mailboxes()}
        own = visible_to(request)
        names = sorted(name for name in {*octets, *counts} if own in {None, name})
        nothing = MailboxCount("", 0, 0)
        page, following = page_by_name(request, names, str)
        listed = [
            MailboxInfo(name, octets.get(name, 0), found.total, found.unread)
            for name in page
            for found in (counts.get(name, nothing),)
        ]
        return json_response(MailboxList(listed, len(names), following))

    async def empty(self, request: Request) -> Response:
        key = _address(request.variables["address"]).key
        if visible_to(request) not in {None, key}:
            raise HttpError(403, "This mailbox belongs to another account.")
        deleted = 0
        try:
            maildrop = await self._store.mailboxes.open(key, OWNER)
        except MaildropInUse:
            raise HttpError(409, f"A client has the mailbox of {key} open; try again later.") from None
        try:
            uids = [entry.uid for entry in maildrop.entries]
            if (index := self._context.index) is not None:
                await index.up_to_date()
                deleted = (await index.soft_delete(ItemFilter(mailbox=key, seen_by=visible_to(request)))).count
            await self._store.mailboxes.update(key, collected=(), deleted=uids, steps=())
        finally:
            await self._store.mailboxes.release(key, OWNER)
        return json_response(DeletedCount(max(deleted, len(uids))))


def _address(text: str) -> Address:
    """Raises HttpError 400."""
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise HttpError(400, f"{text[:60]!r} is not an address: {error}") from None


def _no_account(key: str) -> HttpError:
    return HttpError(404, f"There is no account {key}; GET /v1/accounts lists the accounts.")
