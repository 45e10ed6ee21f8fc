"""TLS report in JSON: the counts of one day and domain (RFC 8460 §4)."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.letter import Address
from mailstack.letter.timestamps import iso8601_seconds
from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount

MAX_DETAILS = 1000
"""Failures of one policy that are told by themselves; all are counted."""


class Reporting(Struct, frozen=True):
    """Identity of the reporting server."""

    organization: str
    contact: str
    """Address or URI of its operators."""
    author: Address
    """Sender of reports, in envelope and From."""

    @property
    def domain(self) -> str:
        """Domain of the author, in A-labels: the submitter of a report."""
        return self.author.ascii_domain.lower()


class TlsReport(Struct, frozen=True):
    """One report, ready to be sent."""

    domain: str
    """Domain of the hosts in the report."""
    day: int
    id: str
    name: str
    """File name (§5.1)."""
    octets: bytes
    """JSON, compressed by gzip."""


def report_on(domain: str, day: int, counts: Sequence[TlsCount], reporting: Reporting) -> TlsReport:
    """The report; the same counts give the same one, its id too, so that a receiver can drop what it gets twice."""
    begin, end = day * DAY, (day + 1) * DAY - 1
    digest = hashlib.sha256(f"{reporting.domain} {domain} {day}".encode()).hexdigest()[:16]
    report_id = f"{datetime.fromtimestamp(begin, UTC):%Y-%m-%d}.{digest}@{reporting.domain}"
    octets = msgspec.json.encode(document(domain, day, counts, reporting, report_id))
    name = f"{reporting.domain}!{domain}!{begin}!{end}!{digest}.json.gz"
    return TlsReport(domain, day, report_id, name, gzip.compress(octets, mtime=0))


def document(domain: str, day: int, counts: Sequence[TlsCount], reporting: Reporting, report_id: str) -> dict[str, Any]:
    """What the JSON says (§4.4)."""
    begin, end = day * DAY, (day + 1) * DAY - 1
    policies: dict[AppliedPolicy, list[TlsCount]] = {}
    for each in counts:
        if (each.domain, each.day) == (domain, day):
            policies.setdefault(each.policy, []).append(each)
    return {
        "organization-name": reporting.organization,
        "date-range": {"start-datetime": iso8601_seconds(begin), "end-datetime": iso8601_seconds(end)},
        "contact-info": reporting.contact,
        "report-id": report_id,
        "policies": [_policy(policy, found) for policy, found in policies.items()],
    }


def _policy(policy: AppliedPolicy, counts: Sequence[TlsCount]) -> dict[str, Any]:
    applied: dict[str, Any] = {"policy-type": policy.type}
    if policy.lines:
        applied["policy-string"] = list(policy.lines)
    applied["policy-domain"] = policy.domain
    if policy.hosts:
        applied["mx-host"] = list(policy.hosts)
    failed = [(each.failure, each.sessions) for each in counts if each.failure is not None]
    found: dict[str, Any] = {
        "policy": applied,
        "summary": {
            "total-successful-session-count": sum(each.sessions for each in counts if each.failure is None),
            "total-failure-session-count": sum(sessions for _, sessions in failed),
        },
    }
    if failed:
        details = sorted(failed, key=lambda each: -each[1])[:MAX_DETAILS]
        found["failure-details"] = [_detail(failure, sessions) for failure, sessions in details]
    return found


def _detail(failure: SessionFailure, sessions: int) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "result-type": failure.type,
        "sending-mta-ip": failure.sending_ip,
        "receiving-mx-hostname": failure.host,
        "receiving-ip": failure.receiving_ip,
        "failed-session-count": sessions,
        "failure-reason-code": failure.reason,
    }
    return {name: value for name, value in detail.items() if value != ""}
