"""Faults of a POP3 server, command by command (RFC 1939, RFC 2449)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from mailstack.protocols.connection import Peer
from mailstack.protocols.pop3.commands import Pop3AuthResponse, Pop3Event, Pop3Rejected
from mailstack.protocols.pop3.server import Pop3ServerEngine
from mailstack.sandbox.faults.faults import FaultContext
from mailstack.sandbox.faults.faulty_peer import FaultyPeer, InjectionPoint
from mailstack.sandbox.faults.rule import Fault

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
        self._left = 0
        """Octets of the reply until the connection is dropped."""

    async def _meet(self, event: Any) -> Any:
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
        self._left = rule.octets
        return await self._happen(event, rule)

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

    def _changed(self, octets: bytes, rule: Fault) -> bytes:
        if rule.octets:
            octets = octets[: self._left]
            self._left -= len(octets)
            if not self._left:
                self._peer.send(octets)
                self._break()
                return b""
        elif rule.sizes:
            pattern = _SIZES[rule.at]
            return pattern.sub(lambda found: found[1] + b"%d" % int(int(found[2]) * rule.sizes), octets, count=0)
        elif rule.without:
            kept = [line for line in octets.split(b"\r\n") if line.partition(b" ")[0].decode() not in _verbs(rule)]
            return b"\r\n".join(kept)
        return octets


def _verbs(rule: Fault) -> tuple[str, ...]:
    return tuple(verb.upper() for verb in rule.without)
