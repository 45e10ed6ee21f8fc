"""MTA-STS policies of domains: discovery, cache and renewal (RFC 8461 §3.3)."""

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
    """A policy could not be fetched; str() is the reason, for people."""

    def __init__(self, reason: str, type: ResultType = "sts-policy-fetch-error") -> None:  # noqa: A002
        """`type` is the result type in a TLS report (RFC 8460 §4.3.2.2)."""
        super().__init__(reason)
        self.type = type


class PolicyFetcher(Protocol):
    """Fetches policies by HTTPS, or from a simulated internet."""

    async def fetch(self, domain: str) -> bytes:
        """Content of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (§3.3). Raises PolicyUnavailable."""


class CachedPolicy(Struct, frozen=True):
    """Fetched policy."""

    id: str
    """Id in the TXT record at the time of the fetch."""
    fetched: float
    """Time of the fetch, seconds since 1970."""
    policy: StsPolicy

    def holds(self, now: float) -> bool:
        return self.fetched <= now < self.fetched + self.policy.max_age


class PolicyCache(Protocol):
    """Stores policies across restarts; a lost policy is fetched again."""

    def get(self, domain: str) -> CachedPolicy | None:
        """The policy that was stored last, expired or not."""

    def put(self, domain: str, kept: CachedPolicy) -> None:
        """Stores a policy in place of the previous one. Never raises: errors are logged."""


class StsLimits(Struct, frozen=True):
    """Times and limits of MTA-STS."""

    ask_again: float = 300.0
    """Seconds until the TXT record is looked up again, and a failed fetch is repeated."""
    renew: float = 86400.0
    """Age in seconds at which a policy is fetched again though its id is the same, so that it does not expire (§3.3)."""
    remembered: int = 1000
    """Maximum number of domains in memory."""


STS_LIMITS = StsLimits()


class MtaStsPolicies:
    """Finds and caches the MTA-STS policies of domains."""

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
        """Results of failed fetches, for domains in `_known`."""

    async def policy(self, domain: str) -> StsPolicy | None:
        """The valid policy of a domain in lower case; None if it has none.

        Never raises: after a failed fetch it is the earlier policy while that is valid, otherwise None.
        """
        now = self._clock.now()
        until, kept = self._known.get(domain, (-math.inf, None))
        if until <= self._clock.steady():
            kept = await self._refresh(domain, now)
            self._remember(domain, self._clock.steady() + self._limits.ask_again, kept)
        return kept.policy if kept is not None and kept.holds(now) else None

    def trouble(self, domain: str) -> ResultType | None:
        """Result of the last fetch, if it failed."""
        return self._troubles.get(domain)

    async def _refresh(self, domain: str, now: float) -> CachedPolicy | None:
        kept = self._shelf.get(domain)
        self._troubles.pop(domain, None)
        try:
            current = record_id(await self._names.txt(f"_mta-sts.{domain}"))
        except (NoSuchDomain, DnsUnavailable):
            current = None
        # Without a record the stored policy stays valid: an attacker could suppress the record (§3.1). The policy is read
        # again, because a concurrent refresh may have stored one.
        if current is None:
            return self._shelf.get(domain)
        if kept is not None and kept.id == current and now < kept.fetched + self._renewal(kept):
            return kept
        try:
            policy = read_policy(await self._site.fetch(domain))
        except (PolicyUnavailable, NotAPolicy) as trouble:
            _log.warning("the MTA-STS policy of %s can't be fetched: %s", domain, trouble)
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
    """PolicyCache in memory, for the lifetime of the process."""

    def __init__(self) -> None:
        self._policies: dict[str, CachedPolicy] = {}

    def get(self, domain: str) -> CachedPolicy | None:
        return self._policies.get(domain)

    def put(self, domain: str, kept: CachedPolicy) -> None:
        self._policies[domain] = kept
