"""An office's surroundings with faults in them: what an office is given when somebody wants things to go wrong."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import Peer
from mailstack.protocols.pop3.server import ServerEngine as Pop3Engine
from mailstack.sandbox.faults.connect import FaultyCaller
from mailstack.sandbox.faults.disk import FaultyStore
from mailstack.sandbox.faults.faulty_peer import Place
from mailstack.sandbox.faults.names import FaultyNames
from mailstack.sandbox.faults.pop3 import FaultyPop3
from mailstack.sandbox.faults.smtp import FaultySmtp
from mailstack.sandbox.faults.tls import FaultyContext
from mailstack.server.runtime import Surroundings


def with_faults(around: Surroundings, office: str, clock: ReactorClock) -> Surroundings:
    """The same, with dialogues, handshakes, names, calls and writes in which goes wrong what `around.faults` says."""
    faults = around.faults
    assert faults is not None

    def trouble(peer: Peer[Any], engine: Any, office: str, service: str) -> Peer[Any]:
        place = Place(faults, office, service, clock)
        return FaultyPop3(peer, engine, place) if isinstance(engine, Pop3Engine) else FaultySmtp(peer, engine, place)

    def show(office: str, service: str) -> IOpenSSLServerConnectionCreator:
        return FaultyContext(around.certificate_of(service), faults, office, service, around.bad_certificates)

    store: Any = FaultyStore(around.store, faults, office, clock)
    return replace(
        around,
        store=store,
        names=FaultyNames(around.names, faults, office, clock),
        caller=FaultyCaller(around.caller, faults, office, clock),
        troubles=trouble,
        show=show,
    )
