"""Extension: keyword, parameters, verbs and hooks of one file (RFC 5321 §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, Protocol

from msgspec import Struct, field

from mailstack.protocols.smtp.commands import Mail, ServerEvent
from mailstack.protocols.smtp.extensions.hooks import IncomingHook, OutgoingHook
from mailstack.protocols.smtp.order import State, Transition
from mailstack.protocols.smtp.transfer import Transfer

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
    """Rows for the table of `mailstack.protocols.smtp.order`."""
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
