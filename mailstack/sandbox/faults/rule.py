"""Fault rules and their presets: step, conditions, frequency and effect, in JSON and TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import msgspec
from msgspec import Struct

from mailstack.letter import Address
from mailstack.letter.times import read_duration
from mailstack.protocols.smtp.replies import Reply, reply

SmtpStep = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final", "quit"]
"""Steps of an SMTP server in order; "content" is the data after 354, "final" its final dot."""

GREYLISTED = reply(451, "4.7.1", "Greylisted, please try again later")

Certificate = Literal["expired", "self-signed", "wrong-name"]

_POP3 = (
    *("connect", "user", "pass", "apop", "auth", "capa", "stls", "utf8", "lang"),
    *("stat", "list", "retr", "top", "dele", "noop", "rset", "uidl", "quit", "any"),
)
STEPS = frozenset({*get_args(SmtpStep), *(f"pop3.{verb}" for verb in _POP3), "tls", "call", "dns", "disk"})
"""Allowed values of `at`."""

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
    """Fault to inject. An empty condition matches everything; a rule without `times` applies until it is removed.

    Raises ValueError (or its subclass msgspec.ValidationError) for an invalid rule.
    """

    at: str
    """Step: "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final" or "quit" of SMTP; "pop3.retr"
    and so on for each command of POP3, "pop3.connect" and "pop3.any"; "tls" for a handshake, "call" for a connection that
    the server opens, "dns" for a look-up, "disk" for a write into its store."""
    id: str = ""
    """Id of the rule, assigned by `add` if empty. A rule with the same id is replaced."""

    server: str = ""
    """Pattern of the server's host name, as "mx.*"; `*` is any characters, `?` one."""
    service: str = ""
    """ "mx", "submission", "submissions", "lmtp", "pop3", "pop3s", or "smtp" for others."""
    client: str = ""
    """Pattern of the client's IP address; at "call", of the destination's."""
    sender: str = ""
    """Pattern of the reverse-path, as "*@a.test"; "<>" is the null one."""
    recipient: str = ""
    """Pattern of a recipient: the current one at "rcpt", any accepted one at "data", "content" and "final"."""
    nth: int = 0
    """Ordinal number: of the recipient in its transaction at "rcpt", else of the command in its connection; 0: all."""
    name: str = ""
    """Pattern of the name to look up at "dns", or of the store's operation at "disk": "queue.accept", "queue.settle" …"""

    times: int | None = None
    """Maximum number of faults; None: unlimited."""
    after: int = 0
    """Number of matching steps that pass before the first fault."""
    every: int = 1
    """Interval in matching steps after that: 3 is each third."""
    probability: float = 1.0
    """Probability of a fault then, decided by the seed of `Faults`."""

    reply: str = ""
    """Reply in place of the real one: "451 4.3.0 not now"; "-ERR [IN-USE] locked" for POP3. 421 ends the connection."""
    delay: str = ""
    """Delay of the step: "30s". Can be combined with every other effect."""
    drop: Literal["", "before", "after"] = ""
    """Drop the connection before the reply (the step is done, but its reply is lost), or after it."""
    silence: bool = False
    """Stop replying and processing: a half-open connection."""
    garbage: str = ""
    """Octets sent verbatim in place of the reply, without a line end."""
    octets: int = 0
    """Octets of content received before the fault at "content"; octets of the reply before `drop` at "pop3.retr", "pop3.top"."""
    speed: int = 0
    """Speed of the content in octets a second, decided at its start. Can be combined with `drop` and `reply`."""
    greylist: str = ""
    """Greylisting delay ("5m"): each client, sender and recipient is refused until it has passed since the first attempt."""
    without: tuple[str, ...] = ()
    """Extensions (EHLO) or commands (CAPA) to disable: "STARTTLS", "UIDL"."""
    sizes: float = 0.0
    """Factor for the sizes that POP3 reports; 0: real sizes."""
    tls: Literal["", "refused", "expired", "self-signed", "wrong-name"] = ""
    """Effect on the TLS handshake: it fails, or has an invalid certificate."""
    answer: Literal["", "servfail", "nxdomain", "nodata", "timeout"] = ""
    """Result of the DNS lookup."""
    error: Literal["", "failed", "full"] = ""
    """Error of the write to the store."""

    MAX_COUNT: ClassVar[int] = 1_000_000_000

    def __post_init__(self) -> None:
        if self.at not in STEPS:
            raise ValueError(f"at {self.at!r}: unknown step; use one of {', '.join(sorted(STEPS))}")
        self._check_actions()
        for field, minimum in (("times", 1), ("after", 0), ("every", 1), ("nth", 0), ("octets", 0), ("speed", 0)):
            value = getattr(self, field)
            if value is not None and not minimum <= value <= self.MAX_COUNT:
                raise ValueError(f"{field} must be an integer of at least {minimum}")
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if not 0 <= self.sizes <= 1000:
            raise ValueError("sizes must be a factor from 0 to 1000")
        for field in ("delay", "greylist"):
            if getattr(self, field):
                try:
                    read_duration(getattr(self, field))
                except ValueError as error:
                    raise ValueError(f"{field} is {error}") from None

    def _check_actions(self) -> None:
        kind = self.kind
        actions = {name for names in _ACTIONS.values() for name in names if getattr(self, name)}
        if not actions - ({"octets"} if self.at == "content" else set()):
            raise ValueError(f"the rule has no effect: give one of {', '.join(sorted(_ACTIONS[kind]))}")
        for name in sorted(actions):
            if name not in _ACTIONS[kind] or self.at not in _ONLY_AT.get(name, STEPS):
                raise ValueError(f"{name} is not possible at {self.at}")
        main = actions - {"delay", "octets", "speed"} - ({"reply", "drop"} if {"reply", "drop"} <= actions else set())
        if len(main) > 1:
            raise ValueError(f"{' and '.join(sorted(main))} can't be combined: give one of them")
        if self.reply and kind == "smtp" and _NEGATIVE.fullmatch(self.reply) is None:
            raise ValueError('reply must be a 4xx or 5xx reply such as "451 4.3.0 not now" or "550 no"')
        if self.reply and kind == "pop3" and _ERR.fullmatch(self.reply) is None:
            raise ValueError('reply must be "-ERR" with ASCII text, such as "-ERR [IN-USE] locked"')

    @property
    def kind(self) -> str:
        """Protocol or layer of the step: "smtp", "pop3", "tls", "call", "dns" or "disk"."""
        head = self.at.partition(".")[0]
        return head if head in _ACTIONS else "smtp"

    @property
    def pause(self) -> float:
        """`delay` in seconds."""
        return read_duration(self.delay) if self.delay else 0.0

    @property
    def refusal(self) -> Reply:
        """`reply` for the SMTP engine; GREYLISTED for a `greylist` rule."""
        if self.greylist:
            return GREYLISTED
        found = _NEGATIVE.fullmatch(self.reply)
        assert found is not None
        code = int(found[1])
        status = found[2] if found[2] and found[2][0] == found[1][0] else None
        return reply(code, status, found[3], closes=code == 421)

    def to_json(self) -> dict[str, Any]:
        """Fields of the rule for JSON and TOML, without defaults."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fault:
        """Rule from JSON, TOML or keyword arguments. Raises msgspec.ValidationError, a ValueError that names the field."""
        return msgspec.convert(values, cls)


def read_rules(octets: bytes) -> tuple[Fault, ...]:
    """Parses rules in TOML. Raises ValueError with the number of the wrong rule and the reason."""
    try:
        rules = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ValueError("not a text in UTF-8") from error
    tables = rules.pop("fault", [])
    if rules or not isinstance(tables, list):
        raise ValueError(f"{', '.join(rules) or 'fault'}: a file of faults has [[fault]] tables, and nothing else")
    return _rules(tables)


def read_json_rules(octets: bytes) -> tuple[Fault, ...]:
    """Parses rules in JSON. Raises ValueError with the number of the wrong rule and the reason."""
    try:
        # ValidationError is a ValueError.
        rules = msgspec.json.decode(octets, type=list[dict[str, Any]])
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _rules(rules)


def _rules(given: list[Any]) -> tuple[Fault, ...]:
    rules = []
    for number, each in enumerate(given, 1):
        try:
            rules.append(Fault.from_json(each))
        except ValueError as error:
            raise ValueError(f"fault {number}: {error}") from None
    return tuple(rules)


def read_rule_file(file: Path) -> tuple[Fault, ...]:
    """Parses the rules of a file: JSON by its suffix, else TOML. Raises ValueError with the file's name."""
    read = read_json_rules if file.suffix == ".json" else read_rules
    try:
        return read(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{file}: {reason}") from None


def full_mailbox(recipient: str, *, permanent: bool = False, **more: Any) -> Fault:
    """Mailbox full (RFC 3463: X.2.2): a temporary or permanent refusal of RCPT."""
    more.setdefault("service", "mx")
    reply = "552 5.2.2 mailbox full" if permanent else "452 4.2.2 mailbox full"
    return Fault(at="rcpt", recipient=recipient, reply=reply, **more)


def greylisting(wait: str = "5m", **more: Any) -> Fault:
    """Greylisting: refuses RCPT until `wait` has passed since the first attempt."""
    more.setdefault("service", "mx")
    return Fault(at="rcpt", greylist=wait, **more)


def too_busy(**more: Any) -> Fault:
    """Server too busy: 421 in place of the greeting (RFC 5321 §3.8)."""
    return Fault(at="connect", reply="421 4.3.2 too busy, try again later", **more)


def lost_answer(**more: Any) -> Fault:
    """Accepts the letter and drops the connection before the reply, which causes a duplicate (RFC 1047)."""
    return Fault(at="final", drop="before", **more)


def cut_in_content(octets: int = 1, **more: Any) -> Fault:
    """Drops the connection in the middle of DATA; the letter is not accepted."""
    return Fault(at="content", drop="before", octets=octets, **more)


def half_open(at: str = "connect", **more: Any) -> Fault:
    """Half-open connection: the host stops replying."""
    return Fault(at=at, silence=True, **more)


def host_down(address: str, **more: Any) -> Fault:
    """Host down: connections to this address (a pattern) are refused."""
    return Fault(at="call", client=address, drop="before", **more)


def bad_certificate(kind: Literal["expired", "self-signed", "wrong-name"] = "expired", **more: Any) -> Fault:
    """Invalid certificate in TLS handshakes."""
    return Fault(at="tls", tls=kind, **more)


def no_uidl(**more: Any) -> Fault:
    """POP3 server without UIDL, which is optional in RFC 1939."""
    return Fault(at="pop3.capa", without=("UIDL",), **more)


def maildrop_locked(**more: Any) -> Fault:
    """Maildrop locked by another session (RFC 2449 §8.1.2)."""
    return Fault(at="pop3.pass", reply="-ERR [IN-USE] the maildrop is locked", **more)


def disk_full(**more: Any) -> Fault:
    """Disk full: messages are refused with 452 4.3.1."""
    return Fault(at="disk", error="full", **more)


SUBMISSION = frozenset({"submission", "submissions"})
"""Services for submission, where addresses with "queue" in front do not fail."""

_MAGIC = re.compile(r"(mailfrom|rcptto|queue)?.*?(temperror|permerror|timeout|[45][0-9]{2})")
_AT = {"mailfrom": "mail", "rcptto": "rcpt"}


def magic(at: str, address: Address, service: str) -> Fault | None:
    """Fault that a magic address names for this step; None for other addresses and steps."""
    found = _MAGIC.fullmatch(address.local.lower())
    if found is None:
        return None
    head, tail = found[1] or "", found[2]
    if at != _AT.get(head, "final") or (head == "queue" and service in SUBMISSION):
        return None
    if tail == "timeout":
        return Fault(at=at, silence=True, id="magic")
    code = {"temperror": "451", "permerror": "550"}.get(tail, tail)
    return Fault(at=at, reply=f"{code} {code[0]}.3.0 fault requested by {address.local[:64]}", id="magic")
