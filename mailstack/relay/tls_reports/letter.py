"""Letter with a TLS report: multipart/report with compressed JSON (RFC 8460 §5.3)."""

from __future__ import annotations

from datetime import UTC, datetime

from mailstack.letter import Address, LetterId
from mailstack.letter.compose import Heading, compose
from mailstack.letter.fields import text_field
from mailstack.letter.mime.composition import disposition, file_part, multipart, text_part
from mailstack.letter.trace import date_time
from mailstack.relay.tls_reports.report import Reporting, TlsReport
from mailstack.store.tls_results import DAY

_TEXT = """\
This is a report about TLS with the hosts that take mail for {domain}, on {day:%Y-%m-%d}
(UTC), from {organization}: how many of our sessions were protected as its
policies ask, and why others were not. A program can read it (RFC 8460).

{domain} asks for it by its TXT record at _smtp._tls.{domain}.
"""


def octets_of(report: TlsReport, reporting: Reporting, *, to: Address, letter: LetterId, now: float) -> bytes:
    """The whole letter, 7 bits, with CRLF.

    It goes also where TLS fails, for that is what it tells of (RFC 8460 §3, RFC 8689 §4.1).
    """
    day = datetime.fromtimestamp(report.day * DAY, UTC)
    heading = Heading(
        ("", str(reporting.author.in_ascii)),
        [("", str(to.in_ascii))],
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
