"""Faulty DNS resolver: lookups fail or take long by rule."""

from __future__ import annotations

from typing import Any

from mailstack.net.clock import ReactorClock
from mailstack.net.lookups import ReverseNames
from mailstack.protocols.connection import Tlsa
from mailstack.relay.dns import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.sandbox.faults.faults import FaultContext, Faults

PATIENCE = 20.0
"""Seconds after which a look-up that nobody answers is given up."""


class FaultyNames:
    """A net.lookups.ReverseNames that is another one's."""

    def __init__(self, names: ReverseNames, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._names = names
        self._faults = faults
        self._server = server
        self._clock = clock

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        return () if await self._is_empty(domain) else await self._names.mx(domain)

    async def addresses(self, host: str) -> tuple[str, ...]:
        return () if await self._is_empty(host) else await self._names.addresses(host)

    async def txt(self, name: str) -> tuple[str, ...]:
        return () if await self._is_empty(name) else await self._names.txt(name)

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        return () if await self._is_empty(name) else await self._names.tlsa(name)

    async def signed_name(self, host: str) -> str | None:
        return None if await self._is_empty(host) else await self._names.signed_name(host)

    async def pointers(self, address: str) -> tuple[str, ...]:
        return () if await self._is_empty(address) else await self._names.pointers(address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._names, name)

    async def _is_empty(self, name: str) -> bool:
        """Whether there is no such record; raises NoSuchDomain, DnsUnavailable."""
        if not self._faults.any:
            return False
        rule = self._faults.choose(FaultContext("dns", self._server, name=name.rstrip(".")))
        if rule is None:
            return False
        if rule.delay:
            await self._clock.pause(rule.pause)
        if rule.answer == "nxdomain":
            raise NoSuchDomain(f"{name}: no such name")
        if rule.answer == "servfail":
            raise DnsUnavailable(f"{name}: the name server failed (SERVFAIL)")
        if rule.answer == "timeout":
            await self._clock.pause(PATIENCE)
            raise DnsUnavailable(f"{name}: no name server answered in time")
        return rule.answer == "nodata"
