"""MTA-STS policies of domains: parsers, discovery, cache and renewal (RFC 8461 §3)."""

from __future__ import annotations

import logging
import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from mailstack.protocols.connection import Clock
from mailstack.relay.hosts import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.store.tls_results import ResultType

MAX_AGE_S = 31_557_600
"""Maximum age of a policy in seconds (RFC 8461 §3.2)."""
MAX_HOSTS = 100
"""Maximum number of host patterns in one policy."""

_VERSION = "STSv1"
_RECORD = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*=[ \t]*([!-:<>-~]+)\Z")
_LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*([^\r\n]*)\Z")
_AGE = re.compile(r"[0-9]{1,10}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


class NotAPolicy(ValueError):
    """The published policy is invalid; str() is the reason, for people."""


class Mode(StrEnum):
    """Mode of a policy: the reaction to a host that fails (RFC 8461 §5)."""

    NONE = "none"
    """The policy has been withdrawn."""
    TESTING = "testing"
    """Letters are sent in spite of a failure."""
    ENFORCE = "enforce"
    """Letters are not sent after a failure."""


class StsPolicy(Struct, frozen=True):
    """MTA-STS policy of a domain."""

    mode: Mode
    max_age: int
    """Seconds for which the policy is valid after its fetch."""
    mx: tuple[str, ...]
    """Host patterns in lower case: a host, or "*." and a domain."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines of the policy in TLS reports (RFC 8460 §4.4)."""
        hosts = [f"mx: {host}" for host in self.mx]
        return ("version: STSv1", f"mode: {self.mode.value}", *hosts, f"max_age: {self.max_age}")

    def matches(self, host: str) -> bool:
        """Whether a pattern matches the host; the wildcard matches one label (§4.1)."""
        host = host.lower().rstrip(".")
        return host in self.mx or f"*.{host.partition('.')[2]}" in self.mx


def record_id(texts: Iterable[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.DOMAIN`; None unless exactly one of them is valid (§3.1)."""
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return None
    ids = []
    for part in records[0].split(";")[1:]:
        if not (text := part.strip(" \t")):
            continue
        found = _FIELD.match(text)
        if found is None:
            return None
        if found[1] == "id":
            ids.append(found[2])
    return ids[0] if ids and _ID.match(ids[0]) else None


def read_policy(octets: bytes) -> StsPolicy:
    """Parses a policy file (§3.2). The first of repeated fields counts. Raises NotAPolicy."""
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in octets.replace(b"\r\n", b"\n").split(b"\n"):
        if not line.strip(b" \t"):
            continue
        found = _LINE.match(line.strip(b" \t"))
        if found is None:
            raise NotAPolicy("a line of the policy is not a field")
        name, value = found[1].decode("ascii"), found[2].decode("utf-8", "replace")
        if name == "mx":
            hosts.append(value)
        else:
            fields.setdefault(name, value)
    if fields.get("version") != _VERSION:
        raise NotAPolicy(f"the policy's version is not {_VERSION}")
    return StsPolicy(_mode(fields), _max_age(fields), _hosts(hosts, fields))


def _mode(fields: dict[str, str]) -> Mode:
    try:
        return Mode(fields.get("mode", ""))
    except ValueError:
        raise NotAPolicy("the policy's mode is none of enforce, testing, none") from None


def _max_age(fields: dict[str, str]) -> int:
    text = fields.get("max_age", "")
    if not _AGE.match(text):
        raise NotAPolicy("the policy's max_age is not a number of seconds")
    return min(int(text), MAX_AGE_S)


def _hosts(hosts: list[str], fields: dict[str, str]) -> tuple[str, ...]:
    if not hosts and fields["mode"] != Mode.NONE:
        raise NotAPolicy("the policy names no host")
    if len(hosts) > MAX_HOSTS or not all(_HOST.match(host) for host in hosts):
        raise NotAPolicy("the policy has an invalid mx, or too many of them")
    return tuple(host.lower() for host in hosts)


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

    def is_valid(self, now: float) -> bool:
        return self.fetched <= now < self.fetched + self.policy.max_age


class PolicyCache(Protocol):
    """Stores policies across restarts; a lost policy is fetched again."""

    def get(self, domain: str) -> CachedPolicy | None:
        """The policy that was stored last, expired or not."""

    def put(self, domain: str, cached: CachedPolicy) -> None:
        """Stores a policy in place of the previous one. Never raises: errors are logged."""


class StsLimits(Struct, frozen=True):
    """Times and limits of MTA-STS."""

    retry: float = 300.0
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
        resolver: DnsResolver,
        fetcher: PolicyFetcher,
        cache: PolicyCache,
        clock: Clock,
        *,
        limits: StsLimits = STS_LIMITS,
    ) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._cache = cache
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
        until, cached = self._known.get(domain, (-math.inf, None))
        if until <= self._clock.steady():
            cached = await self._refresh(domain, now)
            self._remember(domain, self._clock.steady() + self._limits.retry, cached)
        return cached.policy if cached is not None and cached.is_valid(now) else None

    def trouble(self, domain: str) -> ResultType | None:
        """Result of the last fetch, if it failed."""
        return self._troubles.get(domain)

    async def _refresh(self, domain: str, now: float) -> CachedPolicy | None:
        cached = self._cache.get(domain)
        self._troubles.pop(domain, None)
        try:
            current = record_id(await self._resolver.txt(f"_mta-sts.{domain}"))
        except (NoSuchDomain, DnsUnavailable):
            current = None
        # Without a record the stored policy stays valid: an attacker could suppress the record (§3.1). The policy is read
        # again, because a concurrent refresh may have stored one.
        if current is None:
            return self._cache.get(domain)
        if cached is not None and cached.id == current and now < cached.fetched + self._renewal(cached):
            return cached
        try:
            policy = read_policy(await self._fetcher.fetch(domain))
        except (PolicyUnavailable, NotAPolicy) as trouble:
            _log.warning("the MTA-STS policy of %s can't be fetched: %s", domain, trouble)
            self._troubles[domain] = trouble.type if isinstance(trouble, PolicyUnavailable) else "sts-policy-invalid"
            return self._cache.get(domain)
        cached = CachedPolicy(current, now, policy)
        self._cache.put(domain, cached)
        return cached

    def _renewal(self, cached: CachedPolicy) -> float:
        return min(self._limits.renew, cached.policy.max_age / 2)

    def _remember(self, domain: str, until: float, cached: CachedPolicy | None) -> None:
        self._known.pop(domain, None)
        self._known[domain] = until, cached
        if len(self._known) > self._limits.remembered:
            self._troubles.pop(self._known.popitem(last=False)[0], None)


class MemoryPolicyCache:
    """PolicyCache in memory, for the lifetime of the process."""

    def __init__(self) -> None:
        self._policies: dict[str, CachedPolicy] = {}

    def get(self, domain: str) -> CachedPolicy | None:
        return self._policies.get(domain)

    def put(self, domain: str, cached: CachedPolicy) -> None:
        self._policies[domain] = cached
