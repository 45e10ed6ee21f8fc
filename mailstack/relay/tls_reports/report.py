"""TLS report of one day and domain: JSON, letter and receivers (RFC 8460 §3-5)."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from mailstack.letter import Address, AddressError, LetterId
from mailstack.letter.compose import Heading, compose, disposition, file_part, multipart, text_part
from mailstack.letter.header import text_field
from mailstack.letter.times import iso8601_seconds
from mailstack.letter.trace import date_time
from mailstack.store.tls_results import DAY, AppliedPolicy, SessionFailure, TlsCount

MAX_DETAILS = 1000
"""Maximum number of failures listed for one policy; the summary counts all."""


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
    """The report. The same counts give the same report and id, so that a receiver can detect duplicates."""
    start, end = day * DAY, (day + 1) * DAY - 1
    digest = hashlib.sha256(f"{reporting.domain} {domain} {day}".encode()).hexdigest()[:16]
    report_id = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d}.{digest}@{reporting.domain}"
    octets = msgspec.json.encode(document(domain, day, counts, reporting, report_id))
    name = f"{reporting.domain}!{domain}!{start}!{end}!{digest}.json.gz"
    return TlsReport(domain, day, report_id, name, gzip.compress(octets, mtime=0))


def document(domain: str, day: int, counts: Sequence[TlsCount], reporting: Reporting, report_id: str) -> dict[str, Any]:
    """The JSON document (§4.4)."""
    start, end = day * DAY, (day + 1) * DAY - 1
    policies: dict[AppliedPolicy, list[TlsCount]] = {}
    for each in counts:
        if (each.domain, each.day) == (domain, day):
            policies.setdefault(each.policy, []).append(each)
    return {
        "organization-name": reporting.organization,
        "date-range": {"start-datetime": iso8601_seconds(start), "end-datetime": iso8601_seconds(end)},
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


_TEXT = """\
This is a report from {organization} about TLS in SMTP sessions with the mail
hosts of {domain} on {day:%Y-%m-%d} (UTC): the number of sessions that met the
TLS policies of the domain, and the failures. The attached file is in the format of RFC 8460.

{domain} requests these reports with its TXT record at _smtp._tls.{domain}.
"""


def octets_of(report: TlsReport, reporting: Reporting, *, to: Address, letter: LetterId, now: float) -> bytes:
    """The whole letter, 7 bits, with CRLF. It is sent even if TLS fails (RFC 8460 §3, RFC 8689 §4.1)."""
    day = datetime.fromtimestamp(report.day * DAY, UTC)
    heading = Heading(
        ("", str(reporting.author.with_a_labels)),
        [("", str(to.with_a_labels))],
        f"Report Domain: {report.domain} Submitter: {reporting.domain} Report-ID: <{report.id}>",
        date_time(now),
        f"{letter}@{reporting.domain}",
        more=[
            text_field("TLS-Report-Domain", report.domain),
            text_field("TLS-Report-Submitter", reporting.domain),
            b"TLS-Required: No\r\n",
            b"Auto-Submitted: auto-generated\r\n",
        ],
    )
    text = text_part("plain", _TEXT.format(domain=report.domain, day=day, organization=reporting.organization))
    file = file_part("application", "tlsrpt+gzip", [report.octets], disposition("attachment", report.name))
    return compose(
        heading, multipart("report", [text, file], boundary=f"=_{letter}", parameters=['report-type="tlsrpt"'])
    )


MAX_ADDRESSES = 5
"""Maximum number of addresses of a record that get reports."""

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;")
_RUA = re.compile(r"[ \t]*rua[ \t]*=([^;]*)\Z")
_URI = re.compile(r"[!-~]{1,1000}\Z")


class Rua(Struct, frozen=True):
    """Address for reports."""

    uri: str
    """URI as in the record."""
    mailbox: Address | None = None
    """Mailbox of a mailto: URI; None for an https: URI."""


def read_record(texts: Iterable[str]) -> tuple[Rua, ...]:
    """The addresses for reports from the TXT records of `_smtp._tls.DOMAIN`; none unless exactly one is valid.

    URIs of other kinds are left out.
    """
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return ()
    found: dict[str, Rua] = {}
    for part in records[0].split(";")[1:]:
        if (rua := _RUA.match(part)) is not None:
            for text in rua[1].split(","):
                if (each := _read_uri(text.strip(" \t"))) is not None:
                    found.setdefault(each.uri, each)
    return tuple(found.values())[:MAX_ADDRESSES]


def _read_uri(text: str) -> Rua | None:
    if not _URI.match(text):
        return None
    scheme, _, address = text.partition(":")
    if scheme.lower() == "mailto":
        try:
            mailbox = Address.parse(unquote(address.partition("?")[0]))
        except AddressError:
            return None
        return Rua(text, mailbox) if mailbox.is_ascii else None
    if scheme.lower() != "https":
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return None
    return Rua(text) if usable else None
