"""SMTP extension: keyword, parameters, verbs, hooks and transfer (RFC 5321 §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, Protocol

from msgspec import Struct, field

from mailstack.letter import Content, Envelope, Letter, Recipient
from mailstack.protocols.line_buffer import DotStuffer
from mailstack.protocols.smtp.client import ClientDialogue, SmtpSessionError
from mailstack.protocols.smtp.commands import Mail, Parameters, ServerEvent
from mailstack.protocols.smtp.order import State, Transition
from mailstack.protocols.smtp.receiving_rules import Client, LetterIntake, ReceivingRules
from mailstack.protocols.smtp.replies import Reply

Extensions = Mapping[str, str]
"""Extensions of a host: keyword in upper case, and the text behind it."""


class IncomingHook:
    """Points of a transaction that a server receives. Each may raise Refusal."""

    def accept_mail(self, mail: Mail, rules: ReceivingRules, client: Client, now: float) -> tuple[Mail, Reply | None]:  # noqa: ARG002
        """MAIL as it is accepted, and the reply where that is not the usual one. `now` is in seconds since 1970."""
        return mail, None

    def check_data(self) -> None:
        """Whether DATA may carry the content."""

    async def complete(self, letter: Letter, intake: LetterIntake) -> Letter:  # noqa: ARG002
        """The whole letter as it is stored."""
        return letter


class OutgoingHook:
    """Points of a client's transaction."""

    def content(self, extensions: Extensions, envelope: Envelope, content: Content) -> Content:  # noqa: ARG002
        """The content as it goes to a host."""
        return content

    def refusal(self, extensions: Extensions, envelope: Envelope) -> Reply | None:  # noqa: ARG002
        """Reply that the host would send to an unsuitable letter; None for a suitable one."""
        return None

    def rcpt_parameters(
        self,
        extensions: Extensions,  # noqa: ARG002
        envelope: Envelope,  # noqa: ARG002
        recipient: Recipient,  # noqa: ARG002
        parameters: Parameters,
    ) -> Parameters:
        """The parameters of RCPT for a host."""
        return parameters


Replies = list[Reply | None]
"""Refusal of each RCPT, or None for an accepted one."""


class Transfer(Protocol):
    """Way of a content from RCPT to its final reply. Every coroutine may raise SmtpSessionError."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands that follow RCPT, in the same group as RCPT where the host offers PIPELINING."""

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:
        """Returns the refusals, and the reply that requests the content; None for no content."""

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """Send the content and its end; None where no recipient was accepted."""

    def leaves_open(self, finals: Sequence[Reply]) -> bool:
        """Whether RSET has to end the transaction after these final replies."""


class DataTransfer:
    """Transfer by DATA."""

    commands: tuple[str, ...] = ("DATA",)

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:
        """The reply to DATA, if not 354, is that of the accepted recipients."""
        answer = await session.reply("data", session.timeouts.data_start)
        if answer.code == 354:
            return replies, answer
        if answer.code < 400:
            raise SmtpSessionError("data", answer, "the host replies to DATA with neither 354 nor a refusal")
        return [reply or answer for reply in replies], None

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """Send the content; without an accepted recipient the dot alone (RFC 2920 §3.1)."""
        stuffer = DotStuffer()
        waiting = b""
        if content is not None:
            async for octets in content.chunks():
                if waiting:
                    await session.send_block(waiting)
                waiting = stuffer.feed(octets)
        # The final dot is in the last block, which saves a packet.
        session.is_behind_dot = content is not None
        session.send_octets(waiting + stuffer.finish())
        session.record(f"C: ({content.size:,} octets)" if content is not None else "C: .")

    def leaves_open(self, finals: Sequence[Reply]) -> bool:  # noqa: ARG002
        """Any final reply ends the transaction (RFC 5321 §4.1.1.4)."""
        return False


DATA = DataTransfer()


BareNewlines = Literal["reject", "normalize", "accept"]
"""Treatment of lines that end in LF alone.

"reject" refuses them and closes the connection. "normalize" converts them to CRLF in a content, which only CRLF . CRLF
ends. "accept" permits them in commands too, and LF . LF as the end of a content after such a DATA line.
"""


class Capabilities(Struct, frozen=True):
    """Present capabilities of a listener; replaced when TLS starts or AUTH succeeds."""

    hostname: str
    """Host name in the greeting."""
    max_size: int = 0
    """Maximum octets of a content; 0 is no limit."""
    starttls: bool = False
    """Whether TLS can be started."""
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms that are available now, in upper case."""
    logins: bool = False
    """Whether clients may log in, at least under TLS."""
    max_line: int = 0
    """Maximum octets of a content line without CRLF; 0 is no limit."""
    max_recipients: int = 0
    """Maximum recipients of one transaction; 0 announces no limit."""
    max_letters: int = 0
    """Maximum transactions of one session; 0 is no limit."""
    max_hold: int = 0
    """Maximum seconds until a later release (RFC 4865); 0 offers none."""
    min_by: int | None = None
    """Minimum by-time in seconds (RFC 2852); None offers no DELIVERBY."""
    priorities: bool = False
    """Whether senders may request priorities (RFC 6710)."""
    verp: bool = False
    """Whether senders may request VERP."""
    xclient: bool = False
    """Whether the client may send XCLIENT."""
    bare_newlines: BareNewlines = "reject"
    """Treatment of lines that end in LF alone."""
    since: float = 0.0
    """Start of the session in seconds since 1970; 0 without `max_hold`."""
    withheld: frozenset[str] = frozenset()
    """Keywords of disabled extensions, in upper case."""


class Terms(Struct, frozen=True):
    """Extensions and parameters announced by the last EHLO reply."""

    keywords: tuple[str, ...] = ()
    """Lines of the reply after the first."""
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)
    enhanced: bool = False
    """Whether replies carry enhanced status codes (RFC 2034)."""


class Facts(Protocol):
    """State of a session, for extensions."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def tls(self) -> bool: ...

    @property
    def authenticated(self) -> bool: ...

    @property
    def terms(self) -> Terms: ...

    @property
    def mail(self) -> Mail | None:
        """MAIL of the open transaction; None without one."""


class Parameter(Struct, frozen=True):
    """A parameter of MAIL or RCPT (RFC 5321 §4.1.1.11)."""

    read: Callable[[str | None, Facts], str]
    """Function that returns the normal form of a value (None without "="); raises Refusal."""
    travels: bool = False
    """Whether the parameter is relayed to a host that offers the extension."""
    excludes: str = ""
    """Keyword of a parameter that must not be combined with it."""
    repeats: bool = False
    """Whether the parameter may be repeated, with the last value in effect. RFC 5321 leaves this open."""
    international: bool = False
    """Whether the value may be non-ASCII under SMTPUTF8 (RFC 6531 §3.4)."""


class Verb(Struct, frozen=True, eq=False):
    """A command: reader of its argument, and its place in the order."""

    read: Callable[[str, Facts], ServerEvent]
    """Function that reads the argument in ASCII; raises Refusal."""
    transitions: Mapping[State, Transition] = field(default_factory=dict)
    """Rows for the table of `mailstack.protocols.smtp.commands`."""
    long: bool = False
    """Whether the line may be as long as one of AUTH."""
    octets: bool = False
    """Whether octets follow the line; it is then read in every state, so that they are never read as commands."""


def _always(_facts: Facts) -> str:
    return ""


class Extension(Struct, frozen=True, eq=False):
    """Keyword of EHLO, with its parameters, verbs and hooks."""

    keyword: str
    argument: Callable[[Facts], str | None] = _always
    """Text after the keyword in the EHLO reply, by capabilities and TLS alone; None without an offer."""
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    """Verbs, also of an extension that is not offered: each reader raises the Refusal."""
    incoming: Mapping[str, IncomingHook] = field(default_factory=dict)
    """Hooks of received letters, by the parameter of MAIL or the value of BODY."""
    outgoing: Mapping[str, OutgoingHook] = field(default_factory=dict)
    """Hooks of sent letters, by the parameter of MAIL."""
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    """Transfers of contents that DATA can't carry, by the value of BODY."""


def agree(offered: tuple[Extension, ...], facts: Facts) -> Terms:
    """Terms of the next EHLO reply (RFC 5321 §2.2.2)."""
    return _agreed(offered, facts.capabilities, facts.tls)


class _InitialFacts(Struct, frozen=True):
    """State of a session before EHLO."""

    capabilities: Capabilities
    tls: bool
    authenticated: bool = False
    terms: Terms = Terms()
    mail: Mail | None = None


@lru_cache(maxsize=64)  # most connections get the same reply
def _agreed(offered: tuple[Extension, ...], capabilities: Capabilities, tls: bool) -> Terms:
    facts = _InitialFacts(capabilities, tls)
    arguments = ((extension, extension.argument(facts)) for extension in offered)
    withheld = capabilities.withheld
    return _terms(tuple(pair for pair in arguments if pair[1] is not None and pair[0].keyword not in withheld))


@lru_cache(maxsize=64)
def _terms(arguments: tuple[tuple[Extension, str], ...]) -> Terms:
    """Terms of these extensions with their arguments. Sessions with the same reply share them."""
    mail: dict[str, Parameter] = {}
    rcpt: dict[str, Parameter] = {}
    for extension, _ in arguments:
        mail.update(extension.mail)
        rcpt.update(extension.rcpt)
    keywords = tuple(f"{extension.keyword} {argument}".rstrip() for extension, argument in arguments)
    return Terms(keywords, mail, rcpt, "ENHANCEDSTATUSCODES" in keywords)
