"""Greylisting: defers the first letter of an unknown network (RFC 6647)."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable

from msgspec import Struct

from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.networks import ip_address
from mailstack.protocols.log import RateLimitedLog
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply
from mailstack.store import StoreError
from mailstack.store.greylist import GreylistEntry, GreylistStore

_log = logging.getLogger(__name__)

GREYLISTED = reply(451, "4.7.1", "greylisted, please try again later")

IPV4_BITS, IPV6_BITS = 24, 64
"""Prefix lengths of networks (RFC 6647 §5): large senders retry from neighbouring addresses."""


class GreylistTimes(Struct, frozen=True):
    """Times of greylisting, in seconds."""

    delay: float = 300.0
    """Minimum wait of a first letter."""
    retry: float = 86400.0
    """Maximum time until the second attempt; a later one counts as the first."""
    keep: float = 3024000.0
    """Time since the last letter for which a network stays known: 35 days, for monthly letters."""


class Greylist:
    """Greylist of networks, senders and recipients. A network is known after the retry of one letter.

    Fails open: without the store no letter is deferred.
    """

    def __init__(
        self,
        entries: GreylistStore,
        now: Callable[[], float],
        times: GreylistTimes | None = None,
        *,
        max_entries: int = 1_000_000,
        sweep: int = 10_000,
    ) -> None:
        """`max_entries` limits the stored entries. Every `sweep` new entries the store is pruned, so that a flood can't fill it."""
        self._complaint = RateLimitedLog(_log, time.monotonic)
        self._entries = entries
        self._max_entries = max_entries
        self._sweep = sweep
        self._new = 0
        self._now = now
        self._times = times or GreylistTimes()

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        try:
            is_known = await self._is_known(client, rcpt)
        except StoreError as error:
            self._complaint.error("greylisting could not ask the store: %s", error)
            return PASS
        return PASS if is_known else Defer(GREYLISTED, f"{client.remote.host} is not known yet")

    async def _is_known(self, client: Client, rcpt: Rcpt) -> bool:
        now, times = self._now(), self._times
        network = greylist_network(client.remote.host)
        network_entry = await self._entries.find(network)
        if network_entry is not None and network_entry.until > now:
            if network_entry.until < now + times.keep * 0.9:
                await self._entries.set(GreylistEntry(network, network_entry.first, now + times.keep))
            return True
        triple = f"{network} {client.sender.key if client.sender else '<>'} {rcpt.address.key}"
        triple_entry = await self._entries.find(triple)
        if triple_entry is None or triple_entry.until <= now:
            await self._entries.set(GreylistEntry(triple, now, now + times.retry))
            self._new += 1
            if self._new % self._sweep == 0:
                await self._entries.purge(now, self._max_entries)
            return False
        if now < triple_entry.first + times.delay:
            return False
        await self._entries.set(GreylistEntry(network, now, now + times.keep))
        return True


def greylist_network(host: str) -> str:
    """Return the network of an address; other text is unchanged."""
    address = ip_address(host)
    if address is None:
        return host
    bits = IPV4_BITS if isinstance(address, ipaddress.IPv4Address) else IPV6_BITS
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
