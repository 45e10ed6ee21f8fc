"""Fault rule: where, to whom, how often and what; a JSON value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

import msgspec
from msgspec import Struct

from mailstack.letter.durations import read_duration
from mailstack.protocols.smtp.replies import Reply, reply

SmtpStep = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final", "quit"]
"""Of a receiving host, in the order of a dialogue; "content" is what comes behind 354, "final" its final dot."""

GREYLISTED = reply(451, "4.7.1", "greylisted, come again later")

Certificate = Literal["expired", "self-signed", "wrong-name"]

_POP3 = (
    *("connect", "user", "pass", "apop", "auth", "capa", "stls", "utf8", "lang"),
    *("stat", "list", "retr", "top", "dele", "noop", "rset", "uidl", "quit", "any"),
)
STEPS = frozenset({*get_args(SmtpStep), *(f"pop3.{verb}" for verb in _POP3), "tls", "call", "dns", "disk"})
"""What `at` may be."""

_ACTIONS: Mapping[str, frozenset[str]] = {
    "smtp": frozenset({"reply", "delay", "drop", "silence", "garbage", "greylist", "without", "octets", "speed"}),
    "pop3": frozenset({"reply", "delay", "drop", "silence", "garbage", "without", "octets", "sizes"}),
    "tls": frozenset({"tls"}),
    "call": frozenset({"delay", "drop", "silence"}),
    "dns": frozenset({"delay", "answer"}),
    "disk": frozenset({"delay", "error"}),
}
_ONLY_AT: Mapping[str, frozenset[str]] = {
    "greylist": frozenset({"rcpt"}),
    "without": frozenset({"ehlo", "pop3.capa"}),
    "octets": frozenset({"content", "pop3.retr", "pop3.top"}),
    "speed": frozenset({"content"}),
    "sizes": frozenset({"pop3.stat", "pop3.list", "pop3.retr"}),
}
_NEGATIVE = re.compile(r"([45][0-9]{2}) (?:([45]\.[0-9]{1,3}\.[0-9]{1,3}) )?(.{1,400})", re.DOTALL)
_ERR = re.compile(r"-ERR[ -~]{0,400}")


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What goes wrong. Empty conditions hold for everybody; a rule without `times` holds until it is removed.

    Raises ValueError (or msgspec.ValidationError, which is one) for what can't be meant.
    """

    at: str
    """The step: "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final" or "quit" of SMTP; "pop3.retr"
    and so on for each command of POP3, "pop3.connect" and "pop3.any"; "tls" for a handshake, "call" for a connection that
    the server opens, "dns" for a look-up, "disk" for a write into its store."""
    id: str = ""
    """Its name; given when it is added, if it has none. A rule of the same name is replaced."""

    server: str = ""
    """Pattern of the server's host name, as "mx.*"; `*` is any characters, `?` one."""
    service: str = ""
    """ "mx", "submission", "submissions", "lmtp", "pop3", "pop3s", or "smtp" for others."""
    client: str = ""
    """Pattern of the client's IP address; at "call" of the one that is called."""
    sender: str = ""
    """Pattern of the reverse-path, as "*@a.test"; "<>" is the null one."""
    recipient: str = ""
    """Pattern of an address: of the one at "rcpt", of any that was taken at "data", "content" and "final"."""
    nth: int = 0
    """Only the n-th: recipient of its transaction at "rcpt", else command of its kind in its connection; 0: each."""
    name: str = ""
    """Pattern of the name that is looked up at "dns", or of the store's operation at "disk": "accept", "settle" …"""

    times: int | None = None
    """How often it happens; None: always."""
    after: int = 0
    """How often what it fits is let pass first."""
    every: int = 1
    """Of what it fits then, each so-manieth."""
    probability: float = 1.0
    """How likely it happens then; decided by the seed of the Faults."""

    reply: str = ""
    """What is answered in place of the truth: "451 4.3.0 not now"; "-ERR [IN-USE] locked" to POP3. 421 ends the connection."""
    delay: str = ""
    """How long the step takes: "30s". Goes with everything else."""
    drop: Literal["", "before", "after"] = ""
    """Break the connection before the answer (the step is done, and nobody hears of it), or after it."""
    silence: bool = False
    """Say nothing from here on, and do nothing: a half-open connection."""
    garbage: str = ""
    """What is sent in place of the answer, as it stands; a line end is not added."""
    octets: int = 0
    """At "content": happen when so many octets of it came; at "pop3.retr", "pop3.top": drop after so many of the answer."""
    speed: int = 0
    """How fast the content comes, in octets a second; whether it happens is decided at its beginning. Goes with `drop` and `reply`."""
    greylist: str = ""
    """Put off each client, sender and recipient until they come again, so long ("5m") after their first time."""
    without: tuple[str, ...] = ()
    """Extensions (EHLO) or commands (CAPA) that are neither offered nor understood: "STARTTLS", "UIDL"."""
    sizes: float = 0.0
    """POP3 says sizes that are so many times the real ones; 0: it tells the truth."""
    tls: Literal["", "refused", "expired", "self-signed", "wrong-name"] = ""
    """The handshake fails, or shows a certificate that is not good."""
    answer: Literal["", "servfail", "nxdomain", "nodata", "timeout"] = ""
    """What a look-up ends with."""
    error: Literal["", "failed", "full"] = ""
    """Why the store could not write."""

    MOST: ClassVar[int] = 1_000_000_000

    def __post_init__(self) -> None:
        if self.at not in STEPS:
            raise ValueError(f"at {self.at!r}: there is no such step; those there are: {', '.join(sorted(STEPS))}")
        self._check_actions()
        for field, least in (("times", 1), ("after", 0), ("every", 1), ("nth", 0), ("octets", 0), ("speed", 0)):
            value = getattr(self, field)
            if value is not None and not least <= value <= self.MOST:
                raise ValueError(f"{field} is a whole number from {least} on")
        if not 0 < self.probability <= 1:
            raise ValueError("probability is above 0, and at most 1")
        if not 0 <= self.sizes <= 1000:
            raise ValueError("sizes is a factor from 0 to 1000")
        for field in ("delay", "greylist"):
            if getattr(self, field):
                try:
                    read_duration(getattr(self, field))
                except ValueError as error:
                    raise ValueError(f"{field} is {error}") from None

    def _check_actions(self) -> None:
        kind = self.kind
        given = {name for names in _ACTIONS.values() for name in names if getattr(self, name)}
        if not given - ({"octets"} if self.at == "content" else set()):
            raise ValueError(f"nothing happens: give one of {', '.join(sorted(_ACTIONS[kind]))}")
        for name in sorted(given):
            if name not in _ACTIONS[kind] or self.at not in _ONLY_AT.get(name, STEPS):
                raise ValueError(f"{name} can't happen at {self.at}")
        main = given - {"delay", "octets", "speed"} - ({"reply", "drop"} if {"reply", "drop"} <= given else set())
        if len(main) > 1:
            raise ValueError(f"one thing can happen, not {' and '.join(sorted(main))}")
        if self.reply and kind == "smtp" and _NEGATIVE.fullmatch(self.reply) is None:
            raise ValueError('reply is a refusal with its code, as "451 4.3.0 not now" or "550 no"')
        if self.reply and kind == "pop3" and _ERR.fullmatch(self.reply) is None:
            raise ValueError('reply is "-ERR" with a text in ASCII, as "-ERR [IN-USE] locked"')

    @property
    def kind(self) -> str:
        """The language of its step: "smtp", "pop3", "tls", "call", "dns" or "disk"."""
        head = self.at.partition(".")[0]
        return head if head in _ACTIONS else "smtp"

    @property
    def pause(self) -> float:
        """`delay` in seconds."""
        return read_duration(self.delay) if self.delay else 0.0

    @property
    def refusal(self) -> Reply:
        """`reply` as SMTP's engine wants it; GREYLISTED where that is what happens."""
        if self.greylist:
            return GREYLISTED
        found = _NEGATIVE.fullmatch(self.reply)
        assert found is not None
        code = int(found[1])
        status = found[2] if found[2] and found[2][0] == found[1][0] else None
        return reply(code, status, found[3], closes=code == 421)

    def to_json(self) -> dict[str, Any]:
        """As JSON and TOML have it; what is not set is left out."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Fault:
        """What JSON, TOML or keyword arguments said. Raises msgspec.ValidationError, a ValueError that names the field."""
        return msgspec.convert(given, cls)
