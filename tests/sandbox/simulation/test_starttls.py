"""TLS on a simulated connection is OpenSSL's own."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport

from mailstack.sandbox.simulation import Path, SimulatedReactor
from tests.sandbox.simulation.protocols import Echo, Lines, Pair, Recorder, start_tls


@pytest.mark.parametrize("ragged", [False, True])
def test_starttls_shakes_hands_and_protects_what_follows(ragged):
    reactor = SimulatedReactor(path=Path(ragged=ragged, segment=100 if ragged else 1460))
    pair = Pair(reactor, client=Lines, server=Echo)
    start_tls(pair)
    pair.client.sendLine(b"a secret")
    reactor.run(lambda: pair.client.lines == [b"a secret"])
    for transport in (pair.client.transport, pair.server.transport):
        assert ISSLTransport.providedBy(transport)
        assert transport.getHandle().get_protocol_version_name() == "TLSv1.3"
    assert pair.client.transport.getPeerCertificate() is not None
    pair.client.sendLine(b"quit")
    reactor.run()
    assert pair.client.lost is ConnectionDone


def test_a_certificate_for_another_name_ends_the_connection():
    pair = Pair(client=Recorder, server=Recorder)
    start_tls(pair, name="mx.elsewhere.test")
    pair.reactor.run()
    assert pair.client.lost is not ConnectionDone
    assert issubclass(pair.server.lost, (SSL.Error, ConnectionLost))
    assert pair.server.received == b""
