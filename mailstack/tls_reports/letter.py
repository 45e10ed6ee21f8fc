"""A TLS report as a letter: multipart/report with the compressed JSON (RFC 8460 §5.3)."""

from __future__ import annotations

import base64
import textwrap
from datetime import UTC, datetime

from mailstack.letter import Address, LetterId
from mailstack.letter.trace import date_time
from mailstack.letter.transfer_encoding import quoted
from mailstack.tls_reports.report import Reporting, TlsReport
from mailstack.tls_results import DAY

_TEXT = """\
This is a report about TLS with the hosts that take mail for {domain}, on {day:%Y-%m-%d}
(UTC), from {organization}: how many of our sessions were protected as its
policies ask, and why others were not. A program can read it (RFC 8460).

{domain} asks for it by its TXT record at _smtp._tls.{domain}.
"""


def octets_of(
    report: TlsReport, reporting: Reporting, *, author: Address, to: Address, letter: LetterId, now: float
) -> bytes:
    """The whole letter, 7 bits, with CRLF.

    It goes also where TLS fails, for that is what it tells of (RFC 8460 §3, RFC 8689 §4.1).
    """
    boundary = f"=_{letter}"
    day = datetime.fromtimestamp(report.day * DAY, UTC)
    text = _TEXT.format(domain=report.domain, day=day, organization=reporting.organization)
    lines = [
        f"Date: {date_time(now)}",
        f"From: {author.in_ascii}",
        f"To: {to.in_ascii}",
        f"Subject: Report Domain: {report.domain}",
        f" Submitter: {reporting.domain}",
        f" Report-ID: <{report.id}>",
        f"Message-ID: <{letter}@{reporting.domain}>",
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {reporting.domain}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        *quoted(text.encode()).decode("ascii").split("\n"),
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.name}"',
        "",
        *textwrap.wrap(base64.b64encode(report.octets).decode("ascii"), 76),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii")
