"""TLS layer: freed memory, client certificates and channel bindings."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL

from mailstack.letter.envelope import ClientCertificate
from mailstack.net.certificates import CertificateFiles, TlsError, private_ca
from mailstack.net.peer import NetPeer
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.tls_layer import SERVER_END_POINT, TLS_EXPORTER, channel_binding, tls_facts
from tests.net.handshake import Connection, Odd, client_context
from tests.net.peers import Lines, Rig


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("goes", ["closes", "aborts"])
@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_both_ends_are_gone_with_the_connection(rig: Rig, *, implicit: bool, goes: str) -> None:
    """And with them what OpenSSL keeps for each, some 40 KB."""
    kept: list[weakref.ref[Any]] = []
    received: list[object] = []

    async def send(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.start_tls()
        received.append(await peer.next_event(60))
        kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
        peer.send(b"bye\n")
        await peer.next_event(60)

    rig.listen(send, implicit_tls=implicit)
    peer = rig.call_under_tls(implicit=implicit)
    peer.send(b"hello\n")
    assert rig.receive(peer) == b"bye"
    kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
    if goes == "closes":
        peer.close()
    else:
        peer.abort()
    del peer
    rig.reactor.advance(60)
    assert received == [b"hello"]
    assert [each() for each in kept] == [None, None]


def test_a_handshake_that_fails_leaves_nothing_either(rig: Rig) -> None:
    kept: list[weakref.ref[Any]] = []

    async def send(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.start_tls()
        kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
        await peer.next_event(60)

    peer = rig.connect(send)
    peer.send(b"this is no handshake\n")
    rig.reactor.advance(60)
    assert [each() for each in kept] == [None]


def client_identity(directory: Path, ca: CertificateFiles, *, usage: x509.ObjectIdentifier) -> CertificateFiles:
    """A certificate of alice@home.test, issued by the private CA of `ca`."""
    authority = x509.load_pem_x509_certificate((ca.certificate.parent / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((ca.certificate.parent / "ca-key.pem").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(
            x509.SubjectAlternativeName([x509.RFC822Name("alice@home.test"), x509.DNSName("Desk.home.test")]),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    files = CertificateFiles(directory / "alice.pem", directory / "alice-key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture
def alice(tmp_path: Path, files: CertificateFiles) -> CertificateFiles:
    return client_identity(tmp_path, files, usage=ExtendedKeyUsageOID.CLIENT_AUTH)


def asking(files: CertificateFiles) -> ServerContext:
    return ServerContext([files], client_ca=files.ca)


def shown(server: ServerContext, client: object) -> ClientCertificate | None:
    connection = Connection(client, server)
    assert connection.good
    return tls_facts(connection.server.transport).client


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_client_certificate_is_known_by_its_facts(
    files: CertificateFiles, alice: CertificateFiles, newest: int
) -> None:
    """TLS-08."""
    client = shown(asking(files), Odd(newest=newest, identity=alice))
    assert client is not None
    assert (client.subject, client.mailboxes, client.hosts) == ("CN=Alice", ("alice@home.test",), ("desk.home.test",))
    certificate = x509.load_pem_x509_certificate(alice.certificate.read_bytes())
    assert client.sha256 == certificate.fingerprint(hashes.SHA256()).hex()


def test_no_certificate_is_required(files: CertificateFiles) -> None:
    """TLS-08."""
    assert shown(asking(files), Odd()) is None


def test_a_certificate_of_another_ca_is_welcome_and_worth_nothing(tmp_path: Path, files: CertificateFiles) -> None:
    """TLS-08: other hosts show what they have, and their letters are wanted all the same."""
    stranger = private_ca(tmp_path / "stranger", "mx.other.test", time.time())
    assert shown(asking(files), Odd(identity=stranger)) is None


def test_a_certificate_for_servers_names_no_client(tmp_path: Path, files: CertificateFiles) -> None:
    """RFC 5280 §4.2.1.12: the certificate of a web server is not the login of a person."""
    server = client_identity(tmp_path, files, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert shown(asking(files), Odd(identity=server)) is None


def test_a_certificate_counts_only_where_one_is_asked_for(files: CertificateFiles, alice: CertificateFiles) -> None:
    assert shown(server_context(files.certificate, files.key), Odd(identity=alice)) is None


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_resumed_session_never_turns_a_stranger_into_a_friend(
    tmp_path: Path, files: CertificateFiles, newest: int
) -> None:
    server = asking(files)
    client = Odd(newest=newest, identity=private_ca(tmp_path / "stranger", "mx.other.test", time.time()))
    first = Connection(client, server)
    client.session = first.session
    assert shown(server, client) is None


def test_a_bundle_that_cannot_be_read_is_said(tmp_path: Path, files: CertificateFiles) -> None:
    (tmp_path / "odd.pem").write_bytes(b"odd")
    for name in ("odd.pem", "none.pem"):
        with pytest.raises(TlsError, match=name):
            ServerContext([files], client_ca=tmp_path / name)


@pytest.mark.parametrize("kind", [TLS_EXPORTER, SERVER_END_POINT])
def test_both_sides_know_the_same_channel_binding(files: CertificateFiles, kind: str) -> None:
    connection = Connection(client_context("mx.home.test"), server_context(files.certificate, files.key))
    here = channel_binding(connection.client.transport, kind)
    assert here is not None
    assert len(here) == 32
    assert channel_binding(connection.server.transport, kind) == here


def test_each_connection_has_an_exporter_of_its_own(files: CertificateFiles) -> None:
    server = server_context(files.certificate, files.key)
    found = {channel_binding(Connection(Odd(), server).server.transport, TLS_EXPORTER) for _ in range(2)}
    assert len(found) == 2


def test_tls_1_2_binds_to_the_server_only(files: CertificateFiles) -> None:
    """RFC 9266 §4.2: no exporter without an extended master secret, and TLS 1.2 may lack it."""
    connection = Connection(Odd(newest=SSL.TLS1_2_VERSION), server_context(files.certificate, files.key))
    assert channel_binding(connection.server.transport, TLS_EXPORTER) is None
    end_point = x509.load_pem_x509_certificate(files.certificate.read_bytes()).fingerprint(hashes.SHA256())
    assert channel_binding(connection.server.transport, SERVER_END_POINT) == end_point
    assert channel_binding(connection.client.transport, SERVER_END_POINT) == end_point
    assert channel_binding(connection.server.transport, "tls-unique") is None
