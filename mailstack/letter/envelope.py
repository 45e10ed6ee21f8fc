"""Envelope: reverse-path, recipients and arrival (RFC 5321 §2.3.1), with VERP."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.address import MAX_LOCAL_PART, Address, ReversePath


class HostPort(Struct, frozen=True):
    """Address and port of one end of a connection."""

    host: str
    """IP address in text, never a name; the path of a UNIX socket, or "" for its client."""
    port: int
    """TCP port; 0 for a UNIX socket."""


class ClientCertificate(Struct, frozen=True):
    """Verified client certificate: its chain leads to `tls.client_ca`, and the client has its key."""

    subject: str
    """Distinguished name of the subject (RFC 4514)."""
    mailboxes: tuple[str, ...] = ()
    """Names of type rfc822Name in the subjectAltName (RFC 5280 §4.2.1.6), as written there."""
    hosts: tuple[str, ...] = ()
    """Names of type dNSName in the subjectAltName, in lower case."""
    sha256: str = ""
    """Fingerprint: SHA-256 of its DER, in lower-case hexadecimal."""


def is_unix_socket(host: str) -> bool:
    """Whether the host of a HostPort is the path of a UNIX socket."""
    return host.startswith("/")


class TlsInfo(Struct, frozen=True):
    """Negotiated TLS of a connection, for `Received:` and the journey."""

    version: str
    """TLS version as OpenSSL names it: "TLSv1.3"."""
    cipher: str
    """Cipher suite as OpenSSL names it: "TLS_AES_256_GCM_SHA384"."""
    verified: bool = False
    """Whether name and chain of the peer's certificate were verified."""
    client: ClientCertificate | None = None
    """Trusted certificate of the client; None without one."""


Event = Literal["SUCCESS", "FAILURE", "DELAY"]
"""Events that NOTIFY can name (RFC 3461 §4.1)."""


class Recipient(Struct, frozen=True):
    """One forward-path with its parameters (RFC 5321 §3.3; RFC 3461 §4)."""

    address: Address
    original: Address | None = None
    """Address in RCPT, if an alias changed it to `address`."""
    parameters: tuple[tuple[str, str], ...] = ()
    """RCPT parameters to be relayed: keyword in upper case and value as sent."""

    def wants_report(self, event: Event) -> bool:
        """Whether NOTIFY requests a report of the event; by default of failure and delay (RFC 3461 §4.1)."""
        for keyword, value in self.parameters:
            if keyword == "NOTIFY":
                return event in value.upper().split(",")
        return event != "SUCCESS"

    def without_success(self) -> Recipient:
        """The recipient without SUCCESS, for members of an alias after its own report (RFC 3461 §5.2.7.3)."""
        if not self.wants_report("SUCCESS"):
            return self
        return replace(
            self, parameters=tuple((keyword, _without_success(keyword, value)) for keyword, value in self.parameters)
        )


def _without_success(keyword: str, value: str) -> str:
    if keyword != "NOTIFY":
        return value
    return ",".join([event for event in value.upper().split(",") if event != "SUCCESS"]) or "NEVER"


class Envelope(Struct, frozen=True):
    """MAIL and RCPT of one transaction."""

    sender: ReversePath
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    """Value of BODY: "7BIT", "8BITMIME" (RFC 6152 §2) or "BINARYMIME" (RFC 3030 §3)."""
    parameters: tuple[tuple[str, str], ...] = ()
    """MAIL parameters to be relayed: keyword in upper case and value as sent."""

    @property
    def smtputf8(self) -> bool:
        """Whether addresses or header may be UTF-8 (RFC 6531 §3.4)."""
        return bool(self.parameters) and ("SMTPUTF8", "") in self.parameters


class Arrival(Struct, frozen=True, omit_defaults=True):
    """Time, client and connection of a letter's arrival; becomes its `Received:` field (RFC 5321 §4.4)."""

    at: float
    """UTC, as seconds since 1970."""
    server: str
    """Host name of the receiving server."""
    protocol: str
    """`with` clause: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP … (RFC 6531 §4.3), or LOCAL."""
    remote: HostPort | None = None
    helo: str = ""
    """Client's name in EHLO; hostile text."""
    account: str | None = None
    """Authenticated account."""
    mechanism: str | None = None
    """SASL mechanism: PLAIN, LOGIN …"""
    tls: TlsInfo | None = None
    name: str = ""
    """Confirmed DNS name of the client (RFC 8601 §2.7.3); "" without one."""
    is_junk: bool = False
    """Whether a verdict sends the letter into the folder for junk."""


XVERP = "XVERP"
DELIMITERS = "+="
"""Default delimiters before the recipient and in place of its "@"; the first is that of subaddresses."""

_DELIMITERS = re.compile(r"[-+=]{2}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")


def read_delimiters(text: str) -> str:
    """Value of XVERP: two of "-", "+" and "=". Raises ValueError."""
    if not _DELIMITERS.match(text):
        raise ValueError('two of "-", "+" and "="')
    return text


def delimiters_of(envelope: Envelope) -> str | None:
    """Delimiters in XVERP; None for a letter without VERP."""
    if envelope.sender is None or not envelope.parameters:
        return None
    delimiters = dict(envelope.parameters).get(XVERP)
    return delimiters if delimiters is not None and _DELIMITERS.match(delimiters) else None


def sender_for(envelope: Envelope, recipient: Recipient) -> Address | None:
    """Reverse-path of a letter for one recipient: the sender of the envelope, or its VERP address. The sender also
    replaces a VERP address that would need quotes, UTF-8, or more than 64 octets in its local part (RFC 5321
    §4.5.3.1.1).
    """
    delimiters, sender = delimiters_of(envelope), envelope.sender
    if delimiters is None or sender is None:
        return sender
    to = recipient.original or recipient.address
    local = f"{sender.local}{delimiters[0]}{to.local}{delimiters[1]}{to.ascii_domain}"
    return Address(local, sender.domain) if len(local) <= MAX_LOCAL_PART and _PLAIN.match(local) else sender
