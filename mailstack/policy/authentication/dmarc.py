"""DMARC: policy discovery and evaluation for the domain in From (RFC 7489)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.policy.authentication.signature import MalformedTags, is_within, read_tags
from mailstack.policy.dns_checks import Lookups

Disposition = Literal["none", "quarantine", "reject"]
"""Policy requested by the owner of a domain."""
DmarcCode = Literal["none", "pass", "fail", "temperror", "permerror"]

_MILDER: dict[Disposition, Disposition] = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_DISPOSITIONS: dict[str, Disposition] = {"none": "none", "quarantine": "quarantine", "reject": "reject"}
_MAX_LABELS = 8
"""Maximum labels of the tree walk: for a long name the whole one, then its last seven labels."""


class NoAnswer(Exception):
    """The DNS gave no answer in time; str() names the query."""


class DmarcPolicy(Struct, frozen=True):
    """DMARC policy record (RFC 7489 §6.3)."""

    wish: Disposition
    for_subdomains: Disposition
    for_missing: Disposition
    """Policy for missing domains (np=, RFC 9091)."""
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    """Percentage of letters to which the policy applies."""
    is_public_suffix: bool | None = None
    """Value of psd=: whether subdomains have different owners; None without the tag."""


class DmarcResult(Struct, frozen=True):
    """Result of DMARC for one letter."""

    result: DmarcCode
    domain: str = ""
    """Domain in From."""
    wish: Disposition = "none"
    """Requested disposition when the result is "fail" or "permerror"."""
    reason: str = ""


def read_policy(text: str) -> DmarcPolicy | None:
    """Parses a TXT record; None for another record (RFC 7489 §6.3)."""
    try:
        tags = read_tags(text)
    except MalformedTags:
        return None
    if next(iter(tags), "") != "v" or tags["v"] != "DMARC1":
        return None
    wish = _DISPOSITIONS.get(tags.get("p", "none").lower())
    if wish is None:
        # §6.6.3: a domain with an address for reports counts as p=none.
        if not tags.get("rua"):
            return None
        wish = "none"
    for_subdomains = _DISPOSITIONS.get(tags.get("sp", "").lower(), wish)
    for_missing = _DISPOSITIONS.get(tags.get("np", "").lower(), for_subdomains)
    if tags.get("t", "").lower() == "y":
        wish, for_subdomains, for_missing = _MILDER[wish], _MILDER[for_subdomains], _MILDER[for_missing]
    percent = tags.get("pct", "100")
    return DmarcPolicy(
        wish,
        for_subdomains,
        for_missing,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=min(int(percent), 100) if percent.isascii() and percent.isdecimal() and len(percent) < 4 else 100,
        is_public_suffix={"y": True, "n": False}.get(tags.get("psd", "").lower()),
    )


class Identifier(Struct, frozen=True):
    """Domain that SPF or DKIM authenticated, or might have with an answer of the DNS (RFC 7489 §3.1)."""

    method: Literal["spf", "dkim"]
    domain: str
    is_certain: bool
    """Whether the result is "pass"; else it is "temperror"."""


class Discovery(Struct, frozen=True):
    """Policy of one domain in From, from DNS (RFC 7489 §6.6.3)."""

    domain: str
    policy: DmarcPolicy | None = None
    wish: Disposition = "none"
    trouble: str = ""
    """Reason of a failed lookup; else empty."""


def judge_authors(found: Sequence[Discovery]) -> DmarcResult:
    """Judge a letter with authors of no domain, or of several (RFC 7489 §6.6.1).

    The strictest policy applies. A failed lookup of one domain does not weaken the policy of another.
    """
    reason = "From does not name one domain"
    strictest = max(found, key=lambda each: list(_DISPOSITIONS).index(each.wish), default=Discovery(""))
    silent = next((each for each in found if each.trouble), None)
    if silent is not None and strictest.wish != "reject":
        return DmarcResult("temperror", silent.domain, reason=silent.trouble)
    return DmarcResult("permerror", strictest.domain if strictest.wish != "none" else "", strictest.wish, reason)


class Dmarc:
    """DMARC for one domain in From, with cached records. All names are in A-labels and lower case."""

    def __init__(self, author: str, lookups: Lookups, chance: Callable[[], float]) -> None:
        """`chance` returns random numbers in [0, 1), for pct=."""
        self._author = author
        self._lookups = lookups
        self._chance = chance
        self._policies: dict[str, DmarcPolicy | None] = {}

    async def discover(self) -> Discovery:
        """The policy of the domain, and its disposition for letters."""
        author = self._author
        if author.startswith("["):
            return Discovery(author)  # an address literal has no name in the DNS
        try:
            if (own := await self._policy(author)) is not None:
                return Discovery(author, own, own.wish)
            above = await self.organization(author)
            policy = await self._policy(above) if above != author else None
            if policy is None:
                return Discovery(author)
            return Discovery(author, policy, policy.for_subdomains if await self._exists() else policy.for_missing)
        except NoAnswer as error:
            return Discovery(author, trouble=str(error))

    async def judge(self, found: Discovery, identifiers: Iterable[Identifier]) -> DmarcResult:
        """Result of the policy. Only identifiers aligned with From can pass or be uncertain."""
        author, policy, wish = self._author, found.policy, found.wish
        if found.trouble:
            return DmarcResult("temperror", author, reason=found.trouble)
        if policy is None:
            return DmarcResult("none", author)
        doubt = ""
        for each in sorted(identifiers, key=lambda each: not each.is_certain):
            strict = policy.strict_spf if each.method == "spf" else policy.strict_dkim
            try:
                if not await self._is_aligned(each.domain, strict=strict):
                    continue
            except NoAnswer as error:
                doubt = str(error)
                continue
            if each.is_certain:
                return DmarcResult("pass", author, wish)
            doubt = f"no answer for {each.method} of {each.domain}"
        if doubt:
            return DmarcResult("temperror", author, reason=doubt)
        if policy.percent < 100 and self._chance() * 100 >= policy.percent:
            wish = _MILDER[wish]
        return DmarcResult("fail", author, wish)

    async def _is_aligned(self, other: str, *, strict: bool) -> bool:
        """Whether a domain is aligned with From (RFC 7489 §3.1). Domains of unrelated organizations are not looked up."""
        author = self._author
        if author == other or strict:
            return author == other
        if author.rpartition(".")[2] != other.rpartition(".")[2]:
            return False
        organization = await self.organization(author)
        return is_within(other, organization) and await self.organization(other) == organization

    async def organization(self, domain: str) -> str:
        """Organizational domain, found by the policies of the domain and those above it."""
        found = domain
        for position, name in enumerate(_walk(domain)):
            policy = await self._policy(name)
            if policy is None:
                continue
            if policy.is_public_suffix is False:
                return name
            if policy.is_public_suffix:
                return domain if not position else _child_of(domain, name)
            found = name
        return found

    async def _exists(self) -> bool:
        """Whether the domain has an address or MX records (RFC 9091 §2.7)."""
        addresses = await self._lookups.addresses(self._author)
        exchanges = await self._lookups.exchanges(self._author) if addresses == () else None
        return addresses != () or exchanges != ()

    async def _policy(self, domain: str) -> DmarcPolicy | None:
        if domain not in self._policies:
            texts = await self._lookups.texts(f"_dmarc.{domain}")
            if texts is None:
                raise NoAnswer(f"no answer about _dmarc.{domain}")
            found = [policy for text in texts if (policy := read_policy(text)) is not None]
            # RFC 7489 §6.6.3: several records count as none.
            self._policies[domain] = found[0] if len(found) == 1 else None
        return self._policies[domain]


def _walk(domain: str) -> list[str]:
    """The domain and its parents, at most eight."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) <= _MAX_LABELS else labels[-(_MAX_LABELS - 1) :]
    return [domain, *[".".join(above[start:]) for start in range(len(above))]]


def _child_of(domain: str, suffix: str) -> str:
    """The part of a domain with one label more than its suffix."""
    count = suffix.count(".") + 2
    return ".".join(domain.split(".")[-count:])
