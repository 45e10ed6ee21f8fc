"""Fault rules: step, conditions, frequency and effect, in JSON and TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
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
IMAP_STEPS = (
    *("connect", "capability", "id", "starttls", "login", "enable", "compress", "noop", "logout", "namespace", "quota"),
    *(
        "list",
        "lsub",
        "status",
        "subscribe",
        "create",
        "delete",
        "rename",
        "select",
        "close",
        "append",
        "idle",
        "idling",
    ),
    *("search", "sort", "thread", "fetch", "store", "copy", "move", "expunge", "any"),
)
"""Steps of IMAP without "imap."; "select" is EXAMINE, too, "close" UNSELECT, "append" REPLACE, "idling" the time in IDLE."""
STEPS = frozenset(
    {
        *get_args(SmtpStep),
        *(f"pop3.{verb}" for verb in _POP3),
        *(f"imap.{step}" for step in IMAP_STEPS),
        *("tls", "call", "dns", "disk"),
    }
)
"""Allowed values of `at`."""

_ACTIONS: Mapping[str, frozenset[str]] = {
    "smtp": frozenset({"reply", "delay", "drop", "silence", "garbage", "greylist", "without", "octets", "speed"}),
    "pop3": frozenset({"reply", "delay", "drop", "silence", "garbage", "without", "octets", "sizes"}),
    "imap": frozenset(
        {"reply", "delay", "drop", "silence", "garbage", "without", "octets", "speed", "sizes", "literals"}
        | {"untagged", "exists", "expunge", "new_validity"}
    ),
    "tls": frozenset({"tls"}),
    "call": frozenset({"delay", "drop", "silence"}),
    "dns": frozenset({"delay", "answer"}),
    "disk": frozenset({"delay", "error"}),
}
AFTER_GREETING = frozenset({f"imap.{step}" for step in IMAP_STEPS if step != "connect"})
_ONLY_AT: Mapping[str, frozenset[str]] = {
    "greylist": frozenset({"rcpt"}),
    "without": frozenset({"ehlo", "pop3.capa", "imap.connect", "imap.login"}),
    "octets": frozenset({"content", "pop3.retr", "pop3.top", "imap.fetch"}),
    "speed": frozenset({"content", "imap.fetch"}),
    "sizes": frozenset({"pop3.stat", "pop3.list", "pop3.retr", "imap.fetch"}),
    "literals": frozenset({"imap.fetch"}),
    "expunge": frozenset({"imap.fetch", "imap.store", "imap.copy", "imap.move"}),
    "new_validity": frozenset({"imap.select"}),
    "untagged": AFTER_GREETING,
    "exists": AFTER_GREETING,
}
_IDLING = frozenset({"delay", "drop", "silence", "reply", "untagged", "exists"})
_COMBINED = frozenset({"delay", "octets", "speed", "untagged", "exists"})
"""Effects that can be combined with others."""
_NEGATIVE = re.compile(r"([45][0-9]{2}) (?:([45]\.[0-9]{1,3}\.[0-9]{1,3}) )?(.{1,400})", re.DOTALL)
_ERR = re.compile(r"-ERR[ -~]{0,400}")
_IMAP_REPLY = re.compile(r"(?:(?:OK|NO|BAD)|\* BYE) [ -~]{1,400}")
_UNTAGGED = re.compile(r"\* [ -~]{1,400}")


_MINIMA = {"times": 1, "after": 0, "every": 1, "nth": 0, "octets": 0, "speed": 0, "exists": 0}
"""Minimum of each integer field."""


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fault to inject. An empty condition matches everything; a rule without `times` applies until it is removed.

    Raises ValueError (or its subclass msgspec.ValidationError) for an invalid rule.
    """

    at: str
    """Step: "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final" or "quit" of SMTP; "pop3.retr"
    and so on for each command of POP3, "pop3.connect" and "pop3.any"; "imap.fetch" and so on for IMAP (IMAP_STEPS); "tls" for
    a handshake, "call" for a connection that the server opens, "dns" for a look-up, "disk" for a write into its store."""
    id: str = ""
    """Id of the rule, assigned by `add` if empty. A rule with the same id is replaced."""

    server: str = ""
    """Pattern of the server's host name, as "mx.*"; `*` is any characters, `?` one."""
    service: str = ""
    """ "mx", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps", or "smtp" for others."""
    client: str = ""
    """Pattern of the client's IP address; at "call", of the destination's."""
    sender: str = ""
    """Pattern of the reverse-path, as "*@a.test"; "<>" is the null one."""
    recipient: str = ""
    """Pattern of a recipient: the current one at "rcpt", any accepted one at "data", "content" and "final"."""
    account: str = ""
    """Pattern of the account that is logged in to IMAP; at "imap.login", of the name that the client gives."""
    folder: str = ""
    """Pattern of the folder that a command of IMAP names; of the selected one if it names none."""
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
    """Reply in place of the real one: "451 4.3.0 not now"; "-ERR [IN-USE] locked" for POP3; "NO [OVERQUOTA] full" for IMAP.

    421 and "* BYE" end the connection.
    """
    delay: str = ""
    """Delay of the step: "30s". Can be combined with every other effect."""
    drop: Literal["", "before", "after"] = ""
    """Drop the connection before the reply (the step is done, but its reply is lost), or after it."""
    silence: bool = False
    """Stop replying and processing: a half-open connection."""
    garbage: str = ""
    """Octets sent verbatim in place of the reply, without a line end."""
    octets: int = 0
    """Octets of content received before the fault at "content"; octets of the reply before `drop` at "pop3.retr", "pop3.top";
    octets of the first literal before `drop` at "imap.fetch"."""
    speed: int = 0
    """Speed of the content in octets a second, decided at its start; of the reply at "imap.fetch"."""
    greylist: str = ""
    """Greylisting delay ("5m"): each client, sender and recipient is refused until it has passed since the first attempt."""
    without: tuple[str, ...] = ()
    """Extensions (EHLO, IMAP) or commands (CAPA) to disable: "STARTTLS", "UIDL", "MOVE"; at "imap.login", from the login on."""
    sizes: float = 0.0
    """Factor for the sizes that POP3 reports, and for RFC822.SIZE; 0: real sizes."""
    literals: float = 0.0
    """Factor for the announced lengths of literals; 0: real lengths."""
    untagged: str = ""
    """Untagged response before the reply, unasked: "* OK [ALERT] disk full tomorrow"."""
    exists: int = 0
    """Number of messages that an unasked EXISTS adds, though there are none."""
    expunge: bool = False
    """Another client removes the first message of the command just before it."""
    new_validity: bool = False
    """The folder has a new UIDVALIDITY from now on, in all sessions."""
    tls: Literal["", "refused", "expired", "self-signed", "wrong-name"] = ""
    """Effect on the TLS handshake: it fails, or has an invalid certificate."""
    answer: Literal["", "servfail", "nxdomain", "nodata", "timeout"] = ""
    """Result of the DNS lookup."""
    error: Literal["", "failed", "full"] = ""
    """Error of the write to the store."""

    MAX_COUNT: ClassVar[int] = 1_000_000_000

    def __post_init__(self) -> None:
        if self.at not in STEPS:
            raise ValueError(_unknown_step(self.at))
        self._check_actions()
        for field, minimum in _MINIMA.items():
            value = getattr(self, field)
            if value is not None and not minimum <= value <= self.MAX_COUNT:
                raise ValueError(f"{field} must be an integer of at least {minimum}")
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        for field in ("sizes", "literals"):
            if not 0 <= getattr(self, field) <= 1000:
                raise ValueError(f"{field} must be a factor from 0 to 1000")
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
        if self.at == "imap.idling" and actions - _IDLING:
            raise ValueError(f"{min(actions - _IDLING)} is not possible at {self.at}")
        if kind != "imap" and (self.account or self.folder):
            raise ValueError(f"account and folder are conditions of IMAP, and not possible at {self.at}")
        main = actions - _COMBINED - ({"reply", "drop"} if {"reply", "drop"} <= actions else set())
        if len(main) > 1:
            raise ValueError(f"{' and '.join(sorted(main))} can't be combined: give one of them")
        if self.reply and kind == "smtp" and _NEGATIVE.fullmatch(self.reply) is None:
            raise ValueError('reply must be a 4xx or 5xx reply such as "451 4.3.0 not now" or "550 no"')
        if self.reply and kind == "pop3" and _ERR.fullmatch(self.reply) is None:
            raise ValueError('reply must be "-ERR" with ASCII text, such as "-ERR [IN-USE] locked"')
        if kind == "imap":
            self._check_imap()

    def _check_imap(self) -> None:
        if self.reply and _IMAP_REPLY.fullmatch(self.reply) is None:
            raise ValueError(
                'reply must be "NO", "BAD", "OK" or "* BYE" with ASCII text, such as "NO [OVERQUOTA] full"'
            )
        if self.reply and self.at in {"imap.connect", "imap.idling"} and not self.reply.startswith("* BYE "):
            raise ValueError(f'reply must be "* BYE" with a text at {self.at}')
        if self.untagged and _UNTAGGED.fullmatch(self.untagged) is None:
            raise ValueError('untagged must be one line of ASCII text, such as "* OK [ALERT] disk full tomorrow"')

    @property
    def kind(self) -> str:
        """Protocol or layer of the step: "smtp", "pop3", "imap", "tls", "call", "dns" or "disk"."""
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


def _unknown_step(at: str) -> str:
    similar = get_close_matches(at, STEPS, n=1)
    hint = f"did you mean {similar[0]!r}?" if similar else f"use one of {', '.join(sorted(STEPS))}"
    return f"at {at!r}: unknown step; {hint}"


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
