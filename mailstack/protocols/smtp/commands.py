"""SMTP commands: events of the server engine (RFC 5321 §4.1.1, RFC 4954)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter.address import Address, ReversePath
from mailstack.protocols.smtp.replies import Reply

Parameters = tuple[tuple[str, str], ...]
"""Parameters that are relayed with the letter: keyword in upper case, value as sent."""

SMTPUTF8 = "SMTPUTF8"
"""Keyword and parameter of internationalized mail (RFC 6531 §3.1)."""


class Hello(Struct, frozen=True):
    """EHLO or HELO (RFC 5321 §4.1.1.1)."""

    domain: str
    """Client's name: one word of printable ASCII, not checked to be a domain; hostile text."""
    extended: bool
    """True for EHLO."""


class Mail(Struct, frozen=True):
    """MAIL FROM (RFC 5321 §4.1.1.2)."""

    sender: ReversePath
    parameters: Parameters
    size: int | None
    """Declared size in octets (RFC 1870 §5); None without SIZE."""
    body: str = "7BIT"
    """Declared BODY (RFC 6152 §2, RFC 3030 §3), in upper case."""

    @property
    def smtputf8(self) -> bool:
        """Whether addresses and header may be UTF-8 (RFC 6531 §3.4)."""
        return bool(self.parameters) and (SMTPUTF8, "") in self.parameters


class Rcpt(Struct, frozen=True):
    """RCPT TO (RFC 5321 §4.1.1.3)."""

    address: Address
    """`Address("postmaster", "")` for the bare `<postmaster>`. A source route is dropped (appendix C)."""
    parameters: Parameters = ()


class Data(Struct, frozen=True):
    """DATA (RFC 5321 §4.1.1.4). A 354 reply starts the content; any other reply ends the transaction."""


class Bdat(Struct, frozen=True):
    """BDAT (RFC 3030 §2): `size` octets of content follow. The reply is due at their end, to EndOfData."""

    size: int
    last: bool
    """Whether this chunk completes the content."""


class Chunk(Struct, frozen=True):
    """Octets of the content, dots unstuffed. No reply is due."""

    octets: bytes


class EndOfData(Struct, frozen=True):
    """The final dot, or the last octet of a BDAT chunk, was received."""

    size: int
    """Octets of the content so far, with CRLF, without stuffing and final dot (RFC 1870 §6.3)."""
    fault: Reply | None
    """Refusal of the content; its chunks are then incomplete. None accepts it."""
    bare_newlines: bool = False
    """Whether a line ended in a permitted bare LF; the chunks have CRLF."""


class Reset(Struct, frozen=True):
    """RSET (RFC 5321 §4.1.1.5)."""


class Noop(Struct, frozen=True):
    """NOOP (RFC 5321 §4.1.1.9)."""


class Help(Struct, frozen=True):
    """HELP (RFC 5321 §4.1.1.8)."""

    about: str


class Verify(Struct, frozen=True):
    """VRFY (RFC 5321 §4.1.1.6)."""

    argument: str


class Expand(Struct, frozen=True):
    """EXPN (RFC 5321 §4.1.1.7)."""

    argument: str


class Quit(Struct, frozen=True):
    """QUIT (RFC 5321 §4.1.1.10). The engine reads no input after the reply."""


class StartTls(Struct, frozen=True):
    """STARTTLS (RFC 3207 §4). A 220 reply discards the buffer, and TLS must start."""


class Auth(Struct, frozen=True):
    """AUTH (RFC 4954 §4). Reply with `challenge`, or with a reply that ends the exchange."""

    mechanism: str
    """Mechanism in upper case; one of the offered ones."""
    initial: bytes | None
    """Decoded initial response; None without one, b"" for "="."""


class AuthResponse(Struct, frozen=True):
    """Response to a challenge. Reply as for Auth."""

    response: bytes | None
    """Decoded response; None for "*", which cancels the exchange (501)."""


class XClient(Struct, frozen=True):
    """XCLIENT: client data from a trusted proxy; None for missing data. Reply with 220."""

    name: str | None = None
    """The client's host name."""
    address: str | None = None
    """Client's IP address."""
    port: int | None = None
    protocol: str | None = None
    """SMTP or ESMTP."""
    hello: str | None = None
    """Client's name in EHLO; hostile text, printable ASCII."""
    login: str | None = None
    """Account that the client has authenticated as."""
    local_address: str | None = None
    """Address that the client connected to."""
    local_port: int | None = None


class Rejected(Struct, frozen=True):
    """A line of invalid grammar, order or length; it ends an AUTH exchange. Send `reply`."""

    reply: Reply
    line: bytes
    """Start of the line, for the log; hostile octets, without the arguments of AUTH."""


ServerEvent = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Bdat
    | Chunk
    | EndOfData
    | Reset
    | Noop
    | Help
    | Verify
    | Expand
    | Quit
    | StartTls
    | Auth
    | AuthResponse
    | XClient
    | Rejected
)


class LocalProtocolError(Exception):
    """A caller of the engine would break the protocol: a bug of this program, never caused by the peer."""


# Replies to commands out of order, by state.
