"""HTML report of a letter (data: caniemail.com), and its queue of requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import TypeVar

import msgspec
from msgspec import Struct
from twisted.internet.defer import DeferredLock

from mailstack.letter import LetterId
from mailstack.mailbox.index.items import Item
from mailstack.policy.networks import client_network
from mailstack.web.checks.html_features import Features, features_of
from mailstack.web.http_messages import JSON, HttpError, Request, Response
from mailstack.web.letter_reader import INLINE_OCTETS, LetterReader

T = TypeVar("T")

MAX_WAITING = 10
"""Maximum waiting checks of one client."""

MAX_CACHED = 256
"""Maximum letters in the cache of features, with some kilobytes each."""

_SUPPORT = {"y": "yes", "a": "partial", "n": "no"}


class Feature(Struct, frozen=True):
    slug: str
    title: str
    description: str
    url: str
    category: str
    tags: tuple[str, ...]
    keywords: str
    notes: dict[str, str]
    stats: dict[str, dict[str, tuple[str, str]]]
    """Newest version and support by family and platform: "y", "a" (partial), "n", "u" (unknown), note numbers."""


class CaniemailData(Struct, frozen=True):
    updated: str
    families: dict[str, str]
    platforms: dict[str, str]
    features: tuple[Feature, ...]


class ClientSupport(Struct, frozen=True, rename="pascal"):
    name: str
    platform: str
    family: str
    version: str
    support: str
    """ "yes", "partial" or "no"."""
    note_number: str


class Score(Struct, frozen=True, rename="pascal"):
    """Number of uses, and percentages of tested clients."""

    found: int
    supported: float
    partial: float
    unsupported: float


class FeatureResult(Struct, frozen=True, rename="pascal"):
    slug: str
    title: str
    description: str
    url: str = msgspec.field(name="URL")
    category: str
    tags: tuple[str, ...]
    keywords: str
    notes_by_number: dict[str, str]
    score: Score
    results: tuple[ClientSupport, ...]


class Total(Struct, frozen=True, rename="pascal"):
    """Totals over all uses of features."""

    tests: int
    nodes: int
    supported: float
    partial: float
    unsupported: float


class HtmlReport(Struct, frozen=True, rename="pascal"):
    """HTML report, in the format of Mailpit's HTMLCheckResponse."""

    total: Total
    platforms: dict[str, tuple[str, ...]]
    warnings: tuple[FeatureResult, ...]
    """Warnings, worst first."""


@cache
def caniemail_data() -> CaniemailData:
    """Data file, read once."""
    octets = files("mailstack.web.checks").joinpath("caniemail.json").read_bytes()
    return msgspec.json.decode(octets, type=CaniemailData)


def check(html: str) -> HtmlReport:
    return report(features_of(html))


def report(features: Features) -> HtmlReport:
    data = caniemail_data()
    by_slug = {feature.slug: feature for feature in data.features}
    warnings = [_feature_result(by_slug[slug], count, data) for slug, count in features.uses.items() if slug in by_slug]
    used = sum(each.score.found for each in warnings)

    def share(name: str) -> float:
        return round(sum(getattr(each.score, name) * each.score.found for each in warnings) / used, 2) if used else 0.0

    partial, unsupported = share("partial"), share("unsupported")
    total = Total(len(by_slug), features.elements, round(100 - partial - unsupported, 2), partial, unsupported)
    worst = sorted((each for each in warnings if each.score.supported < 100), key=lambda each: each.score.supported)
    return HtmlReport(total, _platforms(data), tuple(worst))


def _feature_result(feature: Feature, count: int, data: CaniemailData) -> FeatureResult:
    results = []
    for family, platforms in feature.stats.items():
        for platform, (version, support) in platforms.items():
            if support[:1] in _SUPPORT:
                name = f"{data.families.get(family, family)} {data.platforms.get(platform, platform)} ({version})"
                note = support.partition("#")[2].split()[0] if "#" in support else ""
                results.append(ClientSupport(name, platform, family, version, _SUPPORT[support[0]], note))
    tested = len(results) or 1
    kinds = [sum(each.support == kind for each in results) * 100 / tested for kind in ("partial", "no")]
    score = Score(count, round(100 - sum(kinds), 2), round(kinds[0], 2), round(kinds[1], 2))
    texts = (feature.slug, feature.title, feature.description, feature.url, feature.category)
    return FeatureResult(*texts, feature.tags, feature.keywords, feature.notes, score, tuple(results))


def _platforms(data: CaniemailData) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for feature in data.features:
        for family, platforms in feature.stats.items():
            found.setdefault(family, {}).update(dict.fromkeys(platforms))
    return {family: tuple(platforms) for family, platforms in sorted(found.items())}


class ClientQueue:
    """Lock for each client: an account, or an IP address without logins."""

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` after earlier checks of the same client. Raises HttpError 429 if too many wait."""
        client = request.user.account or client_network(request.remote.host)
        lock = self._locks.setdefault(client, DeferredLock())
        if len(lock.waiting) >= MAX_WAITING:
            raise HttpError(429, f"{MAX_WAITING} of your checks are waiting; try again later.", ("Retry-After", "1"))
        await lock.acquire()
        try:
            return await work()
        finally:
            lock.release()
            if not lock.locked and self._locks.get(client) is lock:
                del self._locks[client]


class HtmlChecks:
    def __init__(self, reader: LetterReader) -> None:
        self._reader = reader
        self._queue = ClientQueue()
        self._features: dict[LetterId, Features] = {}

    async def check(self, request: Request, item: Item) -> Response | None:
        """Return the report of a letter as JSON; None without HTML. Raises HttpError."""
        return await self._queue.run(request, lambda: self._check(item))

    async def _check(self, item: Item) -> Response | None:
        features = self._features.get(item.id)
        if features is None:
            reading = await self._reader.reading(item)
            if not reading.html:
                return None
            features = await self._reader.do(lambda: features_of(reading.html), len(reading.html))
            self._cache_features(item.id, features)
        found = features
        # The report is long even for a short letter.
        octets = await self._reader.do(lambda: msgspec.json.encode(report(found)), INLINE_OCTETS + 1)
        return Response(octets, JSON)

    def _cache_features(self, letter: LetterId, features: Features) -> None:
        """Cache the features of a letter; evict the oldest."""
        self._features[letter] = features
        if len(self._features) > MAX_CACHED:
            del self._features[next(iter(self._features))]
