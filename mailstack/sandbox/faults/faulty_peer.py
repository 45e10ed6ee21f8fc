"""Faulty peer: changes events and replies of a session by rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from mailstack.letter.times import MAX_DURATION
from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import Dane, Disconnected, Ending, Peer, PeerWrapper, Woken
from mailstack.sandbox.faults.faults import Faults
from mailstack.sandbox.faults.rule import Fault
from mailstack.store import Store

BROKEN = Disconnected("connection closed by an injected fault")


class InjectionPoint:
    """Place where faults are injected: a service of a server."""

    __slots__ = ("clock", "faults", "server", "service", "store")

    def __init__(
        self, faults: Faults, server: str, service: str, clock: ReactorClock, store: Store | None = None
    ) -> None:
        self.faults = faults
        self.server = server
        self.service = service
        self.clock = clock
        self.store = store
        """Store of the server, for faults that remove messages."""


class FaultyPeer(PeerWrapper[Any], ABC):
    """Peer wrapper that drops, delays or replaces events and replies by rule.

    States: greeting (held back), open, mute (all events are discarded), broken.
    """

    def __init__(self, peer: Peer[Any], point: InjectionPoint) -> None:
        super().__init__(peer)
        self._point = point
        self._client = peer.remote.host
        self._greeting: bytes | None = None
        self._greeted = False
        self._rule: Fault | None = None
        """Rule for the next reply."""
        self._hang_up = False
        """Whether the connection is closed after the current reply."""
        self._mute = False
        self._broken = False
        self._is_replied = True
        """Whether the last event has its whole reply when the session awaits the next one."""

    # --- Peer

    def send(self, octets: bytes) -> None:
        if self._mute or self._broken:
            return
        if not self._greeted:
            # Held back until the next event is awaited: a rule may delay or replace it.
            self._greeting = (self._greeting or b"") + octets
            if self._ends_session():
                self._greeted = True
                self._peer.send(self._greeting)
            return
        rule = self._rule
        if rule is None:
            self._peer.send(octets)
        elif rule.drop == "before" and not rule.octets:
            self._break()
        elif rule.garbage:
            self._rule = None
            self._peer.send(rule.garbage.encode("latin-1", "replace"))
        else:
            self._peer.send(self._alter(octets, rule))

    async def next_event(self, timeout: float) -> Any | Ending:
        if not self._greeted:
            await self._greet()
        if self._is_replied:
            if self._hang_up and not self._broken:
                self._broken = True
                self._peer.close()
            self._rule = None
        while True:
            if self._broken:
                return BROKEN
            event = await self._peer.next_event(MAX_DURATION if self._mute else timeout)
            if isinstance(event, Ending | Woken):
                return event
            if self._mute:
                self._swallow(event)
            elif not self._point.faults.any:
                self._note(event)
                return event
            elif (passed := await self._inject(event)) is not None:
                return passed

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        if self._hang_up or self._broken:
            return True  # the connection ends before the handshake; the next event is BROKEN
        return await self._peer.start_tls(server_name, verify=verify, dane=dane)

    def close(self) -> None:
        if not self._greeted and self._greeting:
            self._greeted = True
            self._peer.send(self._greeting)
        self._peer.close()

    # --- implemented for each protocol

    @abstractmethod
    async def _inject(self, event: Any) -> Any:
        """Event for the session, possibly changed; None if a fault answered it."""

    def _note(self, event: Any) -> None:
        """Records an event for the conditions of later rules."""

    @abstractmethod
    def _swallow(self, event: Any) -> None:
        """Answers an event in the engine without sending the reply."""

    @abstractmethod
    def _refuse(self, event: Any, rule: Fault) -> Any:
        """Sends the rule's reply; returns the event for the session, or None."""

    def _alter(self, octets: bytes, rule: Fault) -> bytes:  # noqa: ARG002
        """Reply as a rule changes it."""
        return octets

    def _ends_session(self) -> bool:
        """Whether the session ends with the greeting."""
        return False

    @abstractmethod
    def _connect_rule(self) -> Fault | None:
        """Rule for the connection itself, if any."""

    # --- internal

    async def _greet(self) -> None:
        self._greeted = True
        greeting, self._greeting = self._greeting or b"", None
        rule = self._connect_rule() if self._point.faults.any else None
        if rule is None:
            self._peer.send(greeting)
            return
        if rule.delay:
            await self._point.clock.pause(rule.pause)
        if rule.silence:
            self._mute = True
        elif rule.drop == "before":
            self._break()
        elif rule.reply or rule.garbage:
            octets = f"{rule.reply}\r\n" if rule.reply else rule.garbage
            self._peer.send(octets.encode("latin-1", "replace"))
            self._hang_up = bool(rule.reply)
        else:
            self._peer.send(self._alter(greeting, rule))
            self._hang_up = rule.drop == "after"

    async def _apply(self, event: Any, rule: Fault) -> Any:
        """Applies a rule to an event; returns the event for the session, or None."""
        if rule.delay:
            await self._point.clock.pause(rule.pause)
        return self._take_effect(event, rule)

    def _take_effect(self, event: Any, rule: Fault) -> Any:
        """Effects of a rule, after its delay; returns the event for the session, or None."""
        if rule.silence:
            self._mute = True
            self._swallow(event)
            return None
        self._hang_up = rule.drop == "after"
        if rule.reply or rule.greylist:
            return self._refuse(event, rule)
        self._rule = rule
        return event

    def _break(self) -> None:
        """Aborts the connection without a reply."""
        self._broken = True
        self._peer.abort()
