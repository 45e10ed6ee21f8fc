"""Trace fields, Date and Message-ID of a server (RFC 5321 §4.4)."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from mailstack.letter.address import Address, AddressError, ReversePath, ascii_domain, parse_domain
from mailstack.letter.envelope import Arrival, Recipient, TlsInfo
from mailstack.letter.letter import LetterId

LOCAL = "LOCAL"
"""Protocol of an Arrival without `with` clause (RFC 5321 §4.4)."""
_COLUMNS = 78
"""Recommended maximum of a line (RFC 5322 §2.1.1)."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_IN_COMMENT = re.compile(r"[^ !-'*-\[\]-~]+")
_MAX_NAME = 255


def received(
    arrival: Arrival,
    letter: LetterId,
    recipients: Sequence[Recipient],
    *,
    hide_client: bool = False,
    show_account: bool = False,
    priority: int | None = None,
) -> bytes:
    """The `Received:` field, folded, with its CRLF (RFC 5321 §4.4).

    The `for` clause names a single recipient only, so that it reveals no blind copy (§7.2), and only in ASCII, so that the
    field needs no SMTPUTF8. `hide_client` omits the `from` clause; `show_account` names the authenticated account (§7.6).
    `priority` adds a clause (RFC 6710 §4.1).
    """
    if arrival.protocol == LOCAL and arrival.account is not None:
        clauses = f"Received: by {arrival.server}" + (
            "" if hide_client else f" (from user {_comment(arrival.account)})"
        )
    else:
        host = None if arrival.remote is None or hide_client else arrival.remote.host
        account = arrival.account if show_account else None
        clauses = _from_clause(host, arrival.name, arrival.helo, arrival.tls, account, arrival.server, arrival.protocol)
    for_clause = (
        f" for <{_printable(recipients[0].address)}>" if len(recipients) == 1 and recipients[0].address.is_ascii else ""
    )
    priority_clause = "" if priority is None else f" PRIORITY {priority}"
    return f"{clauses}\r\n\tid {letter}{for_clause}{priority_clause};\r\n\t{date_time(arrival.at)}\r\n".encode()


@lru_cache(maxsize=1024)  # the same for all letters of a connection
def _from_clause(  # noqa: PLR0917  # lru_cache is faster with positional arguments
    host: str | None, dns_name: str, helo: str, tls: TlsInfo | None, account: str | None, server: str, protocol: str
) -> str:
    """The clauses of client, TLS, account, server and protocol, folded."""
    clauses = []
    if host is not None:
        literal = _literal(host)
        info = f"{_domain(dns_name)} {literal}" if dns_name else literal
        clauses += [f"from {_domain(helo) or literal}", f"({info})"]
    if tls is not None:
        clauses.append(f"(using {_comment(tls.version)} with cipher {_comment(tls.cipher)})")
    if account is not None:
        clauses.append(f"(authenticated as {_comment(account)})")
    return _folded("Received:", [*clauses, f"by {server}", f"with {protocol}"])


@lru_cache(maxsize=1024)
def return_path(sender: ReversePath) -> bytes:
    """The `Return-Path:` field of final delivery; the null reverse-path is `<>`."""
    return b"Return-Path: <%b>\r\n" % (b"" if sender is None else _printable(sender).encode())


@lru_cache(maxsize=1024)
def delivered_to(address: Address) -> bytes:
    """The `Delivered-To:` field of final delivery (RFC 9228)."""
    return b"Delivered-To: %b\r\n" % _printable(address).encode()


def handover_field(server: str, letter: LetterId, address: Address, at: float) -> bytes:
    """The `Received:` field of final delivery, with the time and the recipient.

    It has no `with` clause, since no protocol was used (RFC 5321 §4.4).
    """
    text = f"Received: from {server} by {server} (final delivery)\r\n\tid {letter} for <{_printable(address)}>;"
    return f"{text}\r\n\t{date_time(at)}\r\n".encode()


def date_field(now: float) -> bytes:
    """A `Date:` field for a letter that has none (RFC 6409 §8.2)."""
    return b"Date: %b\r\n" % date_time(now).encode()


def message_id(letter: LetterId, hostname: str) -> bytes:
    """A `Message-ID:` field for a letter that has none (RFC 6409 §8.3)."""
    return f"Message-ID: <{letter}@{hostname}>\r\n".encode()


def date_time(now: float) -> str:
    """Date and time of RFC 5322 §3.3 in UTC, independent of the locale."""
    return _date_time(int(now))


@lru_cache(maxsize=16)  # many letters arrive in one second
def _date_time(second: int) -> str:
    at = time.gmtime(second)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {clock} +0000"


def _literal(host: str) -> str:
    """The address literal of a client (RFC 5321 §4.1.3)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a local socket has no address
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return f"[{address}]"
    return f"[{address.ipv4_mapped}]" if address.ipv4_mapped else f"[IPv6:{address}]"


def _domain(helo: str) -> str:
    """Name of the client without characters that are invalid in a domain; may be ""."""
    try:
        return ascii_domain(parse_domain(helo))
    except AddressError:
        labels = _NOT_IN_NAME.sub("-", helo[:_MAX_NAME]).split(".")
        return ".".join([label for label in (label.strip("-") for label in labels) if label])


def _comment(text: str) -> str:
    return _NOT_IN_COMMENT.sub("?", text)


@lru_cache(maxsize=1024)
def _printable(address: Address) -> str:
    """The address in printable characters, with A-labels if that makes it ASCII."""
    text = str(address.with_a_labels if address.is_ascii else address)
    return text if text.isprintable() else "".join([c if c.isprintable() else "?" for c in text])


def _folded(name: str, clauses: Iterable[str]) -> str:
    """A field without its last CRLF, folded between clauses at 78 columns."""
    lines, line = [], name
    for clause in clauses:
        if len(line) + 1 + len(clause) > _COLUMNS and line is not name:
            lines.append(line)
            line = "\t" + clause
        else:
            line = f"{line} {clause}"
    lines.append(line)
    return "\r\n".join(lines)
