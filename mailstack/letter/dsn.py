"""Delivery status notification: report to a sender with the original (RFC 3464, RFC 6522).

Addresses, replies of other hosts and the original are hostile input: they are truncated, and none of their octets can
start a field, a line or a body part.

A report about addresses in UTF-8 has the format of RFC 6533; any other report is US-ASCII.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.letter import header as header_section
from mailstack.letter.address import Address, decode_unitext
from mailstack.letter.compose import Composed, Heading, compose, has_plain_lines, lines_part, multipart
from mailstack.letter.envelope import Arrival, Envelope, Recipient
from mailstack.letter.header import folded
from mailstack.letter.letter import LetterId
from mailstack.letter.status import Outcome
from mailstack.letter.time_parameters import deadline_of, hold_request
from mailstack.letter.trace import date_time


class Returned(Struct, frozen=True):
    """Part of the original that the report returns."""

    header: bytes
    """Header section, or the returned beginning of it."""
    whole: bytes | None = None
    """Whole letter; None to return the header section only (RFC 3461 §4.3)."""

    @property
    def is_eight_bit(self) -> bool:
        """Whether there are octets above 127."""
        return not (self.header if self.whole is None else self.whole).isascii()

    def part(self, *, eight_bit: bool, international: bool) -> Composed:
        """The body part; `international` is whether the original used SMTPUTF8 (RFC 6533 §4)."""
        if self.whole is not None and is_returnable(self.whole, eight_bit=eight_bit):
            utf8 = international and not self.header.isascii()
            kind = b"message/global" if utf8 else b"message/rfc822"
            encoding = b"" if self.whole.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
            return Composed(b"Content-Type: %b\r\n%b" % (kind, encoding), (self.whole,))
        fields = b"".join([field for _, field in header_section.fields(self.header) if field != b"\r\n"])
        kind_of_header = "message/global-headers" if international and _is_utf8(fields) else "text/rfc822-headers"
        lines = fields.removesuffix(b"\r\n") + b"\r\n"
        return lines_part(kind_of_header, lines, eight_bit=eight_bit and international)


def is_returnable(letter: bytes, *, eight_bit: bool) -> bool:
    """Whether a whole letter can be part of a report: message/rfc822 must not be encoded (RFC 2046 §5.2.1)."""
    return (letter.isascii() or eight_bit) and has_plain_lines(letter)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


ReportKind = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""Reported `Action` (RFC 3464 §2.3.3)."""

_COLUMNS = 76
_MAX_TEXT = 1000
"""Maximum characters of a quoted reply of another host."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_NOT_ASCII = re.compile(r"[^ -~]+")
_SMTP_REPLY = re.compile(r"[245][0-9][0-9](?:[ -]|\Z)")
_MESSAGE_ID = re.compile(rb"(?:\A|\r\n)message-id:[ \t]*(?:\r\n[ \t]+)?(<[!-;=?-~]{1,250}>)[ \t]*\r\n", re.IGNORECASE)

_ADVICE = {
    1: "Check the address for errors, and send the message again to the correct one.",
    2: "The mailbox does not accept mail at present. Contact the recipient by other means, or try again later.",
    3: "The remote host can't process this message. If it is large, send a smaller one.",
    4: "The remote host is unreachable, or the domain is wrong. Check the part after the @, and try again later.",
    6: "The remote host does not support this kind of content. Send it in another format.",
    7: "The remote host rejected this message. See the reason above, or ask the postmaster of that host.",
}
"""Advice for the sender, by the subject of the status (RFC 3463 §3)."""
_STATUS_ADVICE = {
    "5.6.7": "The remote host supports only ASCII addresses. Use ASCII addresses of the recipient and yourself, if any.",
    "5.6.9": "The remote host supports only ASCII in the header. Let your mail program encode names and subject.",
}
"""Advice for single statuses, in place of that for the subject."""

_SUBJECTS: dict[ReportKind, str] = {
    "failed": "Your message could not be delivered",
    "delayed": "Your message is delayed",
    "delivered": "Your message was delivered",
    "relayed": "Your message was relayed",
    "expanded": "Your message was sent to the members of an alias",
}
_PREDICATES: dict[ReportKind, str] = {
    "failed": "could not be delivered to",
    "delayed": "could not be delivered yet to",
    "delivered": "was delivered to",
    "relayed": "was relayed to a host that sends no delivery notifications, for",
    "expanded": "was sent to the members of",
}


class RecipientStatus(Struct, frozen=True):
    """One recipient, and the outcome of the letter's delivery to it."""

    recipient: Recipient
    outcome: Outcome


class Dsn(Struct, frozen=True):
    """Content of a report; `octets` formats it."""

    kind: ReportKind
    id: LetterId
    """Id of the report, which is a letter itself."""
    server: str
    """Host name of the reporting server."""
    at: float
    """Time of the report, and of the last attempt, in seconds since 1970."""
    sender: Address
    """Recipient of the report: the reverse-path of the original, or the postmaster where that is null."""
    original: LetterId
    envelope: Envelope
    """Envelope of the original."""
    arrival: Arrival
    """Arrival of the original."""
    notices: tuple[RecipientStatus, ...]
    retry_until: float
    """Time of the last attempt for a delayed letter, in seconds since 1970."""
    returned: Returned | None = None
    """Returned part of the original; None for an unreadable one."""
    eight_bit: bool = False
    """Whether octets above 127 need no encoding."""

    @property
    def is_eight_bit(self) -> bool:
        """Whether the parts have octets above 127, so that the report needs 8BITMIME."""
        return self.eight_bit and (self.is_international or (self.returned is not None and self.returned.is_eight_bit))

    @property
    def is_international(self) -> bool:
        """Whether an address requires UTF-8 (RFC 6533 §3)."""
        addresses = [self.sender, *(notice.recipient.address for notice in self.notices)]
        addresses += [notice.recipient.original for notice in self.notices if notice.recipient.original is not None]
        return not all(address.is_ascii for address in addresses) or any(
            _orcpt(notice.recipient)[0].lower() == "utf-8" for notice in self.notices
        )

    def octets(self) -> bytes:
        """The whole letter with CRLF line ends; US-ASCII except for `eight_bit` parts and the sender."""
        parts = [self._explanation(), self._delivery_status()]
        if self.returned is not None:
            parts.append(self.returned.part(eight_bit=self.eight_bit, international=self.envelope.smtputf8))
        to = _readable(str(self.sender.with_a_labels if self.sender.is_ascii else self.sender))
        heading = Heading(
            ("Mail Delivery System", f"MAILER-DAEMON@{self.server}"),
            [("", to)],
            "A delivery report could not be delivered" if self.envelope.sender is None else _SUBJECTS[self.kind],
            date_time(self.at),
            f"{self.id}@{self.server}",
            more=[b"Auto-Submitted: auto-replied\r\n", *self._references()],  # RFC 3834 §5
        )
        boundary = _boundary(self.id, parts)
        return compose(
            heading, multipart("report", parts, boundary=boundary, parameters=["report-type=delivery-status"])
        )

    def _references(self) -> list[bytes]:
        """Fields that thread the report under the original (RFC 3834 §3.1.6)."""
        match = _MESSAGE_ID.search(self.returned.header if self.returned is not None else b"")
        return [folded(name, [match[1].decode()]) for name in ("In-Reply-To", "References")] if match else []

    def _explanation(self) -> Composed:
        """The part for people (RFC 6522 §3, first part)."""
        recipients_text = "this recipient" if len(self.notices) == 1 else "these recipients"
        subject = "A delivery report of this server" if self.envelope.sender is None else "Your message"
        lines = [
            f"This is the mail system of {self.server}.",
            "",
            *_wrapped(f"{subject} of {date_time(self.arrival.at)} {_PREDICATES[self.kind]} {recipients_text}:"),
            "",
        ]
        for notice in self.notices:
            lines += [*_recipient_lines(notice, self._displayed), ""]
        lines += [
            *self._next_steps(),
            "",
            *_wrapped(f"For further assistance, send this report to postmaster@{self.server}."),
        ]
        charset = "utf-8" if self.is_international else "us-ascii"
        return lines_part(f"text/plain; charset={charset}", _lines(lines), eight_bit=self.eight_bit)

    def _next_steps(self) -> list[str]:
        match self.kind:
            case "failed":
                statuses = sorted({notice.outcome.status for notice in self.notices}, key=str)
                advice = dict.fromkeys(
                    _STATUS_ADVICE.get(str(status), _ADVICE.get(status.subject, "")) for status in statuses
                )
                return [
                    "This is a permanent error. The message will not be sent again.",
                    *(line for text in advice for line in _wrapped(text)),
                ]
            case "delayed":
                until = date_time(self.retry_until)
                return [
                    "No action is required on your part.",
                    *_wrapped(
                        f"Delivery attempts will continue until {until}. If they fail, you will receive another report."
                    ),
                ]
            case "relayed":
                return ["Final delivery can't be confirmed.", *self._failure_notice()]
            case "expanded":
                return ["You requested this report.", *self._failure_notice()]
            case _:
                return ["You requested this report."]

    def _failure_notice(self) -> list[str]:
        """Text for a sender that requested reports of failures (RFC 3461 §4.1)."""
        all_reported = all(notice.recipient.wants_report("FAILURE") for notice in self.notices)
        return ["If delivery fails, you will receive another report."] if all_reported else []

    def _delivery_status(self) -> Composed:
        """The part for programs (RFC 3464 §2)."""
        lines = [f"Reporting-MTA: dns; {self.server}"]
        if envelope_id := dict(self.envelope.parameters).get("ENVID"):
            lines.insert(0, f"Original-Envelope-Id: {_xtext(envelope_id)}")
        lines.append(f"Arrival-Date: {date_time(self.arrival.at)}")
        if (by := deadline_of(self.envelope, self.arrival.at)) is not None:
            lines.append(f"Deliver-By-Date: {date_time(by.at)}")  # RFC 2852 §5
        if hold := hold_request(self.envelope):
            lines.append(f"Future-Release-Request: {_clean(hold)}")  # RFC 4865 §5.1.2
        for notice in self.notices:
            lines += ["", *self._recipient_fields(notice)]
        # RFC 6533 §4: the same fields, where an address is in UTF-8.
        kind = "message/global-delivery-status" if self.is_international else "message/delivery-status"
        return lines_part(kind, _lines(lines), eight_bit=self.eight_bit)

    def _recipient_fields(self, notice: RecipientStatus) -> list[str]:
        """Fields of one recipient, in the order of RFC 3464 §2.3."""
        recipient, outcome = notice.recipient, notice.outcome
        lines = [
            *self._original_recipient(recipient),
            f"Final-Recipient: {self._typed(recipient.address)}",
            f"Action: {self.kind}",
            f"Status: {outcome.status}",
        ]
        if outcome.host:
            lines.append(f"Remote-MTA: dns; {_clean(outcome.host)}")
        if text := self._diagnosis(outcome):
            kind = "smtp" if _SMTP_REPLY.match(text) else "x-mailstack"
            lines += _wrapped(f"Diagnostic-Code: {kind}; {text}", " ")
        if self.kind != "expanded":
            lines.append(f"Last-Attempt-Date: {date_time(self.at)}")
        if self.kind == "delayed":
            lines.append(f"Will-Retry-Until: {date_time(self.retry_until)}")
        return lines

    def _diagnosis(self, outcome: Outcome) -> str:
        """Reply of the remote host (RFC 3464 §2.3.6); "" for a local success."""
        return "" if self.kind in {"delivered", "expanded"} else _diagnostic_text(outcome)

    def _original_recipient(self, recipient: Recipient) -> list[str]:
        """Address of ORCPT; without ORCPT the field must not appear (RFC 3461 §6.3)."""
        kind, value = _orcpt(recipient)
        if kind.lower() == "utf-8":
            return [f"Original-Recipient: utf-8; {_readable(decode_unitext(value))}"]
        if kind:
            return [f"Original-Recipient: {_clean(kind)}; {_xtext(value)}"]
        return []

    def _typed(self, address: Address) -> str:
        """The address with its type: rfc822 if it can be ASCII, else utf-8 (RFC 6533 §3)."""
        if address.is_ascii:
            return f"rfc822; {_clean(str(address.with_a_labels))}"
        return f"utf-8; {_readable(str(address))}"

    def _displayed(self, address: Address) -> str:
        return _readable(str(address)) if self.is_international else _clean(str(address.with_a_labels))


def _recipient_lines(notice: RecipientStatus, display: Callable[[Address], str]) -> list[str]:
    """One recipient and the reason, for people."""
    recipient, outcome = notice.recipient, notice.outcome
    via = f" (via {display(recipient.original)})" if recipient.original else ""
    text = _diagnostic_text(outcome)
    prefix = f"{_clean(outcome.host)} said: " if outcome.host and _SMTP_REPLY.match(text) else ""
    return [f"  {display(recipient.address)}{via}", *_wrapped(f"    {prefix}{text or outcome.status}", "    ")]


def _diagnostic_text(outcome: Outcome) -> str:
    """The reply or the local reason, without the host name that an agent may put before it."""
    return _clean(outcome.text.removeprefix(f"{outcome.host} said: "))


def _orcpt(recipient: Recipient) -> tuple[str, str]:
    """Type and address of ORCPT, or two empty texts."""
    kind, mark, value = dict(recipient.parameters).get("ORCPT", "").partition(";")
    return (kind, value) if mark and kind.replace("-", "").isalnum() else ("", "")


def _boundary(report: LetterId, parts: Sequence[Composed]) -> str:
    """Boundary that occurs in no part. The id makes it unpredictable."""
    boundary = f"=_{report}"
    while any(boundary.encode() in octets for part in parts for octets in part.octets):
        boundary += "_"
    return boundary


def _clean(text: str) -> str:
    """Converts text to printable US-ASCII, truncated to _MAX_TEXT characters."""
    return _NOT_ASCII.sub("?", _CONTROLS.sub(" ", text[:_MAX_TEXT])).strip()


def _readable(text: str) -> str:
    """Removes unprintable characters, and truncates to _MAX_TEXT."""
    return "".join([char if char.isprintable() else " " for char in text[:_MAX_TEXT]]).strip()


def _xtext(text: str) -> str:
    """Decoded (RFC 3461 §4), then cleaned."""
    return _clean(decode_unitext(text[:_MAX_TEXT]))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def _lines(lines: list[str]) -> bytes:
    return "".join([f"{line}\r\n" for line in lines]).encode("utf-8", "replace")
