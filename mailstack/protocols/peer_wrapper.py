"""Decorators of a Peer and taps of an engine, for faults and recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.connection import Dane, Ending, Engine, EventT, Peer, Signal


class PeerWrapper(Generic[EventT]):
    """A wire.Peer that is another one's; what stands in between inherits from it, and changes what it is there for."""

    def __init__(self, peer: Peer[EventT]) -> None:
        self._peer = peer

    @property
    def remote(self) -> HostPort:
        return self._peer.remote

    @property
    def local(self) -> HostPort:
        return self._peer.local

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    @property
    def tls_failure(self) -> str:
        return self._peer.tls_failure

    @property
    def tls_fault(self) -> str:
        return self._peer.tls_fault

    @property
    def can_start_tls(self) -> bool:
        return self._peer.can_start_tls

    def channel_binding(self, kind: str) -> bytes | None:
        return self._peer.channel_binding(kind)

    async def next_event(self, timeout: float) -> EventT | Ending:
        return await self._peer.next_event(timeout)

    def send(self, octets: bytes) -> None:
        self._peer.send(octets)

    async def drain(self, timeout: float) -> bool:
        return await self._peer.drain(timeout)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        return await self._peer.start_tls(server_name, verify=verify, dane=dane)

    def close(self) -> None:
        self._peer.close()

    def abort(self) -> None:
        self._peer.abort()


class TappedEngine(Generic[EventT]):
    """A wire.Engine that is another one's, and tells what it receives."""

    def __init__(self, engine: Engine[EventT], heard: Callable[[bytes], object]) -> None:
        self._engine = engine
        self._heard = heard

    def receive(self, octets: bytes) -> None:
        self._heard(octets)
        self._engine.receive(octets)

    def next_event(self) -> EventT | Signal:
        return self._engine.next_event()

    def tls_started(self) -> None:
        self._engine.tls_started()

    @property
    def buffered(self) -> int:
        return self._engine.buffered
