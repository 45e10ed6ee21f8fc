"""Greylisting: defers the first letter of an unknown network (RFC 6647)."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable

from msgspec import Struct

from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.networks import ip_address
from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply
from mailstack.store import GreylistEntry, Store, StoreError

_log = logging.getLogger(__name__)

COME_AGAIN = reply(451, "4.7.1", "greylisted, please try again later")

IPV4_BITS, IPV6_BITS = 24, 64
"""RFC 6647 §5: the network and not the address counts, since big senders try again from a neighbour."""


class GreylistTimes(Struct, frozen=True):
    """Times of greylisting, in seconds."""

    delay: float = 300.0
    """Minimum wait of a first letter."""
    retry: float = 86400.0
    """Maximum time until the second attempt; a later one counts as the first."""
    keep: float = 3024000.0
    """Time for which a known network stays known since its last letter: 35 days, so that monthly letters pass."""


class Greylist:
    """Stores networks with sender and recipient. A network is known after one letter that was tried again.

    Fails open: without the store no letter is deferred.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        patience: GreylistTimes | None = None,
        *,
        most: int = 1_000_000,
        sweep: int = 10_000,
    ) -> None:
        """`most` is remembered; it is looked at after every `sweep` new ones, so that no flood of them fills the disk."""
        self._complaint = RateLimitedLog(_log, time.monotonic)
        self._store = store
        self._most = most
        self._sweep = sweep
        self._new = 0
        self._now = now
        self._patience = patience or GreylistTimes()

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        try:
            known = await self._is_known(client, rcpt)
        except StoreError as error:
            self._complaint.error("greylisting could not ask the store: %s", error)
            return PASS
        return PASS if known else Defer(COME_AGAIN, f"{client.remote.host} is not known yet")

    async def _is_known(self, client: Client, rcpt: Rcpt) -> bool:
        now, patience = self._now(), self._patience
        network = network_of(client.remote.host)
        friend = await self._store.contact(network)
        if friend is not None and friend.until > now:
            if friend.until < now + patience.keep * 0.9:
                await self._store.set_contact(GreylistEntry(network, friend.first, now + patience.keep))
            return True
        triple = f"{network} {client.sender.key if client.sender else '<>'} {rcpt.address.key}"
        waiting = await self._store.contact(triple)
        if waiting is None or waiting.until <= now:
            await self._store.set_contact(GreylistEntry(triple, now, now + patience.retry))
            self._new += 1
            if self._new % self._sweep == 0:
                await self._store.forget_contacts(now, self._most)
            return False
        if now < waiting.first + patience.delay:
            return False
        await self._store.set_contact(GreylistEntry(network, now, now + patience.keep))
        return True


def network_of(host: str) -> str:
    """The network that counts as one sender."""
    address = ip_address(host)
    if address is None:
        return host
    bits = IPV4_BITS if isinstance(address, ipaddress.IPv4Address) else IPV6_BITS
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
