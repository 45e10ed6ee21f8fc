"""Server TLS: handshakes in memory, and the reload of replaced certificates in virtual time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from OpenSSL import SSL
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailstack.net.certificate_checks import CertificateWarning
from mailstack.net.certificate_reloader import CertificateReloader
from mailstack.net.certificates import CertificateFiles, TlsError, covered_names, private_ca
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.tls_layer import tls_facts
from mailstack.sandbox.simulation import SimulatedReactor
from tests.net.handshake import Connection, Odd, Side, client_context


@pytest.fixture(scope="module")
def server(files: CertificateFiles) -> ServerContext:
    return server_context(files.certificate, files.key)


def test_octets_go_both_ways_over_tls(server: ServerContext) -> None:
    connection = Connection(client_context("mx.home.test"), server)
    assert connection.good
    connection.client.transport.write(b"EHLO client.test\r\n")
    connection.server.transport.write(b"220 mx.home.test\r\n")
    connection.carry()
    assert connection.server.octets == b"EHLO client.test\r\n"
    assert connection.client.octets == b"220 mx.home.test\r\n"


def test_both_sides_report_the_negotiated_version_and_cipher(server: ServerContext) -> None:
    connection = Connection(client_context("mx.home.test"), server)
    here = tls_facts(connection.client.transport, verified=True)
    there = tls_facts(connection.server.transport)
    assert here.version == there.version == "TLSv1.3"
    assert here.cipher == there.cipher
    assert here.cipher.startswith("TLS_")
    assert (here.verified, there.verified) == (True, False)


@pytest.mark.parametrize("name", ["mx.home.test", "MX.HOME.TEST.", "localhost", "127.0.0.1", "::1"])
def test_a_verifying_client_accepts_the_right_name(files: CertificateFiles, server: ServerContext, name: str) -> None:
    assert Connection(client_context(name, verify=True, ca_file=files.ca), server).good


@pytest.mark.parametrize("name", ["mx.other.test", "home.test", "127.0.0.2", "mx.home.test"])
def test_a_verifying_client_refuses_a_wrong_name_and_an_unknown_ca(
    files: CertificateFiles, server: ServerContext, name: str
) -> None:
    ca_file = None if name == "mx.home.test" else files.ca
    connection = Connection(client_context(name, verify=True, ca_file=ca_file), server)
    assert not connection.client.shook
    assert connection.client.lost is not None


def test_an_opportunistic_client_accepts_any_name_and_ca(server: ServerContext) -> None:
    """TLS-11."""
    assert Connection(client_context("mx.other.test"), server).good
    assert Connection(client_context(None), server).good


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("mx.home.test", b"mx.home.test"),
        ("mx.home.test.", b"mx.home.test"),
        ("127.0.0.1", None),
        ("::1", None),
        (None, None),
        ("bücher.test", None),
        ("x" * 300, None),
        (".", None),
    ],
)
def test_only_a_dns_name_is_sent_as_server_name(server: ServerContext, name: str | None, sent: bytes | None) -> None:
    connection = Connection(client_context(name), server)
    assert connection.server.transport.getHandle().get_servername() == sent


def test_verification_requires_a_name() -> None:
    with pytest.raises(TlsError, match="name"):
        client_context(None, verify=True)


@pytest.mark.parametrize(
    ("newest", "good"),
    [(SSL.TLS1_VERSION, False), (SSL.TLS1_1_VERSION, False), (SSL.TLS1_2_VERSION, True), (SSL.TLS1_3_VERSION, True)],
)
def test_tls_1_2_and_1_3_only(server: ServerContext, newest: int, *, good: bool) -> None:
    """TLS-07."""
    connection = Connection(Odd(newest=newest), server)
    assert connection.good is good


@pytest.mark.parametrize("ciphers", [b"AES128-SHA", b"ECDHE-ECDSA-AES128-SHA", b"ECDHE-ECDSA-AES256-SHA384"])
def test_old_ciphers_are_refused(server: ServerContext, ciphers: bytes) -> None:
    """TLS-07."""
    client = Odd(newest=SSL.TLS1_2_VERSION, ciphers=ciphers + b":@SECLEVEL=0")
    assert not Connection(client, server).good


@pytest.mark.parametrize(
    ("alpn", "good"),
    [
        ([b"http/1.1"], False),
        ([b"h2", b"http/1.1"], False),
        ([b"pop3"], True),
        ([b"smtp"], True),
        ([b"imap", b"x"], True),
    ],
)
def test_clients_of_other_protocols_are_refused(server: ServerContext, alpn: list[bytes], *, good: bool) -> None:
    """TLS-09."""
    connection = Connection(Odd(alpn=alpn), server)
    assert connection.good is good
    if not good:
        assert connection.client.lost is not None
        assert "no application protocol" in str(connection.client.lost.value)


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_session_can_be_resumed(server: ServerContext, newest: int) -> None:
    """TLS-10."""
    client = Odd(newest=newest)
    first = Connection(client, server)
    client.session = first.session
    second = Connection(client, server)
    assert second.good
    # A handshake that resumes sends no certificates.
    assert first.sent_by_server > second.sent_by_server + 500


def test_clear_text_ends_the_connection(server: ServerContext) -> None:
    """TLS-06."""
    side = Side()
    factory = TLSMemoryBIOFactory(server, False, Factory.forProtocol(lambda: side), Clock())
    end = factory.buildProtocol(None)
    wire = StringTransport()
    end.makeConnection(wire)
    end.dataReceived(b"EHLO client.test\r\n")
    assert not side.shook
    assert b"220" not in wire.value()
    assert wire.disconnecting


def test_new_files_are_used_after_a_reload(tmp_path: Path) -> None:
    """TLS-01."""
    files = private_ca(tmp_path, "old.test", time.time())
    server = server_context(files.certificate, files.key)
    private_ca(tmp_path, "new.test", time.time())
    client = client_context("new.test", verify=True, ca_file=files.ca)
    assert not Connection(client, server).good
    server.reload()
    assert Connection(client, server).good


def test_a_reload_of_broken_files_keeps_the_old_certificates(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", time.time())
    server = server_context(files.certificate, files.key)
    files.certificate.write_bytes(b"")
    with pytest.raises(TlsError, match=r"cert\.pem"):
        server.reload()
    assert Connection(client_context("mx.home.test"), server).good


def test_the_chain_is_sent_whole(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", time.time())
    assert files.ca is not None
    files.certificate.write_bytes(files.certificate.read_bytes() + files.ca.read_bytes())
    connection = Connection(client_context("mx.home.test"), server_context(files.certificate, files.key))
    chain = connection.client.transport.getHandle().get_peer_cert_chain()
    assert chain is not None
    assert len(chain) == 2


def test_an_unreadable_ca_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"none\.pem"):
        client_context("mx.home.test", verify=True, ca_file=tmp_path / "none.pem")
    (tmp_path / "odd.pem").write_bytes(b"odd")
    with pytest.raises(TlsError, match=r"odd\.pem"):
        client_context("mx.home.test", verify=True, ca_file=tmp_path / "odd.pem")


def certificates(directory: Path, *names: str) -> list[CertificateFiles]:
    return [private_ca(directory / str(place), name, time.time()) for place, name in enumerate(names)]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (b"mx.home.test", "mx.home.test"),
        (b"MX.OTHER.TEST", "mx.other.test"),
        (b"any.wild.test", "*.wild.test"),
        (b"two.labels.wild.test", "mx.home.test"),
        (b"wild.test", "mx.home.test"),
        (b"unknown.test", "mx.home.test"),
        (b"\xff\xfe", "mx.home.test"),
        (None, "mx.home.test"),
    ],
)
@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_the_requested_name_selects_the_certificate(
    tmp_path: Path, asked: bytes | None, shown: str, newest: int
) -> None:
    """TLS-09."""
    server = ServerContext(certificates(tmp_path, "mx.home.test", "mx.other.test", "*.wild.test"))
    connection = Connection(Odd(newest=newest, server_name=asked), server)
    assert connection.good
    certificate = connection.client.transport.getHandle().get_peer_certificate(as_cryptography=True)
    assert covered_names(certificate)[0] == shown


def test_sessions_are_resumed_for_each_of_several_names(tmp_path: Path) -> None:
    """TLS-10."""
    server = ServerContext(certificates(tmp_path, "mx.home.test", "mx.other.test"))
    client = Odd(server_name=b"mx.other.test")
    first = Connection(client, server)
    client.session = first.session
    second = Connection(client, server)
    assert second.good
    assert first.sent_by_server > second.sent_by_server + 500


def test_an_unknown_cipher_is_named(files: CertificateFiles) -> None:
    with pytest.raises(TlsError, match="ENIGMA"):
        ServerContext([files], ciphers="ENIGMA")


class Rig:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = self.issue("old.test")
        self.reactor = SimulatedReactor()
        self.context = ServerContext([self.files])
        self.warnings: list[CertificateWarning] = []
        self.issued: list[float] = []
        self.renewal = CertificateReloader(
            self.reactor.host("192.0.2.1"),
            self.context,
            check=lambda: self.warnings,
            issue=lambda: self.issued.append(self.reactor.seconds()),
            watch=60,
        )

    def issue(self, name: str) -> CertificateFiles:
        return private_ca(self.directory, name, time.time())

    def shows(self, name: str) -> bool:
        return Connection(client_context(name, verify=True, ca_file=self.files.ca), self.context).good


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_requested_reload_reads_the_files_again(rig: Rig) -> None:
    """TLS-01."""
    rig.renewal.start()
    rig.reactor.advance(1)
    rig.issue("new.test")
    assert not rig.shows("new.test")
    rig.renewal.reload()
    rig.reactor.advance(1)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_replaced_files_are_loaded_after_a_scan_without_changes(rig: Rig) -> None:
    """TLS-01: an ACME client replaces files, and tells nobody."""
    rig.renewal.start()
    rig.reactor.advance(61)
    rig.issue("new.test")
    rig.reactor.advance(60)
    assert not rig.shows("new.test")
    rig.reactor.advance(60)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_a_certificate_without_its_key_is_logged_and_changes_nothing(rig: Rig, logged: list[str]) -> None:
    """CODE-27: TLS goes on with what was read before."""
    rig.renewal.start()
    rig.reactor.advance(1)
    rig.files.key.unlink()
    rig.reactor.advance(130)
    assert rig.shows("old.test")
    (line,) = [line for line in logged if line.startswith("error")]
    assert str(rig.files.key) in line
    assert "readable by this user" in line
    # Told once, and read again when it is there.
    rig.reactor.advance(600)
    assert len([line for line in logged if line.startswith("error")]) == 1
    rig.files.certificate.unlink()
    rig.issue("new.test")
    rig.reactor.advance(130)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_warnings_are_logged_at_the_start_and_every_day(rig: Rig, logged: list[str]) -> None:
    rig.warnings = [CertificateWarning("it ends soon", grave=False), CertificateWarning("it has ended", grave=True)]
    rig.renewal.start()
    rig.reactor.advance(1)
    assert [line for line in logged if "end" in line] == ["warn it ends soon", "error it has ended"]
    rig.reactor.advance(86400)
    assert len([line for line in logged if "end" in line]) == 4
    assert len(rig.issued) == 2
    rig.renewal.stop()


def test_requests_during_a_reload_cause_one_more(rig: Rig) -> None:
    for _ in range(10):
        rig.renewal.reload()
    rig.reactor.advance(1)
    assert len(rig.issued) == 2


def test_stop_without_start_does_nothing(rig: Rig) -> None:
    rig.renewal.stop()
