"""Reverse DNS: confirmed names of clients, and their requirement (RFC 8601 §2.7.3)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from mailstack.letter.address import AddressError, parse_domain
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.dnsbl import Lookups
from mailstack.policy.networks import ip_address
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

NO_NAME = reply(550, "5.7.25", "your address has no name in the DNS that leads back to it")

_MAX_NAMES = 5


class ReverseDnsRequired:
    """Refuses clients without a confirmed name; without an answer of the DNS they are accepted."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Judge the client, but for letters to the postmaster (RFC 5321 §4.5.1)."""
        address = ip_address(client.remote.host)
        if address is None or address.is_loopback or rcpt.address.local.lower() == "postmaster":
            return PASS
        names = await self._lookups.pointers(str(address))
        if names is None:
            return PASS
        for name in names[:_MAX_NAMES]:
            found = await self._lookups.addresses(name)
            if found is None or any(ip_address(each) == address for each in found):
                return PASS
        return Refuse(NO_NAME, f"{client.remote.host} has no confirmed name")


_MAX_POINTERS = 5


class ClientNames:
    """Looks names up beside the conversation, which never waits for it: a name that comes too late is left out."""

    def __init__(
        self,
        lookups: Lookups,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        believed: float = 600.0,
        capacity: int = 10_000,
        most_at_once: int = 100,
    ) -> None:
        """`believed`: seconds for which an answer holds. Beyond `most_at_once` look-ups a client goes without a name."""
        self._lookups = lookups
        self._spawn = spawn
        self._most_at_once = most_at_once
        self._known: TTLCache[str, str] = TTLCache(now, believed, capacity)
        self._sought: set[str] = set()

    def seek(self, host: str) -> None:
        """Begin to look for the name of an IP address, if it isn't known."""
        if host in self._sought or len(self._sought) >= self._most_at_once or self._known.get(host) is not None:
            return
        address = ip_address(host)
        if address is not None and not address.is_loopback:
            self._sought.add(host)
            self._spawn(self._seek(host))

    def known(self, host: str) -> str:
        """The confirmed name, as far as it is known; "" for none."""
        return self._known.get(host) or ""

    async def find(self, host: str) -> str:
        """The confirmed name, for a policy that must know it; "" for none."""
        known = self._known.get(host)
        if known is None:
            known = await self._confirmed(host)
            self._known.put(host, known)
        return known

    async def _seek(self, host: str) -> None:
        try:
            self._known.put(host, await self._confirmed(host))
        finally:
            self._sought.discard(host)

    async def _confirmed(self, host: str) -> str:
        """The first name of the address that has the address."""
        address = ip_address(host)
        if address is None:
            return ""
        for pointer in (await self._lookups.pointers(str(address)) or ())[:_MAX_POINTERS]:
            try:
                name = parse_domain(pointer).lower()
            except AddressError:
                continue
            if any(ip_address(each) == address for each in await self._lookups.addresses(name) or ()):
                return name
        return ""
