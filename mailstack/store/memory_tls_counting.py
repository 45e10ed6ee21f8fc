"""What sessions came to in TLS, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mailstack.store.rows import as_json
from mailstack.store.tls_results import AppliedPolicy, SessionFailure, TlsCount, TlsReportDue

_Key = tuple[int, str, AppliedPolicy, SessionFailure | None]


class _Report(Struct, frozen=True):
    due: float
    attempts: int = 0
    claimed_by: str | None = None
    sent: tuple[str, ...] = ()


class MemoryTlsResults:
    """The part of `mailstack.store.Store` that keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[_Key, int] = {}
        self._reports: dict[tuple[int, str], _Report] = {}

    async def add_tls_results(self, counts: Sequence[TlsCount], due: Callable[[int, str], float]) -> None:
        for each in counts:
            key = each.day, each.domain, each.policy, each.failure
            self._counts[key] = self._counts.get(key, 0) + each.sessions
            self._reports.setdefault((each.day, each.domain), _Report(due(each.day, each.domain)))

    async def tls_results(self, domain: str | None = None, day: int | None = None) -> list[TlsCount]:
        found = [
            TlsCount(*key, sessions)
            for key, sessions in self._counts.items()
            if domain in (None, key[1]) and day in (None, key[0])
        ]
        return sorted(found, key=_order)

    async def next_tls_report(self) -> float | None:
        return min((each.due for each in self._reports.values()), default=None)

    async def claim_tls_report(self, owner: str, now: float, lease: float) -> TlsReportDue | None:
        due = sorted((each.due, key) for key, each in self._reports.items() if each.due <= now)
        if not due:
            return None
        key = due[0][1]
        held = self._reports[key]
        self._reports[key] = replace(held, due=now + lease, attempts=held.attempts + 1, claimed_by=owner)
        return TlsReportDue(*key, held.attempts + 1, held.sent)

    async def settle_tls_report(
        self, owner: str, report: TlsReportDue, *, again: float | None = None, sent: Sequence[str] = ()
    ) -> None:
        key = report.day, report.domain
        if (held := self._reports.get(key)) is None or held.claimed_by != owner:
            return
        if again is not None:
            self._reports[key] = replace(held, due=again, claimed_by=None, sent=tuple(sent))
            return
        del self._reports[key]
        self._counts = {each: count for each, count in self._counts.items() if each[:2] != key}

    async def forget_tls_results(self, before: int) -> int:
        self._counts = {each: count for each, count in self._counts.items() if each[0] >= before}
        old = [key for key in self._reports if key[0] < before]
        for key in old:
            del self._reports[key]
        return len(old)


def _order(count: TlsCount) -> tuple[int, str, str, str]:
    return count.day, count.domain, as_json(count.policy), "" if count.failure is None else as_json(count.failure)
