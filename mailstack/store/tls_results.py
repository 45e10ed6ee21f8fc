"""TLS session results for reports to the recipients' domains (RFC 8460 §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

PolicyType = Literal["tlsa", "sts", "no-policy-found"]
ResultType = Literal[
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
]
"""RFC 8460 §4.3. `dane-required` is not among them: no setting here demands DANE of a domain that has none."""

DAY = 86_400


class AppliedPolicy(Struct, frozen=True):
    """The policy that a session was held to."""

    type: PolicyType
    domain: str
    """Policy domain (§1.1): the recipients' domain, or the TLSA base domain; A-labels, lower case."""
    lines: tuple[str, ...] = ()
    """Lines of an MTA-STS policy, or TLSA records of DANE."""
    hosts: tuple[str, ...] = ()
    """The patterns of hosts in an MTA-STS policy."""


class SessionFailure(Struct, frozen=True):
    """Why a session was no success."""

    type: ResultType
    sending_ip: str = ""
    host: str = ""
    """The host that was called, by its name in the MX record."""
    receiving_ip: str = ""
    reason: str = ""
    """Additional information for people; printable ASCII."""


class TlsCount(Struct, frozen=True):
    """Sessions of one day that came to the same."""

    day: int
    """Number of the day since 1970, in UTC."""
    domain: str
    """Recipients' domain, which may request reports."""
    policy: AppliedPolicy
    failure: SessionFailure | None
    """None: success."""
    sessions: int


class TlsReportDue(Struct, frozen=True):
    """A due report to one domain about one day."""

    day: int
    domain: str
    attempts: int
    """Begun, this one too."""
    sent: tuple[str, ...] = ()
    """The addresses that have it already."""

    @property
    def ends(self) -> float:
        """End of the day, in seconds since 1970."""
        return float((self.day + 1) * DAY)


class SessionResults(Protocol):
    """Counter of outbound TLS sessions."""

    def count(self, domain: str, policy: AppliedPolicy, failure: SessionFailure | None) -> None:
        """One session for recipients of `domain`. Never raises, never waits."""


class TlsResults(Protocol):
    """The part of a store that keeps the counts until they are reported."""

    async def add(self, counts: Sequence[TlsCount], due: Callable[[int, str], float]) -> None:
        """Adds counts. `due`: time of the report for a day and domain, unless known."""

    async def counts(self, domain: str | None = None, day: int | None = None) -> list[TlsCount]:
        """Unreported counts in a fixed order; of one domain, one day, or all."""

    async def next_due(self) -> float | None:
        """Due time of the first report; None without any."""

    async def claim(self, owner: str, now: float, lease: float) -> TlsReportDue | None:
        """Claim the longest due report until `now` + `lease`; None when none is due."""

    async def settle(
        self, owner: str, report: TlsReportDue, *, again: float | None = None, sent: Sequence[str] = ()
    ) -> None:
        """Forget it and its counts; or with `again` have it due then, with what was sent of it."""

    async def purge(self, before: int) -> int:
        """Forget days before this one, reported or not; how many reports."""
