"""Twisted protocols that record their events, and a certificate for them."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, ContextFactory, optionsForClientTLS
from twisted.protocols.basic import LineReceiver

from mailstack.sandbox.simulation import SimulatedReactor

SERVER = "192.0.2.1"


class Recorder(Protocol):
    """Keeps everything: `received`, its `pieces`, and the `lost` reason."""

    def __init__(self):
        self.pieces = []
        self.lost = None
        self.made = False

    @property
    def received(self):
        return b"".join(self.pieces)

    def connectionMade(self):
        self.made = True

    def dataReceived(self, data):
        self.pieces.append(data)

    def connectionLost(self, reason):
        self.lost = reason.type


class Echo(LineReceiver):
    """Says every line again, and goes at "quit"."""

    def lineReceived(self, line):
        self.sendLine(line)
        if line == b"quit":
            self.transport.loseConnection()


class Lines(LineReceiver):
    """Keeps lines."""

    def __init__(self):
        self.lines = []
        self.lost = None

    def lineReceived(self, line):
        self.lines.append(line)

    def connectionLost(self, reason):
        self.lost = reason.type


class Keeper(Factory):
    """A factory that keeps what it built."""

    noisy = False

    def __init__(self, protocol=Recorder):
        self.protocol = protocol
        self.built = []

    def buildProtocol(self, addr):
        built = super().buildProtocol(addr)
        self.built.append(built)
        return built


class ServerContext(ContextFactory):
    """TLS with a certificate, for `startTLS`."""

    def __init__(self, certificate, key):
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate(certificate)
        self._context.use_privatekey(key)

    def getContext(self):
        return self._context


class Pair:
    """A client and a server, connected; `reactor` has nothing else to do."""

    def __init__(self, reactor=None, client=Recorder, server=Recorder):
        self.reactor = reactor or SimulatedReactor()
        built = Keeper(server)
        self.port = self.reactor.listenTCP(25, built, interface=SERVER)
        self.client = self.reactor.result_of(TCP4ClientEndpoint(self.reactor, SERVER, 25).connect(Keeper(client)))
        self.server = built.built[0]


@lru_cache
def identity(name="mx.home.test"):
    """A server's context with a certificate for a name, signed by itself; and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return ServerContext(certificate, key), Certificate.loadPEM(pem)


def start_tls(pair, name="mx.home.test"):
    context, certificate = identity()
    pair.server.transport.startTLS(context)
    pair.client.transport.startTLS(optionsForClientTLS(name, trustRoot=certificate))
