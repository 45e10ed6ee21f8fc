"""Receiving rules of a port, and the intake behind them: interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from mailstack.letter import Address, Arrival, Content, Envelope, Letter, LetterId, ReversePath
from mailstack.letter.envelope import HostPort
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.connection import ResourceError
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.priorities import Priorities
from mailstack.protocols.smtp.replies import Reply


class Client(Protocol):
    """Client at the other end; a ServerSession is one."""

    @property
    def remote(self) -> HostPort: ...

    @property
    def account(self) -> str | None:
        """The account that authenticated itself (an `Address.key`)."""

    @property
    def declared_size(self) -> int:
        """Octets of the letter that comes, as SIZE= declared them (RFC 1870 §6.1); 0 when it did not."""

    @property
    def sender(self) -> ReversePath:
        """Of the transaction that is open."""

    @property
    def helo(self) -> str:
        """What the client called itself; "" before it did; hostile text."""

    @property
    def must_start_tls(self) -> bool:
        """Whether AUTH waits for STARTTLS."""


class ArrivingContent(Protocol):
    """Where a content goes as it comes in. Every coroutine may raise Refusal."""

    async def write(self, octets: bytes) -> None: ...

    async def finish(self) -> Content: ...

    def discard(self) -> None: ...


class ReceivedOctets(Struct, frozen=True):
    """Octets of a letter as received, for verification."""

    section: bytes
    """The header section, without the empty line behind it, before anything was put into it or taken from it."""
    body_at: int
    """Offset of the body in the content of the letter."""


Facts = Mapping[str, Any]
"""Facts in the first step of a letter's journey, beyond its arrival."""

NO_FACTS: Facts = {}


class LetterIntake(Protocol):
    """What takes letters over: `mailstack.receiving.intake`, the same for every station of a server."""

    def is_local(self, address: Address) -> bool:
        """Whether letters to the address end here, where they are read by lines."""

    @property
    def memory_budget(self) -> MemoryBudget:
        """What header sections may hold of the memory until they are whole."""

    def reply_to(self, error: ResourceError) -> Reply:
        """What a client is answered that needs a resource which can't be used; also tells the log, but not each time."""

    def check_room(self, size: int = 0) -> None:
        """Whether the disk has room for a letter of `size` octets; may raise Refusal."""

    def new_content(self) -> ArrivingContent: ...

    def trace(self, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """Our `Received:` field for this arrival."""


class ReceivingRules(Protocol):
    """Rules of a port: submission, MX or LMTP. Everything here may raise Refusal."""

    @property
    def hostname(self) -> str: ...

    @property
    def intake(self) -> LetterIntake: ...

    async def check_client(self, client: Client) -> None:
        """Whether this client is talked to at all; a Refusal is its greeting (RFC 5321 §3.1)."""

    def name_of(self, client: Client) -> str:
        """The client's confirmed name in the DNS, as far as that is known; "" for none (RFC 8601 §2.7.3)."""

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Whether this client may send as `mail.sender`."""

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Whether this client may send to `rcpt.address`."""

    def priorities(self, client: Client) -> Priorities:
        """Which priorities this client may give to its letters (RFC 6710 §5)."""

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """Hooks of extensions that read the header sections of this client's letters; asked once for a client."""

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """The header section as this station passes it on, without our `Received:`."""

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """The whole letter as this station passes it on, with what it signs or found out; mostly the same letter."""

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Take responsibility; durable when it returns (RFC 5321 §6.1)."""


class HeaderHook(Protocol):
    """Point at which the header section of a letter is whole, for clients with trusted header fields."""

    def read_header(self, envelope: Envelope, section: bytes) -> Envelope:
        """The envelope with what the header section asks for."""
