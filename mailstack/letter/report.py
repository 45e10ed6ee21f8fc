"""A Report: the letter that tells a sender what became of his own (DSN: RFC 3464, in the shape of RFC 6522).

Everything in it that came over the wire (addresses, what other hosts said, the header) is hostile: it is cut, and no
octet of it can begin a field, a line or a body part of its own.
"""

from __future__ import annotations

import binascii
import re
import textwrap
from typing import Literal

from attrs import frozen

from mailstack.letter import header as header_section
from mailstack.letter.address import Address
from mailstack.letter.envelope import Arrival, Envelope, Recipient
from mailstack.letter.letter import LetterId
from mailstack.letter.outcome import Deferred, Failed
from mailstack.letter.trace import date_time

ReportKind = Literal["failed", "delayed"]
"""The `Action` of RFC 3464 §2.3.3 that is reported."""

_COLUMNS = 76
_LONGEST_LINE = 998
_LONGEST_TEXT = 1000
"""Characters of another host's words that are repeated."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_NOT_ASCII = re.compile(r"[^ -~]+")
_SMTP_REPLY = re.compile(r"[245][0-9][0-9](?:[ -]|\Z)")
_MESSAGE_ID = re.compile(rb"(?:\A|\r\n)message-id:[ \t]*(?:\r\n[ \t]+)?(<[!-;=?-~]{1,250}>)[ \t]*\r\n", re.IGNORECASE)
_XTEXT_CHAR = re.compile(r"\+([0-9A-F]{2})")

_ADVICE = {
    1: "Check the address for typing errors, and send your letter again to the right one.",
    2: "The mailbox can't take letters at present. Reach the recipient another way, and try again later.",
    3: "The host there can't take this letter. If it is large, send a smaller one.",
    4: "The way to that host is disturbed, or its name is wrong. Check the part behind the @, and try again later.",
    6: "The host there can't take this kind of content. Send it in another form.",
    7: "The host there doesn't want this letter. The words above, or its postmaster, can say why.",
}
"""What a sender can do, by the subject of the status (RFC 3463 §3)."""


@frozen
class Trouble:
    """One recipient who didn't get the letter, and why."""

    recipient: Recipient
    outcome: Deferred | Failed


@frozen
class Report:
    """All that a report says; `octets` writes it."""

    kind: ReportKind
    id: LetterId
    """Of the report itself, a letter like others."""
    office: str
    """The host name of the office that reports."""
    at: float
    """When, and when the last attempt was; seconds since 1970."""
    sender: Address
    """Who gets it: the reverse-path of the original."""
    original: LetterId
    envelope: Envelope
    """Of the original."""
    arrival: Arrival
    """Of the original."""
    troubles: tuple[Trouble, ...]
    retry_until: float
    """When a delayed letter is given up, seconds since 1970."""
    header: bytes | None = None
    """The header section of the original, as much of it as shall be returned; None when it can't be read."""

    def octets(self) -> bytes:
        """The whole letter; every octet is US-ASCII, and every line ends in CRLF."""
        parts = [self._explanation(), self._delivery_status()]
        if self.header is not None:
            parts.append(_returned(self.header))
        boundary = _boundary(self.id, b"".join(parts))
        body = b"".join([b"--%b\r\n%b\r\n" % (boundary, part) for part in parts])
        return self._header(boundary) + b"\r\n" + body + b"--%b--\r\n" % boundary

    def _header(self, boundary: bytes) -> bytes:
        subject = "Your letter could not be delivered" if self.kind == "failed" else "Your letter is delayed"
        lines = [
            f"From: Mail Delivery System <MAILER-DAEMON@{self.office}>",
            f"To: {_clean(str(self.sender))}",
            f"Subject: {subject}",
            f"Date: {date_time(self.at)}",
            f"Message-ID: <{self.id}@{self.office}>",
            "MIME-Version: 1.0",
            "Auto-Submitted: auto-replied",  # RFC 3834 §5
            *self._references(),
            "Content-Type: multipart/report; report-type=delivery-status;",
            f'\tboundary="{boundary.decode()}"',
        ]
        return _lines(lines)

    def _references(self) -> list[str]:
        """What lets a mail program show the report under the original (RFC 3834 §3.1.5)."""
        found = _MESSAGE_ID.search(self.header or b"")
        name = found[1].decode() if found else ""
        return [f"In-Reply-To: {name}", f"References: {name}"] if name else []

    def _explanation(self) -> bytes:
        """The part for people (RFC 6522 §3, first part)."""
        what = "could not be delivered to" if self.kind == "failed" else "has not reached"
        whom = "this recipient" if len(self.troubles) == 1 else "these recipients"
        lines = [
            "Content-Type: text/plain; charset=us-ascii",
            "",
            f"This is the mail system of {self.office}.",
            "",
            *_wrapped(f"Your letter of {date_time(self.arrival.at)} {what} {whom}:"),
            "",
        ]
        for trouble in self.troubles:
            lines += [*_told(trouble), ""]
        if self.kind == "failed":
            lines += ["It will not be tried again."]
            subjects = sorted({trouble.outcome.status.subject for trouble in self.troubles})
            for advice in [_ADVICE[subject] for subject in subjects if subject in _ADVICE]:
                lines += _wrapped(advice)
        else:
            lines += ["You need not send it again."]
            lines += _wrapped(f"It will be tried until {date_time(self.retry_until)}; if that fails, you will be told.")
        lines += ["", *_wrapped(f"For help, send this whole report to postmaster@{self.office}.")]
        return _lines(lines)

    def _delivery_status(self) -> bytes:
        """The part for programs (RFC 3464 §2)."""
        lines = ["Content-Type: message/delivery-status", "", f"Reporting-MTA: dns; {self.office}"]
        if envelope_id := dict(self.envelope.parameters).get("ENVID"):
            lines.insert(2, f"Original-Envelope-Id: {_xtext(envelope_id)}")
        lines.append(f"Arrival-Date: {date_time(self.arrival.at)}")
        for trouble in self.troubles:
            lines += ["", *self._recipient_fields(trouble)]
        return _lines(lines)

    def _recipient_fields(self, trouble: Trouble) -> list[str]:
        """RFC 3464 §2.3, in its order."""
        recipient, outcome = trouble.recipient, trouble.outcome
        lines = [
            *_original_recipient(recipient),
            f"Final-Recipient: rfc822; {_clean(str(recipient.address))}",
            f"Action: {self.kind}",
            f"Status: {outcome.status}",
        ]
        if outcome.host:
            lines.append(f"Remote-MTA: dns; {_clean(outcome.host)}")
        if text := _said(outcome):
            kind = "smtp" if _SMTP_REPLY.match(text) else "x-mailstack"
            lines += _wrapped(f"Diagnostic-Code: {kind}; {text}", " ")
        lines.append(f"Last-Attempt-Date: {date_time(self.at)}")
        if self.kind == "delayed":
            lines.append(f"Will-Retry-Until: {date_time(self.retry_until)}")
        return lines


def _told(trouble: Trouble) -> list[str]:
    """One recipient, and why, for people."""
    recipient, outcome = trouble.recipient, trouble.outcome
    by_way = f" (by way of {_clean(str(recipient.original))})" if recipient.original else ""
    text = _said(outcome)
    says = f"{_clean(outcome.host)} said: " if outcome.host and _SMTP_REPLY.match(text) else ""
    return [
        f"  {_clean(str(recipient.address))}{by_way}",
        *_wrapped(f"    {says}{text or outcome.status}", "    "),
    ]


def _said(outcome: Deferred | Failed) -> str:
    """The reply alone, or our own words; the agent may have put the host's name before it."""
    return _clean(outcome.text.removeprefix(f"{outcome.host} said: "))


def _original_recipient(recipient: Recipient) -> list[str]:
    """What the sender wrote: as ORCPT says (RFC 3461 §4.2), or before our aliases."""
    kind, mark, value = dict(recipient.parameters).get("ORCPT", "").partition(";")
    if mark and kind.replace("-", "").isalnum():
        return [f"Original-Recipient: {_clean(kind)}; {_xtext(value)}"]
    return [f"Original-Recipient: rfc822; {_clean(str(recipient.original))}"] if recipient.original else []


def _returned(section: bytes) -> bytes:
    """The original's header section as the third part (RFC 6522 §4), 7-bit whatever it holds."""
    fields = b"".join([field for _, field in header_section.fields(section) if field != b"\r\n"])
    lines = fields.removesuffix(b"\r\n").split(b"\r\n")
    if not fields.isascii() or b"\0" in fields or max(map(len, lines)) > _LONGEST_LINE or _has_bare_ends(lines):
        encoding = b"Content-Transfer-Encoding: quoted-printable\r\n"
        lines = [_quoted_printable(line) for line in lines]
    else:
        encoding = b""
    return b"Content-Type: text/rfc822-headers\r\n%b\r\n%b\r\n" % (encoding, b"\r\n".join(lines))


def _has_bare_ends(lines: list[bytes]) -> bool:
    return any(b"\n" in line or b"\r" in line for line in lines)


def _quoted_printable(line: bytes) -> bytes:
    return binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n")


def _boundary(report: LetterId, parts: bytes) -> bytes:
    """A mark that stands in no part; the id alone is one that nobody can foresee."""
    boundary = b"=_%b" % report.encode()
    while boundary in parts:
        boundary += b"_"
    return boundary


def _clean(text: str) -> str:
    """At most _LONGEST_TEXT printable US-ASCII characters, whatever was there."""
    return _NOT_ASCII.sub("?", _CONTROLS.sub(" ", text[:_LONGEST_TEXT])).strip()


def _xtext(text: str) -> str:
    """Decoded (RFC 3461 §4), then cleaned."""
    return _clean(_XTEXT_CHAR.sub(lambda found: chr(int(found.group(1), 16)), text[:_LONGEST_TEXT]))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def _lines(lines: list[str]) -> bytes:
    return "".join([f"{line}\r\n" for line in lines]).encode("ascii", "replace")
