"""Directory of local addresses: mailboxes, aliases and owners."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, AddressError
from mailstack.letter.address import ascii_domain
from mailstack.policy.permissions import AddressOwners
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Clock
from mailstack.queue import recipient_routes
from mailstack.store.accounts import Account

MAX_ALIASES = 1000
"""Maximum addresses followed to decide whether an account owns an address."""


class Directory(recipient_routes.LocalAddresses, AddressOwners, Protocol):
    """Directory lookups that receiving rules and policies need: `is_local`, `mailbox`, `alias`, `owns`."""


class Addresses(Protocol):
    """Methods of `mailstack.store.accounts.AccountStore` in use here."""

    async def get(self, address: str) -> Account | None: ...

    async def all(self) -> list[Account]: ...

    async def alias(self, address: str) -> tuple[str, ...] | None: ...


class _Entry(Struct, frozen=True):
    """Cached destination of one address: a mailbox, other addresses, or none."""

    mailbox: str | None = None
    targets: tuple[Address, ...] | None = None


_NOWHERE = _Entry()


class StoreDirectory:
    """Accounts and aliases of the store, with a short-lived cache. All queries may raise StoreError."""

    def __init__(
        self,
        store: Addresses,
        domains: Sequence[str],
        clock: Clock,
        *,
        postmaster: Address | None = None,
        administrators: Sequence[Address] = (),
        subaddress: bool = True,
        ttl: float = 1.0,
        capacity: int = 10000,
    ) -> None:
        """`postmaster` receives letters for postmaster of each local domain without a postmaster account.

        Without it, the first of these receives them: the oldest account of that domain, postmaster of the first domain,
        one of the `administrators`, a mailbox without an account. No account of another domain receives them.

        `subaddress`: user+anything@ is user@. `ttl` is the lifetime of cached answers in seconds.
        """
        self._store = store
        self._domains = tuple(_fold_domain(domain) for domain in domains)
        self._local = frozenset((*self._domains, ""))
        self._postmaster = postmaster
        self._administrators = tuple(administrators)
        self._subaddress = subaddress
        self._entries: TTLCache[str, _Entry] = TTLCache(clock.steady, ttl, capacity)
        self._oldest: TTLCache[str, dict[str, str]] = TTLCache(clock.steady, ttl, 1)
        """Oldest account of each domain, under a single key."""

    def is_local(self, domain: str) -> bool:
        """Whether `domain` is local, in any case and form of labels; "" is the domain of the bare postmaster."""
        return _fold_domain(domain) in self._local

    def invalidate(self) -> None:
        """Drop cached answers after a change of the store."""
        self._entries.clear()
        self._oldest.clear()

    async def mailbox(self, address: Address) -> str | None:
        """Key of the mailbox of this address; None for an alias or an unknown address."""
        return (self._entries.get(address.key) or await self._entry(address)).mailbox

    async def alias(self, address: Address) -> tuple[Address, ...] | None:
        """Targets of an alias; None without an alias."""
        return (await self._entry(address)).targets

    async def owns(self, account: str, sender: Address) -> bool:
        """Whether `sender` is `account` (an `Address.key`), a subaddress of it, or an alias delivered to it."""
        if sender.key == account:
            return True
        visited = {sender.key}
        waiting = [sender]
        while waiting:
            entry = await self._entry(waiting.pop())
            if entry.mailbox == account:
                return True
            for target in entry.targets or ():
                if target.key not in visited and len(visited) < MAX_ALIASES:
                    visited.add(target.key)
                    waiting.append(target)
        return False

    async def _entry(self, address: Address) -> _Entry:
        if not self.is_local(address.domain):
            return _NOWHERE
        entry = self._entries.get(address.key)
        if entry is None:
            entry = await self._look_up(address)
            self._entries.put(address.key, entry)
        return entry

    async def _look_up(self, address: Address) -> _Entry:
        """Look up an address, then the one without its tag, each as account and alias."""
        if not address.domain and self._domains:
            address = replace(address, domain=self._domains[0]) if address.local.lower() == "postmaster" else address
        for name in (address, self._without_tag(address)):
            if await self._store.get(name.key) is not None:
                return _Entry(mailbox=name.key)
            targets = await self._store.alias(name.key)
            if targets is not None:
                return _Entry(targets=tuple(_parse_addresses(targets)))
        return await self._fallback(_fold_domain(address.domain)) if self._is_postmaster(address) else _NOWHERE

    def _without_tag(self, address: Address) -> Address:
        user, plus, _ = address.local.partition("+")
        return replace(address, local=user) if self._subaddress and user and plus else address

    def _is_postmaster(self, address: Address) -> bool:
        return self._without_tag(address).local.lower() == "postmaster" and self.is_local(address.domain)

    async def _fallback(self, domain: str) -> _Entry:
        """Destination of letters for postmaster without an account or alias of that name (RFC 5321 §4.5.1)."""
        name = f"@{domain}"
        entry = self._entries.get(name)
        if entry is None:
            entry = await self._configured_postmaster() or await self._domain_fallback(domain)
            self._entries.put(name, entry)
        return entry

    async def _configured_postmaster(self) -> _Entry | None:
        """Destination of the configured postmaster; None without one."""
        chosen = self._postmaster
        if chosen is None or self._is_postmaster(chosen):
            return None
        if not self.is_local(chosen.domain):
            return _Entry(targets=(chosen,))
        entry = await self._entry(chosen)
        return None if entry is _NOWHERE else entry

    async def _domain_fallback(self, domain: str) -> _Entry:
        """Return an account of the domain, or of the administrators."""
        if not self._domains:
            return _NOWHERE
        oldest = (await self._oldest_accounts()).get(domain)
        if oldest is not None:
            return _Entry(mailbox=oldest)
        first = self._domains[0]
        if domain != first:
            return await self._entry(Address("postmaster", first))
        for administrator in self._administrators:
            if not self._is_postmaster(administrator) and (entry := await self._entry(administrator)) is not _NOWHERE:
                return entry
        return _Entry(mailbox=f"postmaster@{first}")

    async def _oldest_accounts(self) -> dict[str, str]:
        found = self._oldest.get("")
        if found is None:
            accounts = await self._store.all()
            accounts.sort(key=lambda account: (account.created, account.address), reverse=True)
            found = {account.address.rpartition("@")[2]: account.address for account in accounts}
            self._oldest.put("", found)
        return found


class OpenDirectory:
    """Directory in which every address has a mailbox, for the rest of the world of a dev environment."""

    def __init__(self, excluded: Collection[str] = (), hostname: str = "localhost") -> None:
        """`excluded` are domains of other servers; `hostname` completes the bare postmaster."""
        self._excluded = frozenset(_fold_domain(domain) for domain in excluded)
        self._hostname = hostname

    def is_local(self, domain: str) -> bool:
        return _fold_domain(domain) not in self._excluded

    async def mailbox(self, address: Address) -> str | None:
        if not self.is_local(address.domain):
            return None
        return (address if address.domain else replace(address, domain=self._hostname)).key

    async def alias(self, address: Address) -> tuple[Address, ...] | None:  # noqa: ARG002
        """Returns None: this directory has no aliases."""
        return None

    async def owns(self, account: str, sender: Address) -> bool:
        return sender.key == account


@lru_cache(maxsize=1024)
def _fold_domain(domain: str) -> str:
    return (domain if domain.isascii() else ascii_domain(domain)).lower()


def _parse_addresses(texts: Sequence[str]) -> list[Address]:
    """Valid targets; other programs may have written invalid ones to the store."""
    addresses = []
    for text in texts:
        try:
            addresses.append(Address.parse(text))
        except AddressError:
            continue
    return addresses
