"""Simulated world: reactor, DNS zone, HTTPS hosts, certificate authority, faults and transcript."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import defer
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSServerError
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Site as WebSite

from mailstack.letter import seeded_ids
from mailstack.letter.envelope import HostPort
from mailstack.net.certificates import CertificateFiles, key_usage
from mailstack.net.client_tls import ClientTls
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.zone import TlsaRecord, Zone
from mailstack.protocols.connection import Connector, Engine, Peer, Tlsa
from mailstack.sandbox.faults import Faults
from mailstack.sandbox.faults.certificates import Kind, certificate_builder, common_name, issue, new_key, sign
from mailstack.sandbox.recording import record_server_session
from mailstack.sandbox.simulation.clock import seconds_of
from mailstack.sandbox.simulation.host import MAX_RUN, Host
from mailstack.sandbox.simulation.loop import NotReached
from mailstack.sandbox.simulation.network import Path
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.simulation.transcript import RecordingConnector, Transcript

TTL = 60
"""Default TTL of records, in seconds."""


# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class Domains(Zone):
    """DNS zone that all hosts query. Unknown names do not exist (NXDOMAIN)."""

    def __init__(self, reactor: IReactorTime) -> None:
        super().__init__({})
        self._reactor = reactor
        self._delays: dict[str, float] = {}

    def mx(self, name: str, host: str, preference: int = 10, *, ttl: int = TTL) -> None:
        """Adds an MX record; the host "." is the null MX (RFC 7505)."""
        self.add(name, dns.Record_MX(preference, host.rstrip("."), ttl))

    def a(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """Adds A records of a host."""
        self.add(name, *(dns.Record_A(address, ttl) for address in addresses))

    def aaaa(self, name: str, *addresses: str, ttl: int = TTL) -> None:
        """Adds AAAA records of a host."""
        self.add(name, *(dns.Record_AAAA(address, ttl) for address in addresses))

    def cname(self, name: str, target: str, *, ttl: int = TTL) -> None:
        """Adds a CNAME record."""
        self.add(name, dns.Record_CNAME(target, ttl))

    def txt(self, name: str, text: str, *, ttl: int = TTL) -> None:
        """Adds a TXT record, in strings of 255 octets (RFC 7208 §3.3)."""
        octets = text.encode()
        pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)]
        self.add(name, dns.Record_TXT(*(pieces or [b""]), ttl=ttl))

    def ptr(self, name: str, host: str, *, ttl: int = TTL) -> None:
        """Adds a PTR record for a reverse name such as "1.2.0.192.in-addr.arpa"."""
        self.add(name, dns.Record_PTR(host, ttl))

    def tlsa(self, name: str, record: Tlsa, *, ttl: int = TTL) -> None:
        """Adds a TLSA record of a service such as "_25._tcp.mx.a.test" (RFC 6698 §3); it counts for `sign`ed names only."""
        self.add(name, TlsaRecord(record, ttl))

    def nxdomain(self, name: str) -> None:
        """Answers NXDOMAIN for a name until `mend`, in spite of its records."""
        self.fail(name, DNSNameError)

    def servfail(self, name: str) -> None:
        """Answers SERVFAIL for a name until `mend`."""
        self.fail(name, DNSServerError)

    def delay(self, name: str, span: float | str) -> None:
        """Delays answers for a name (seconds, or "30s"); 0 removes the delay."""
        self._delays[name.lower().rstrip(".")] = seconds_of(span)

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> defer.Deferred[Any]:
        seconds = self._delays.get(name.decode("ascii", "replace").lower().rstrip("."), 0.0) if self._delays else 0.0
        if not seconds:
            return super()._lookup(name, cls, kind, timeout)
        waiting: defer.Deferred[Any] = defer.Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, waiting.callback, None)
        answer = super()._lookup
        return waiting.addCallback(lambda _: answer(name, cls, kind, timeout))


class Authority:
    """Certificate authority. Certificates are cached by name and kind for the whole process, because key generation is slow.

    Ed25519, fixed serial numbers and fixed dates give all certificates the same length. Handshakes are therefore equally
    long, and the seed alone decides the order of events in the network.
    """

    def __init__(self, name: str = "CA of a simulated internet") -> None:
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="mailstack-simulation-"))
        atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        self._key = new_key()
        self._issued: dict[tuple[str, str], CertificateFiles] = {}
        self._contexts: dict[tuple[str, str], ServerContext] = {}
        self.file = self._directory / "ca.pem"
        """PEM file of the CA certificate that clients trust: `ca_file` of a configuration."""
        self._name = common_name(name)
        builder = certificate_builder(self._name, self._name, self._key, "ca")
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self.file.write_bytes(sign(builder, self._key).public_bytes(Encoding.PEM))

    def issue(self, name: str, kind: Kind = "good") -> CertificateFiles:
        """Issues a certificate for a DNS name, and its key, as PEM files that are removed when the process ends."""
        if (name, kind) not in self._issued:
            files = issue(self._directory, name, kind, self._name, self._key)
            self._issued[name, kind] = CertificateFiles(files.certificate, files.key, self.file)
        return self._issued[name, kind]

    def context(self, name: str, kind: Kind = "good") -> ServerContext:
        """TLS context with a certificate for a DNS name, for any server on Twisted."""
        if (name, kind) not in self._contexts:
            files = self.issue(name, kind)
            self._contexts[name, kind] = server_context(files.certificate, files.key)
        return self._contexts[name, kind]


@cache
def authority() -> Authority:
    """CA of this process."""
    return Authority()


T = TypeVar("T")


class World:
    """Time, network and records of one simulated internet."""

    def __init__(self, seed: int, path: Path | None, transcript: int) -> None:
        """`path` is the default path between hosts. `transcript` is the maximum number of recorded lines."""
        self.seed = seed
        self.reactor = SimulatedReactor(seed, path=path)
        self.zone = Domains(self.reactor)
        self.ca: Authority = authority()
        self.transcript = Transcript(lambda: self.now, transcript)
        self.faults = Faults(self.reactor.seconds, seed)
        self.start = self.reactor.seconds()
        """Virtual time of the start, in seconds since 1970."""
        self.has_news = True
        """Whether a letter had a step since the queues were last found empty."""
        self._trusting = ClientTls(self.ca.file)
        self._ids = self.reactor.random.getrandbits
        self._servers: dict[str, Host] = {}
        """Mail servers by host name; a host may get more addresses later."""
        self._users: dict[str, Host] = {}
        """Hosts of users by email address."""
        self._letters = 0

    def add_server(self, host: Host, hostname: str) -> None:
        """Register a mail server, which records its own sessions."""
        self._servers[hostname] = host

    def add_user(self, host: Host, address: str) -> None:
        """Register the host of a user with this email address."""
        self._users[address] = host

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.reactor.seconds() - self.start

    @property
    def date(self) -> datetime:
        """Virtual date, in UTC."""
        return datetime.fromtimestamp(self.reactor.seconds(), UTC)

    @contextmanager
    def run_scope(self) -> Iterator[None]:
        """Draw letter ids from the seed, and add the end of the transcript to NotReached."""
        try:
            with seeded_ids(self._ids):
                yield
        except NotReached as never:
            never.args = (f"{never}\nThe transcript ends with:\n{self.transcript.tail()}",)
            raise

    def result_of(self, work: Deferred[T] | Coroutine[Any, Any, T], *, at_most: float = MAX_RUN) -> T:
        """Run until a Deferred or coroutine has a result; return it, or raise its exception."""
        with self.run_scope():
            return self.reactor.result_of(work, at_most=at_most)

    def after(self, span: float | str, do: Callable[..., object], *args: object) -> IDelayedCall:
        """Call a function after a virtual time span; run the coroutine that it returns, if any."""
        return self.reactor.callLater(seconds_of(span), _do, do, args)

    def record(self, peer: Peer[Any], engine: Engine[Any], server: str, service: str) -> Peer[Any]:
        """Record a session of a server in the transcript."""
        if not self.transcript.is_enabled:
            return peer
        client, is_imap = self._name_of(peer.remote.host), service.startswith("imap")
        dialogue = self.transcript.add_session(client, f"{server} ({service})", is_imap=is_imap)
        return record_server_session(peer, engine, dialogue)

    def caller_of(self, host: Host, name: str, client_tls: ClientTls | None = None) -> Connector:
        """Connector of a host; it records failed connections, and sessions with hosts that are no mail server."""
        return RecordingConnector(
            host, client_tls or self._trusting, name, self.transcript, self._is_server, self._name_of
        )

    def count_letter(self) -> int:
        """Number of the next letter that a user writes."""
        self._letters += 1
        return self._letters

    def _is_server(self, where: HostPort) -> bool:
        return any(where.host in host.addresses for host in self._servers.values())

    def _name_of(self, address: str) -> str:
        hosts = (*self._servers.items(), *self._users.items())
        return next((name for name, host in hosts if address in host.addresses), address)


def _do(do: Callable[..., object], args: tuple[object, ...]) -> object:
    made = do(*args)
    return ensureDeferred(made) if isinstance(made, Coroutine) else made


MAX_REQUESTS = 1000


class Page:
    """HTTPS server with one page for every path; its fields may be changed at any time."""

    def __init__(
        self, octets: bytes, *, kind: str = "text/plain", code: int = 200, certificate: Kind = "good", name: str = ""
    ) -> None:
        """`kind` is the media type, `code` the status. `name` is the DNS name of the certificate; "": that of the host."""
        self.octets = octets
        self.kind = kind
        self.code = code
        self.certificate: Kind = certificate
        self.name = name
        self.requests: list[bytes] = []
        """Requested paths, at most MAX_REQUESTS."""

    def listen(self, host: Host, name: str) -> None:
        """Serves the page on a host under a name."""
        site = WebSite(_Page(self), reactor=host)
        context = authority().context(self.name or name, self.certificate)
        factory: Any = TLSMemoryBIOFactory(context.for_web(), False, site, clock=host)
        self._port = host.listenTCP(443, factory)

    def close(self) -> None:
        """Stops the server."""
        self._port.stopListening()


class _Page(Resource):
    isLeaf = True  # noqa: N815 (Twisted's name)

    def __init__(self, page: Page) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page = page

    def render_GET(self, request: Any) -> bytes:  # noqa: N802 (Twisted's name)
        page = self._page
        page.requests = [*page.requests[1 - MAX_REQUESTS :], request.uri]
        request.setResponseCode(page.code)
        request.setHeader(b"content-type", page.kind.encode())
        request.setHeader(b"location", b"/elsewhere")
        return page.octets
