"""The MTA-STS policy of a domain: found, kept for as long as it holds, renewed when it changes (RFC 8461 §3.3, §5.1)."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from typing import Protocol

from msgspec import Struct

from mailstack.protocols.connection import Clock
from mailstack.relay.dns import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.mta_sts_policy import NotAPolicy, StsPolicy, read_policy, record_id
from mailstack.store.tls_results import ResultType

_log = logging.getLogger(__name__)


class PolicyUnavailable(Exception):
    """A policy could not be fetched; str() says why, for people."""

    def __init__(self, why: str, type: ResultType = "sts-policy-fetch-error") -> None:  # noqa: A002
        """`type` is what a TLS report calls it (RFC 8460 §4.3.2.2)."""
        super().__init__(why)
        self.type = type


class PolicyFetcher(Protocol):
    """Where policies come from: HTTPS, or a simulated internet."""

    async def fetch(self, domain: str) -> bytes:
        """What `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` holds (§3.3). Raises PolicyUnavailable."""


class CachedPolicy(Struct, frozen=True):
    """A policy as it was fetched."""

    id: str
    """Of the TXT record then."""
    fetched: float
    """Seconds since 1970."""
    policy: StsPolicy

    def holds(self, now: float) -> bool:
        return self.fetched <= now < self.fetched + self.policy.max_age


class PolicyCache(Protocol):
    """Keeps policies across restarts; what it loses is fetched again."""

    def get(self, domain: str) -> CachedPolicy | None:
        """What was put there last, whether it still holds or not."""

    def put(self, domain: str, kept: CachedPolicy) -> None:
        """Keep it in place of what was there. Never raises: trouble is logged."""


class StsLimits(Struct, frozen=True):
    """Times are in seconds."""

    ask_again: float = 300.0
    """How long an answer is believed before the TXT record is looked at again, and a failed fetch is tried again."""
    renew: float = 86400.0
    """A policy older than this is fetched again, though its id is the same, so that it goes on to hold (§3.3)."""
    remembered: int = 1000
    """Domains."""


STS_LIMITS = StsLimits()


class MtaSts:
    """Knows the policies of domains."""

    def __init__(
        self,
        names: DnsResolver,
        site: PolicyFetcher,
        shelf: PolicyCache,
        clock: Clock,
        *,
        limits: StsLimits = STS_LIMITS,
    ) -> None:
        self._names = names
        self._site = site
        self._shelf = shelf
        self._clock = clock
        self._limits = limits
        self._known: OrderedDict[str, tuple[float, CachedPolicy | None]] = OrderedDict()
        self._troubles: dict[str, ResultType] = {}
        """What went wrong with those of `_known` whose policy can't be had."""

    async def policy(self, domain: str) -> StsPolicy | None:
        """The policy that holds for a domain in lower case; None when it has none. Never raises: what can't be had is None,
        unless an earlier policy holds still.
        """
        now = self._clock.now()
        until, kept = self._known.get(domain, (-math.inf, None))
        if until <= self._clock.steady():
            kept = await self._look(domain, now)
            self._remember(domain, self._clock.steady() + self._limits.ask_again, kept)
        return kept.policy if kept is not None and kept.holds(now) else None

    def trouble(self, domain: str) -> ResultType | None:
        """Why the policy that a domain has published was not to be had when it was last looked for."""
        return self._troubles.get(domain)

    async def _look(self, domain: str, now: float) -> CachedPolicy | None:
        kept = self._shelf.get(domain)
        self._troubles.pop(domain, None)
        try:
            current = record_id(await self._names.txt(f"_mta-sts.{domain}"))
        except (NoSuchDomain, DnsUnavailable):
            current = None
        # No record is no reason to forget a policy: an attacker could make it go away (§3.1). Nor is it one to forget what
        # a look for another letter has found meanwhile.
        if current is None:
            return self._shelf.get(domain)
        if kept is not None and kept.id == current and now < kept.fetched + self._renewal(kept):
            return kept
        try:
            policy = read_policy(await self._site.fetch(domain))
        except (PolicyUnavailable, NotAPolicy) as trouble:
            _log.warning("the MTA-STS policy of %s can't be had: %s", domain, trouble)
            self._troubles[domain] = trouble.type if isinstance(trouble, PolicyUnavailable) else "sts-policy-invalid"
            return self._shelf.get(domain)
        kept = CachedPolicy(current, now, policy)
        self._shelf.put(domain, kept)
        return kept

    def _renewal(self, kept: CachedPolicy) -> float:
        return min(self._limits.renew, kept.policy.max_age / 2)

    def _remember(self, domain: str, until: float, kept: CachedPolicy | None) -> None:
        self._known.pop(domain, None)
        self._known[domain] = until, kept
        if len(self._known) > self._limits.remembered:
            self._troubles.pop(self._known.popitem(last=False)[0], None)


class MemoryShelf:
    """A PolicyCache that forgets at the end of the process."""

    def __init__(self) -> None:
        self._policies: dict[str, CachedPolicy] = {}

    def get(self, domain: str) -> CachedPolicy | None:
        return self._policies.get(domain)

    def put(self, domain: str, kept: CachedPolicy) -> None:
        self._policies[domain] = kept
