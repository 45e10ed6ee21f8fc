"""Faulty peer: changes events and replies of a session by rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from mailstack.letter.durations import LONGEST
from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import Disconnected, Ending, Peer
from mailstack.protocols.peer_wrapper import PeerWrapper
from mailstack.sandbox.faults.faults import Faults
from mailstack.sandbox.faults.rule import Fault

BROKEN = Disconnected("a fault broke the connection")


class Place:
    """Which faults are asked, for which service of which server."""

    __slots__ = ("clock", "faults", "server", "service")

    def __init__(self, faults: Faults, server: str, service: str, clock: ReactorClock) -> None:
        self.faults = faults
        self.server = server
        self.service = service
        self.clock = clock


class FaultyPeer(PeerWrapper[Any], ABC):
    """A peer of which events are answered here, and answers changed, as rules say.

    States: greeting (nothing was said), talking, mute (everything is swallowed), broken.
    """

    def __init__(self, peer: Peer[Any], place: Place) -> None:
        super().__init__(peer)
        self._place = place
        self._client = peer.remote.host
        self._greeting: bytes | None = None
        self._greeted = False
        self._rule: Fault | None = None
        """What is to happen to the next answer."""
        self._hang_up = False
        """Close when the answer is whole."""
        self._mute = False
        self._broken = False

    # --- what the conversation calls

    def send(self, octets: bytes) -> None:
        if self._mute or self._broken:
            return
        if not self._greeted:
            # Held back until the conversation waits: a fault may take its time over it.
            self._greeting = (self._greeting or b"") + octets
            if self._is_last_word():
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
            self._peer.send(self._changed(octets, rule))

    async def next_event(self, timeout: float) -> Any | Ending:
        if not self._greeted:
            await self._greet()
        if self._hang_up and not self._broken:
            self._broken = True
            self._peer.close()
        self._rule = None
        while True:
            if self._broken:
                return BROKEN
            event = await self._peer.next_event(LONGEST if self._mute else timeout)
            if isinstance(event, Ending):
                return event
            if self._mute:
                self._swallow(event)
            elif not self._place.faults.any:
                self._note(event)
                return event
            elif (passed := await self._meet(event)) is not None:
                return passed

    def close(self) -> None:
        if not self._greeted and self._greeting:
            self._greeted = True
            self._peer.send(self._greeting)
        self._peer.close()

    # --- what SMTP and POP3 do differently

    @abstractmethod
    async def _meet(self, event: Any) -> Any:
        """The event for the conversation, perhaps changed; None when it was answered here."""

    def _note(self, event: Any) -> None:
        """Keep what later conditions ask for."""

    @abstractmethod
    def _swallow(self, event: Any) -> None:
        """Answer an event so that its engine goes on, and nobody hears it."""

    @abstractmethod
    def _refuse(self, event: Any, rule: Fault) -> Any:
        """Answer with the rule's reply; what the conversation is given instead, or None."""

    def _changed(self, octets: bytes, rule: Fault) -> bytes:  # noqa: ARG002
        """An answer as a rule wants it."""
        return octets

    def _is_last_word(self) -> bool:
        """Whether nothing follows the greeting."""
        return False

    @abstractmethod
    def _connect_rule(self) -> Fault | None:
        """What is to happen to the connection itself, if anything is."""

    # --- inside

    async def _greet(self) -> None:
        self._greeted = True
        greeting, self._greeting = self._greeting or b"", None
        rule = self._connect_rule() if self._place.faults.any else None
        if rule is None:
            self._peer.send(greeting)
            return
        if rule.delay:
            await self._place.clock.pause(rule.pause)
        if rule.silence:
            self._mute = True
        elif rule.drop == "before":
            self._break()
        elif rule.reply or rule.garbage:
            said = f"{rule.reply}\r\n" if rule.reply else rule.garbage
            self._peer.send(said.encode("latin-1", "replace"))
            self._hang_up = bool(rule.reply)
        else:
            self._peer.send(greeting)
            self._hang_up = rule.drop == "after"

    async def _happen(self, event: Any, rule: Fault) -> Any:
        """Let a rule happen to an event: what is passed on, or None."""
        if rule.delay:
            await self._place.clock.pause(rule.pause)
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
        """End the connection without a word."""
        self._broken = True
        self._peer.abort()
