"""Client names: confirmed reverse DNS of an address (FCrDNS, RFC 8601 §2.7.3)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from mailstack.letter.address import AddressError, parse_domain
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import ip_address
from mailstack.protocols.ttl_cache import TTLCache

_MOST_POINTERS = 5


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
        for pointer in (await self._lookups.pointers(str(address)) or ())[:_MOST_POINTERS]:
            try:
                name = parse_domain(pointer).lower()
            except AddressError:
                continue
            if any(ip_address(each) == address for each in await self._lookups.addresses(name) or ()):
                return name
        return ""
