"""Fault injection for a server: wraps its runtime and store before it is built."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import Peer
from mailstack.protocols.pop3.server import ServerEngine as Pop3Engine
from mailstack.sandbox.faults.connect import FaultyCaller
from mailstack.sandbox.faults.disk import FaultyStore
from mailstack.sandbox.faults.faults import Faults
from mailstack.sandbox.faults.faulty_peer import Place
from mailstack.sandbox.faults.names import FaultyNames
from mailstack.sandbox.faults.pop3 import FaultyPop3
from mailstack.sandbox.faults.smtp import FaultySmtp
from mailstack.sandbox.faults.tls import FaultyTls, Shown
from mailstack.server.runtime import Runtime
from mailstack.store import Store


def with_faults(runtime: Runtime, faults: Faults, server: str, bad_certificates: Shown | None = None) -> Runtime:
    """Runtime whose sessions, handshakes, DNS and connections fail by the rules of `faults`.

    `bad_certificates` makes the certificates that rules name; without it such a handshake fails.
    """
    clock = runtime.clock

    def hook(peer: Peer[Any], engine: Any, server: str, service: str) -> Peer[Any]:
        place = Place(faults, server, service, clock)
        return FaultyPop3(peer, engine, place) if isinstance(engine, Pop3Engine) else FaultySmtp(peer, engine, place)

    return replace(
        runtime,
        network=FaultyCaller(runtime.network, faults, server, clock),
        dns=FaultyNames(runtime.dns, faults, server, clock),
        tls=FaultyTls(runtime.tls, faults, server, bad_certificates),
        session_hook=hook,
    )


def with_disk_faults(store: Store, faults: Faults, server: str, clock: ReactorClock) -> Store:
    """Store whose writes fail by the rules of `faults`."""
    faulty: Any = FaultyStore(store, faults, server, clock)
    return faulty  # type: ignore[no-any-return]
