"""What the domain in From wants done with letters that are not from it: DMARC (RFC 7489; its successor's walk of the DNS)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.authentication.tags import MalformedTags, read_tags
from mailstack.policy.lookups import Lookups

Wish = Literal["none", "quarantine", "reject"]
"""What the owner of a domain asks for."""
DmarcResult = Literal["none", "pass", "fail", "temperror", "permerror"]

_MILDER: dict[Wish, Wish] = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_WISHES: dict[str, Wish] = {"none": "none", "quarantine": "quarantine", "reject": "reject"}
_MOST_LABELS = 8
"""Of a long name the walk looks at the whole and then at the last seven labels, so that a look-up has an end."""
_MOST_AUTHORS = 4


class NoAnswer(Exception):
    """The DNS did not say in time; str() says what."""


class Policy(Struct, frozen=True):
    """A policy record, as far as it is to be heeded (RFC 7489 §6.3)."""

    wish: Wish
    for_subdomains: Wish
    for_missing: Wish
    """For domains that don't exist (np=, RFC 9091)."""
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    """How many letters of a hundred the wish is for."""
    is_public_suffix: bool | None = None
    """psd=: whether domains below this one are of different owners; None: not said."""


class Judgement(Struct, frozen=True):
    """What DMARC comes to."""

    result: DmarcResult
    domain: str = ""
    """In From."""
    wish: Wish = "none"
    """What is to be done when the result is "fail" or "permerror"."""
    reason: str = ""


def read_policy(text: str) -> Policy | None:
    """The policy in a TXT record; None when it is none (RFC 7489 §6.3)."""
    try:
        tags = read_tags(text)
    except MalformedTags:
        return None
    if next(iter(tags), "") != "v" or tags["v"] != "DMARC1":
        return None
    wish = _WISHES.get(tags.get("p", "none").lower())
    if wish is None:
        # §6.6.3: who wants reports wants at least to be told.
        if not tags.get("rua"):
            return None
        wish = "none"
    for_subdomains = _WISHES.get(tags.get("sp", "").lower(), wish)
    for_missing = _WISHES.get(tags.get("np", "").lower(), for_subdomains)
    if tags.get("t", "").lower() == "y":
        wish, for_subdomains, for_missing = _MILDER[wish], _MILDER[for_subdomains], _MILDER[for_missing]
    percent = tags.get("pct", "100")
    return Policy(
        wish,
        for_subdomains,
        for_missing,
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=min(int(percent), 100) if percent.isascii() and percent.isdecimal() and len(percent) < 4 else 100,
        is_public_suffix={"y": True, "n": False}.get(tags.get("psd", "").lower()),
    )


class Dmarc:
    """Judges one letter; what the DNS said is kept for its other questions."""

    def __init__(self, lookups: Lookups, chance: Callable[[], float]) -> None:
        """`chance` gives numbers in [0, 1), for pct=."""
        self._lookups = lookups
        self._chance = chance
        self._policies: dict[str, Policy | None] = {}

    async def judge(
        self, authors: Sequence[str], spf: str | None, dkim: Collection[str], *, doubtful: bool
    ) -> Judgement:
        """`authors`: the domains in From; `spf`: the domain that SPF vouches for; `dkim`: those that signed.

        `doubtful`: whether SPF or DKIM might have passed if the DNS had answered. All names in A-labels, lower case.
        """
        try:
            if len(authors) != 1:
                return await self._judge_many(authors)
            return await self._judge(authors[0], spf, dkim, doubtful=doubtful)
        except NoAnswer as error:
            return Judgement("temperror", authors[0] if authors else "", reason=str(error))

    async def _judge_many(self, authors: Sequence[str]) -> Judgement:
        """No author can be vouched for; the strictest of the wishes counts, else two From fields were a way around it."""
        strictest = Judgement("permerror", reason="From does not name one domain")
        for author in authors[:_MOST_AUTHORS]:
            found = await self._discover(author)
            if found is not None and list(_WISHES).index(found[1]) > list(_WISHES).index(strictest.wish):
                strictest = Judgement("permerror", author, found[1], strictest.reason)
        return strictest

    async def _judge(self, author: str, spf: str | None, dkim: Collection[str], *, doubtful: bool) -> Judgement:
        found = await self._discover(author)
        if found is None:
            return Judgement("none", author)
        policy, wish = found
        if spf is not None and await self._is_aligned(author, spf, strict=policy.strict_spf):
            return Judgement("pass", author, wish)
        for signer in dkim:
            if await self._is_aligned(author, signer, strict=policy.strict_dkim):
                return Judgement("pass", author, wish)
        if doubtful:
            return Judgement("temperror", author, reason="the DNS did not say all")
        if policy.percent < 100 and self._chance() * 100 >= policy.percent:
            wish = _MILDER[wish]
        return Judgement("fail", author, wish)

    async def _is_aligned(self, author: str, other: str, *, strict: bool) -> bool:
        """RFC 7489 §3.1."""
        if author == other or strict:
            return author == other
        return await self.organization(author) == await self.organization(other)

    async def _discover(self, author: str) -> tuple[Policy, Wish] | None:
        """The policy that holds for an author's domain, and what it wishes of its letters."""
        if (own := await self._policy(author)) is not None:
            return own, own.wish
        above = await self.organization(author)
        policy = await self._policy(above) if above != author else None
        if policy is None:
            return None
        return policy, policy.for_subdomains if await self._exists(author) else policy.for_missing

    async def organization(self, domain: str) -> str:
        """The domain at which its owner's names begin; a walk up the DNS finds it, by the policies there."""
        found = domain
        for place, name in enumerate(_walk(domain)):
            policy = await self._policy(name)
            if policy is None:
                continue
            if policy.is_public_suffix is False:
                return name
            if policy.is_public_suffix:
                return domain if not place else _below(domain, name)
            found = name
        return found

    async def _exists(self, domain: str) -> bool:
        """RFC 9091 §2.7: it has an address, or mail hosts."""
        addresses = await self._lookups.addresses(domain)
        exchanges = await self._lookups.exchanges(domain) if addresses == () else None
        return addresses != () or exchanges != ()

    async def _policy(self, domain: str) -> Policy | None:
        if domain not in self._policies:
            texts = await self._lookups.texts(f"_dmarc.{domain}")
            if texts is None:
                raise NoAnswer(f"no answer about _dmarc.{domain}")
            found = [policy for text in texts if (policy := read_policy(text)) is not None]
            # RFC 7489 §6.6.3: of several none holds.
            self._policies[domain] = found[0] if len(found) == 1 else None
        return self._policies[domain]


def _walk(domain: str) -> list[str]:
    """The domain and those above it, at most eight."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) <= _MOST_LABELS else labels[-(_MOST_LABELS - 1) :]
    return [domain, *[".".join(above[start:]) for start in range(len(above))]]


def _below(domain: str, suffix: str) -> str:
    """The domain of one label more than a suffix of it."""
    count = suffix.count(".") + 2
    return ".".join(domain.split(".")[-count:])
