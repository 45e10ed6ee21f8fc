"""SMTP extension: keyword, parameters, verbs, hooks and transfer (RFC 5321 §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, Protocol

from msgspec import Struct, field

from mailstack.letter import Content, Envelope, Letter, Recipient
from mailstack.protocols.line_buffer import DotStuffer
from mailstack.protocols.smtp.client import ClientDialogue, SmtpSessionError
from mailstack.protocols.smtp.commands import Mail, Parameters, ServerEvent, State, Transition
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
    """Points of a transaction that a client begins."""

    def content(self, extensions: Extensions, envelope: Envelope, content: Content) -> Content:  # noqa: ARG002
        """The content as it goes to a host."""
        return content

    def refusal(self, extensions: Extensions, envelope: Envelope) -> Reply | None:  # noqa: ARG002
        """The reply that the host would have to give to a letter which it can't take; None for a letter that it can."""
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
        """Replies to the commands: the refusals with theirs, and what asks for the content, or None for no content."""

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """Send the content and its end; None where no recipient was accepted."""

    def leaves_open(self, finals: Sequence[Reply]) -> bool:
        """Whether RSET has to end the transaction after these final replies."""


class DataTransfer:
    """Transfer by DATA."""

    commands: tuple[str, ...] = ("DATA",)

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:
        """The reply to DATA decides for the accepted recipients."""
        answer = await session.reply("data", session.timeouts.data_start)
        if answer.code == 354:
            return replies, answer
        if answer.code < 400:
            raise SmtpSessionError("data", answer, "the host answers DATA with neither 354 nor a refusal")
        return [one or answer for one in replies], None

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """The dot alone follows 354 where no recipient was accepted (RFC 2920 §3.1)."""
        stuffer = DotStuffer()
        waiting = b""
        if content is not None:
            async for octets in content.chunks():
                if waiting:
                    await session.send_block(waiting)
                waiting = stuffer.feed(octets)
        # The final dot goes with the last block: a packet less.
        session.is_behind_dot = content is not None
        session.send_octets(waiting + stuffer.finish())
        session.record(f"C: ({content.size:,} octets)" if content is not None else "C: .")

    def leaves_open(self, finals: Sequence[Reply]) -> bool:  # noqa: ARG002
        """The final reply ends the transaction, whatever it is (RFC 5321 §4.1.1.4)."""
        return False


DATA = DataTransfer()


BareNewlines = Literal["reject", "normalize", "accept"]
"""Treatment of lines that end in LF alone.

"reject" refuses them and closes the connection. "normalize" makes CRLF of each bare LF in a content, which still ends in
CRLF . CRLF alone. "accept" takes them in commands as well, and LF . LF as the end of a content after a DATA line of that kind.
"""


class Capabilities(Struct, frozen=True):
    """What a listener can do at this moment: another one may be put in its place when TLS starts or AUTH succeeds."""

    hostname: str
    """Our name, as the banner says it."""
    max_size: int = 0
    """Octets of the largest content that is taken; 0 sets no limit."""
    starttls: bool = False
    """Whether there is a certificate."""
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms that may be used now, in upper case; none while the connection is in the clear."""
    logins: bool = False
    """Whether clients may log in here at all, be it only under TLS."""
    max_line: int = 0
    """Octets of the longest line of a content, without its CRLF; 0 takes lines of any length, and keeps them whole."""
    max_recipients: int = 0
    """Recipients of one transaction; 0 announces no limit."""
    max_letters: int = 0
    """Transactions of one session; 0 sets no limit."""
    max_hold: int = 0
    """Seconds for which a letter may be held back (RFC 4865); 0 holds none."""
    least_by: int | None = None
    """The least time in seconds that a sender may give for delivery (RFC 2852); None takes no such wish."""
    priorities: bool = False
    """Whether senders may say which of their letters go first (RFC 6710)."""
    verp: bool = False
    """Whether senders may have a reverse-path for each recipient."""
    xclient: bool = False
    """Whether the client may speak for others."""
    bare_newlines: BareNewlines = "reject"
    """Treatment of lines that end in LF alone."""
    since: float = 0.0
    """Start of the session in seconds since 1970; 0 where nothing is held back."""
    withheld: frozenset[str] = frozenset()
    """Keywords of extensions that are not offered here, in upper case."""


class Terms(Struct, frozen=True):
    """What the last EHLO agreed."""

    keywords: tuple[str, ...] = ()
    """The lines of the answer behind the first."""
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)
    enhanced: bool = False
    """Whether replies carry enhanced status codes (RFC 2034)."""


class Facts(Protocol):
    """What an extension may look at: how things stand with the session."""

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
        """The MAIL that began the transaction, if one is open."""


class Parameter(Struct, frozen=True):
    """A parameter of MAIL or RCPT (RFC 5321 §4.1.1.11)."""

    read: Callable[[str | None, Facts], str]
    """Checks the value (None: there is no "="), gives it in normal form; raises Refusal."""
    travels: bool = False
    """Whether it goes on with the letter to the next host, if that offers the extension."""
    excludes: str = ""
    """The keyword of a parameter that must not stand beside it."""
    repeats: bool = False
    """Whether it may stand there twice; then the last value holds. RFC 5321 doesn't say; we refuse it by default."""
    international: bool = False
    """Whether its value need not be ASCII under SMTPUTF8 (RFC 6531 §3.4)."""


class Verb(Struct, frozen=True, eq=False):
    """A command: how its argument is read, and what it may follow."""

    read: Callable[[str, Facts], ServerEvent]
    """Reads the argument, which is ASCII; raises Refusal."""
    turns: Mapping[State, Transition] = field(default_factory=dict)
    """Rows for the table of `mailstack.protocols.smtp.commands`."""
    long: bool = False
    """Whether its line may be as long as AUTH's."""
    octets: bool = False
    """Whether octets follow its line: it is read in every state, so that they are never taken for commands."""


def _always(_facts: Facts) -> str:
    return ""


class Extension(Struct, frozen=True, eq=False):
    """A keyword of EHLO, and all that the server's language gains by it."""

    keyword: str
    argument: Callable[[Facts], str | None] = _always
    """Text behind the keyword in the EHLO reply; None while it is not offered. Capabilities and TLS alone decide that."""
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    """Known whether offered or not: the verb itself says why it can't be used now."""
    incoming: Mapping[str, IncomingHook] = field(default_factory=dict)
    """Hooks of received letters, by the parameter of MAIL or the value of BODY."""
    outgoing: Mapping[str, OutgoingHook] = field(default_factory=dict)
    """Hooks of sent letters, by the parameter of MAIL."""
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    """Transfers of contents that DATA can't carry, by the value of BODY."""


def agree(offered: tuple[Extension, ...], facts: Facts) -> Terms:
    """What EHLO is told now, and what it therefore may use (RFC 5321 §2.2.2)."""
    return _agreed(offered, facts.capabilities, facts.tls)


class _Beginning(Struct, frozen=True):
    """The facts of a session of which nothing is known but this."""

    capabilities: Capabilities
    tls: bool
    authenticated: bool = False
    terms: Terms = Terms()
    mail: Mail | None = None


@lru_cache(maxsize=64)  # most connections are told what the one before was
def _agreed(offered: tuple[Extension, ...], capabilities: Capabilities, tls: bool) -> Terms:
    facts = _Beginning(capabilities, tls)
    told = ((extension, extension.argument(facts)) for extension in offered)
    withheld = capabilities.withheld
    return _terms(tuple(each for each in told if each[1] is not None and each[0].keyword not in withheld))


@lru_cache(maxsize=64)
def _terms(told: tuple[tuple[Extension, str], ...]) -> Terms:
    """Terms of these extensions with their arguments. Sessions with the same reply share them."""
    mail: dict[str, Parameter] = {}
    rcpt: dict[str, Parameter] = {}
    for extension, _ in told:
        mail.update(extension.mail)
        rcpt.update(extension.rcpt)
    keywords = tuple(f"{extension.keyword} {argument}".rstrip() for extension, argument in told)
    return Terms(keywords, mail, rcpt, "ENHANCEDSTATUSCODES" in keywords)
