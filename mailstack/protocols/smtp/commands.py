"""SMTP commands: events of the server engine (RFC 5321 §4.1.1, RFC 4954)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter.address import Address, ReversePath
from mailstack.protocols.smtp.replies import Reply

Parameters = tuple[tuple[str, str], ...]
"""Parameters that travel on with the letter: keyword in upper case, value as sent."""

SMTPUTF8 = "SMTPUTF8"
"""The keyword, and the parameter, of internationalized mail (RFC 6531 §3.1)."""


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
    """DATA (RFC 5321 §4.1.1.4). 354 lets the content come; any other answer ends the transaction."""


class Bdat(Struct, frozen=True):
    """BDAT (RFC 3030 §2): so many octets of the content follow. The answer is owed at their end, to EndOfData."""

    size: int
    last: bool
    """Whether the content is whole with them."""


class Chunk(Struct, frozen=True):
    """Some octets of the content, dots unstuffed. No answer is owed."""

    octets: bytes


class EndOfData(Struct, frozen=True):
    """The final dot came, or the last octet that BDAT announced."""

    size: int
    """Octets of the whole content so far: CRLF counted, stuffing and final dot not (RFC 1870 §6.3)."""
    fault: Reply | None
    """Why the content must be refused; the chunks given are then not the whole of it."""
    bare_newlines: bool = False
    """Whether some of its lines ended in LF alone, where that may be; the chunks given have CRLF."""


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
    """QUIT (RFC 5321 §4.1.1.10). The engine reads nothing more after the answer."""


class StartTls(Struct, frozen=True):
    """STARTTLS (RFC 3207 §4). After 220 whatever is buffered is gone, and TLS must start."""


class Auth(Struct, frozen=True):
    """AUTH (RFC 4954 §4). Answer with `challenge`, or with a reply that ends the exchange."""

    mechanism: str
    """Mechanism in upper case; one of those that are offered."""
    initial: bytes | None
    """The initial response, decoded; None when there was none, b"" for "="."""


class AuthResponse(Struct, frozen=True):
    """The answer to a challenge. Answer as for Auth."""

    response: bytes | None
    """Decoded; None means "*": the client gives up (501)."""


class XClient(Struct, frozen=True):
    """XCLIENT: client data from a trusted proxy; None for what it did not give. Reply with 220."""

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
    """The account that it proved to be."""
    local_address: str | None = None
    """Address that the client connected to."""
    local_port: int | None = None


class Rejected(Struct, frozen=True):
    """A line that grammar, order or length forbid. Send `reply` as the answer.

    In the middle of an AUTH exchange it ends the exchange.
    """

    reply: Reply
    line: bytes
    """The beginning of the line, for the log; hostile octets, with what follows AUTH taken out."""


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
