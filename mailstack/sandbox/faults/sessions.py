"""Faulty sessions of SMTP and POP3 servers, command by command."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mailstack.letter import Address
from mailstack.protocols.connection import Peer
from mailstack.protocols.pop3.commands import Pop3AuthResponse, Pop3Event, Pop3Rejected
from mailstack.protocols.pop3.server import Pop3ServerEngine
from mailstack.protocols.smtp.commands import (
    Auth,
    Bdat,
    Chunk,
    Data,
    EndOfData,
    Hello,
    Mail,
    Quit,
    Rcpt,
    ServerEvent,
    StartTls,
)
from mailstack.protocols.smtp.order import State
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.protocols.smtp.server import ServerEngine as SmtpEngine
from mailstack.sandbox.faults.faults import FaultContext
from mailstack.sandbox.faults.faulty_peer import BROKEN, FaultyPeer, InjectionPoint
from mailstack.sandbox.faults.rule import Fault, magic

_STEPS: dict[type, str] = {
    Hello: "ehlo",
    StartTls: "starttls",
    Auth: "auth",
    Mail: "mail",
    Rcpt: "rcpt",
    Data: "data",
    Bdat: "data",
    EndOfData: "final",
    Quit: "quit",
}
_DISCARDED = reply(451, "4.3.0", "discarded by a fault")


class FaultySmtp(FaultyPeer):
    """Peer of an SMTP server with faults by step."""

    def __init__(self, peer: Peer[ServerEvent], engine: SmtpEngine, point: InjectionPoint) -> None:
        super().__init__(peer, point)
        self._engine = engine
        self._sender: Any = None
        self._has_sender = False
        self._recipients: list[Address] = []
        """Accepted recipients, and the recipient with a pending reply."""
        self._is_answered = True
        self._counts: Counter[str] = Counter()
        self._size = 0
        self._is_last = True
        """Whether the next end of data completes the content; False after BDAT without LAST."""
        self._slow: Fault | None = None
        """Rule that slows down this content."""
        self._late: Fault | None = None
        """Rule for the reply to the current BDAT chunk."""

    def send(self, octets: bytes) -> None:
        if not self._is_answered:
            self._is_answered = True
            if not octets.startswith(b"2"):
                self._recipients.pop()
        super().send(octets)

    async def _inject(self, event: Any) -> Any:
        if isinstance(event, Chunk):
            return await self._content(event)
        self._note(event)
        if isinstance(event, EndOfData):
            if event.fault is not None or self._late is not None:
                return self._at_end(event)
            if not self._is_last or (found := await self._content(event)) is not event:
                return event if not self._is_last else found
        return await self._command(event)

    async def _command(self, event: Any) -> Any:
        at = _STEPS.get(type(event))
        rule = self._find(at, event) if at is not None else None
        if rule is None:
            return event
        if isinstance(event, Bdat):
            self._late = rule
            return event
        if rule.without:
            self._withhold(rule)
        return await self._apply(event, rule)

    def _find(self, at: str, event: Any) -> Fault | None:
        recipients: tuple[Any, ...] = (event.address,) if isinstance(event, Rcpt) else tuple(self._recipients)
        point = self._point
        if point.faults.magic:
            named = (self._sender,) if at == "mail" and self._sender is not None else recipients
            for address in named:
                if at in {"mail", "rcpt", "final"} and (rule := magic(at, address, point.service)) is not None:
                    return rule
        context = FaultContext(
            at, point.server, point.service, self._client, self._sender, self._has_sender, recipients, self._counts[at]
        )
        begins = not isinstance(event, Chunk) or self._size == len(event.octets)
        return point.faults.choose(context, lambda rule: self._size >= rule.octets and (begins or not rule.speed))

    def _connect_rule(self) -> Fault | None:
        self._counts["connect"] += 1
        return self._find("connect", None)

    def _note(self, event: Any) -> None:
        at = _STEPS.get(type(event), "")
        self._counts[at] += 1
        if isinstance(event, Mail):
            self._sender, self._has_sender = event.sender, True
            self._recipients, self._size, self._slow = [], 0, None
            self._counts["rcpt"] = 0
        elif isinstance(event, Rcpt):
            self._recipients.append(event.address)
            self._is_answered = False
        elif isinstance(event, Data | Bdat):
            self._is_last = isinstance(event, Data) or event.last

    async def _content(self, event: Any) -> Any:
        """Applies rules at "content" to a chunk, or to the end of data."""
        octets = len(event.octets) if isinstance(event, Chunk) else 0
        self._size += octets
        rule = self._slow or self._find("content", event)
        if rule is None:
            return event
        if rule.delay or rule.speed:
            self._slow = rule
            await self._point.clock.pause(rule.pause + (octets / rule.speed if rule.speed else 0.0))
        if rule.drop:
            self._break()
            return BROKEN
        if rule.silence:
            self._mute = True
            self._swallow(event)
            return BROKEN if isinstance(event, Chunk) else None
        if rule.reply:
            if isinstance(event, EndOfData):
                return replace(event, fault=rule.refusal)
            self._late = rule
        return event

    def _at_end(self, event: EndOfData) -> EndOfData:
        late, self._late = self._late, None
        return (
            event if event.fault is not None or late is None or not late.reply else replace(event, fault=late.refusal)
        )

    def _refuse(self, event: Any, rule: Fault) -> Any:
        answer: Reply = rule.refusal
        if isinstance(event, EndOfData):
            return replace(event, fault=answer)
        if isinstance(event, Rcpt):
            self._recipients.pop()
            self._is_answered = True
        self._peer.send(self._engine.answer(answer))
        if answer.closes or self._hang_up:
            self._hang_up = True
            self._broken = True
            self._peer.close()
            return BROKEN
        return None

    def _swallow(self, event: Any) -> None:
        if not isinstance(event, Chunk | Bdat):
            self._engine.answer(_DISCARDED)

    def _withhold(self, rule: Fault) -> None:
        limits = self._engine.capabilities
        gone = frozenset(keyword.upper() for keyword in rule.without)
        self._engine.capabilities = replace(limits, withheld=limits.withheld | gone)

    def _ends_session(self) -> bool:
        return self._engine.state is State.CLOSED


_STAT = re.compile(rb"(\+OK [0-9]+ )([0-9]+)")
_ONE = re.compile(rb"(\+OK )([0-9]+)(?= octets)")
_LIST = re.compile(rb"^((?:\+OK )?[0-9]+ )([0-9]+)(?=\r$)", re.MULTILINE)
_SIZES = {"pop3.stat": _STAT, "pop3.retr": _ONE, "pop3.list": _LIST}


class FaultyPop3(FaultyPeer):
    """Peer of a POP3 server with faults by command."""

    def __init__(self, peer: Peer[Pop3Event], engine: Pop3ServerEngine, point: InjectionPoint) -> None:
        super().__init__(peer, point)
        self._engine = engine
        self._counts: Counter[str] = Counter()
        self._remaining = 0
        """Octets of the reply until the connection is dropped."""

    async def _inject(self, event: Any) -> Any:
        if isinstance(event, Pop3AuthResponse | Pop3Rejected):
            return event
        verb = type(event).__name__.lower().removeprefix("pop3").removesuffix("list") or "list"
        if verb != "capa" and (rule := self._find("pop3.capa", lambda rule: verb.upper() in _verbs(rule))) is not None:
            self._peer.send(self._engine.err("unknown command"))
            return None
        at = f"pop3.{verb}"
        self._counts[at] += 1
        rule = self._find(at)
        if rule is None:
            return event
        self._remaining = rule.octets
        return await self._apply(event, rule)

    def _find(self, at: str, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        point = self._point
        context = FaultContext(at, point.server, point.service, self._client, count=self._counts[at])
        return point.faults.choose(context, fits)

    def _connect_rule(self) -> Fault | None:
        self._counts["pop3.connect"] += 1
        return self._find("pop3.connect")

    def _refuse(self, event: Any, rule: Fault) -> Any:  # noqa: ARG002
        self._engine.err("")
        self._peer.send(f"{rule.reply}\r\n".encode("ascii", "replace"))

    def _swallow(self, event: Any) -> None:  # noqa: ARG002
        self._engine.err("")

    def _alter(self, octets: bytes, rule: Fault) -> bytes:
        if rule.octets:
            octets = octets[: self._remaining]
            self._remaining -= len(octets)
            if not self._remaining:
                self._peer.send(octets)
                self._break()
                return b""
        elif rule.sizes:
            pattern = _SIZES[rule.at]
            return pattern.sub(lambda found: found[1] + b"%d" % int(int(found[2]) * rule.sizes), octets, count=0)
        elif rule.without:
            lines = [line for line in octets.split(b"\r\n") if line.partition(b" ")[0].decode() not in _verbs(rule)]
            return b"\r\n".join(lines)
        return octets


def _verbs(rule: Fault) -> tuple[str, ...]:
    return tuple(verb.upper() for verb in rule.without)
