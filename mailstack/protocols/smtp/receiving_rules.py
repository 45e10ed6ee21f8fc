"""Receiving rules, intake and letter priorities of a port (RFC 6710, RFC 6758)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Content, Envelope, Letter, LetterId, ReversePath
from mailstack.letter.envelope import HostPort
from mailstack.letter.header import count
from mailstack.letter.time_parameters import HIGHEST, LOWEST, NORMAL, PRIORITY
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.connection import ResourceError
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

FIELD = b"mt-priority"
"""Name of the header field (RFC 6758 §4)."""

_FIELD = re.compile(
    rb"(?:\A|\r\n)MT-Priority[ \t]*:(?:[ \t]|\r\n[ \t])*(0|-?[1-9])(?:[ \t]|\r\n[ \t]|\([ -'*-~]*\))*\r\n",
    re.IGNORECASE,
)


class Priorities(Struct, frozen=True):
    """Priorities that a client may request for its letters."""

    min_priority: int = LOWEST
    """Minimum priority; a lower one is refused."""
    max_priority: int = NORMAL
    """Maximum priority; a higher one is lowered to it."""
    trusted: bool = False
    """Whether the MT-Priority field of the client's letters is used."""

    @property
    def header_hooks(self) -> tuple[Priorities, ...]:
        """Hook that reads the MT-Priority field; empty for an untrusted client."""
        return (self,) if self.trusted else ()

    def read_header(self, envelope: Envelope, section: bytes) -> Envelope:
        """The envelope with the priority of a single MT-Priority field, unless MAIL has one (RFC 6758 §3.1)."""
        if PRIORITY in dict(envelope.parameters):
            return envelope
        match = _FIELD.search(section)
        if match is None or count(section, FIELD) != 1:
            return envelope
        value = min(int(match[1]), self.max_priority)
        return replace(envelope, parameters=(*envelope.parameters, (PRIORITY, str(value))))

    def grant(self, mail: Mail) -> tuple[Mail, Reply | None]:
        """MAIL with its granted priority, and the reply if it differs from the requested one (§4.1). Raises Refusal."""
        requested = dict(mail.parameters).get(PRIORITY)
        if requested is None:
            return mail, None
        if int(requested) < self.min_priority:
            raise Refusal(reply(550, "5.7.15", f"{self.min_priority} is the minimum priority here"))
        if int(requested) <= self.max_priority:
            return mail, None
        parameters = tuple(pair for pair in mail.parameters if pair[0] != PRIORITY)
        lowered = replace(mail, parameters=(*parameters, (PRIORITY, str(self.max_priority))))
        # §4.1: the text starts with the new priority.
        return lowered, reply(250, "2.3.6", f"{self.max_priority} is the priority of the message")


ANY = Priorities(max_priority=HIGHEST, trusted=True)
"""Priorities without limits, for trusted clients."""


class Client(Protocol):
    """Client at the other end; a ServerSession is one."""

    @property
    def remote(self) -> HostPort: ...

    @property
    def account(self) -> str | None:
        """`Address.key` of the authenticated account; None before AUTH."""

    @property
    def declared_size(self) -> int:
        """Octets of the letter as declared by SIZE (RFC 1870 §6.1); 0 without it."""

    @property
    def sender(self) -> ReversePath:
        """Reverse-path of the open transaction."""

    @property
    def helo(self) -> str:
        """Argument of EHLO or HELO, unverified; "" before either."""

    @property
    def must_start_tls(self) -> bool:
        """Whether AUTH is possible only after STARTTLS."""


class ArrivingContent(Protocol):
    """Destination of a content while it is received. Every coroutine may raise Refusal."""

    async def write(self, octets: bytes) -> None: ...

    async def finish(self) -> Content: ...

    def discard(self) -> None: ...


class ReceivedOctets(Struct, frozen=True):
    """Octets of a letter as received, for verification."""

    section: bytes
    """Header section as received, without the empty line that ends it."""
    body_at: int
    """Offset of the body in the content of the letter."""


Facts = Mapping[str, Any]
"""Facts in the first step of a letter's journey, beyond its arrival."""

NO_FACTS: Facts = {}


class LetterIntake(Protocol):
    """Acceptance of letters, shared by all ports of a server: `mailstack.receiving.intake`."""

    def is_local(self, address: Address) -> bool:
        """Whether the address is delivered to a local mailbox."""

    @property
    def memory_budget(self) -> MemoryBudget:
        """Memory budget of incomplete header sections."""

    def reply_to(self, error: ResourceError) -> Reply:
        """The reply to a command that needs an unavailable resource; also logs the error, at a limited rate."""

    def check_room(self, size: int = 0) -> None:
        """Raises Refusal if the disk has no space for a letter of `size` octets."""

    def new_content(self) -> ArrivingContent: ...

    def trace(self, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """The `Received:` field of this server for the arrival."""


class ReceivingRules(Protocol):
    """Rules of a port: submission, MX or LMTP. Every method may raise Refusal."""

    @property
    def hostname(self) -> str: ...

    @property
    def intake(self) -> LetterIntake: ...

    async def check_client(self, client: Client) -> None:
        """Check the client before the greeting; a Refusal becomes the greeting (RFC 5321 §3.1)."""

    def name_of(self, client: Client) -> str:
        """Confirmed DNS name of the client (RFC 8601 §2.7.3); "" while unknown."""

    async def check_sender(self, client: Client, mail: Mail) -> None:
        """Check whether the client may send as `mail.sender`."""

    async def check_recipient(self, client: Client, rcpt: Rcpt) -> None:
        """Check whether the client may send to `rcpt.address`."""

    def priorities(self, client: Client) -> Priorities:
        """Priorities that the client may request (RFC 6710 §5)."""

    def header_hooks(self, client: Client) -> Sequence[HeaderHook]:
        """Hooks that read the header sections of the client's letters; requested once a session."""

    async def edit_header(self, section: bytes, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """The header section to store, without the `Received:` field of this server."""

    async def complete(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """The complete letter to accept, signed where required, and facts for its journey."""

    async def accept(self, letter: Letter, facts: Facts) -> None:
        """Accept responsibility for the letter, durably (RFC 5321 §6.1)."""


class HeaderHook(Protocol):
    """Hook for complete header sections of clients with trusted header fields."""

    def read_header(self, envelope: Envelope, section: bytes) -> Envelope:
        """The envelope, changed as the header section requests."""
