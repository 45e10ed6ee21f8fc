"""Client TLS: trusted CAs, TLSA records and reasons of failed handshakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.net.certificate_checks import name_fault
from mailstack.net.certificates import CertificateFiles, TlsError, private_ca
from mailstack.net.client_tls import ClientTls
from mailstack.net.connector import TwistedConnector
from mailstack.net.peer import NetPeer
from mailstack.net.server_tls import server_context
from mailstack.protocols.connection import ConnectFailed, Dane, Tlsa
from mailstack.sandbox.simulation import SimulatedReactor
from tests.net.peers import Lines, echo, listener_for

NAME = "mx.home.test"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """With its CA in the chain, as DANE-TA needs it."""
    files = private_ca(tmp_path_factory.mktemp("tls"), NAME, time.time())
    assert files.ca is not None
    files.certificate.write_bytes(files.certificate.read_bytes() + files.ca.read_bytes())
    return files


def call(
    files: CertificateFiles, *, trust: ClientTls | None = None, name: str = NAME, **options: Any
) -> NetPeer[bytes]:
    """A call over implicit TLS to a host with these files; raises Unreachable."""
    reactor = SimulatedReactor(seed=5)
    host = reactor.host("192.0.2.1")
    listener = listener_for(host, server_context(files.certificate, files.key), echo, implicit_tls=True)
    reactor.result_of(listener.listen(["tcp:465"]))
    caller = TwistedConnector(reactor.host("203.0.113.7"), client_tls=trust or ClientTls())
    work = caller.connect(HostPort("192.0.2.1", 465), Lines(), timeout=10, tls=True, server_name=name, **options)
    peer = reactor.result_of(work)
    peer.send(b"hello\n")
    assert reactor.result_of(peer.next_event(10)) == b"hello"
    return peer


def test_any_ca_of_a_bundle_is_trusted(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-23: an operator trusts more than one CA."""
    other = private_ca(tmp_path / "other", "mx.other.test", time.time())
    bundle = tmp_path / "bundle.pem"
    for order in ((files, other), (other, files)):
        bundle.write_bytes(b"".join(each.ca.read_bytes() for each in order if each.ca))
        peer = call(files, trust=ClientTls(bundle), verify=True)
        assert peer.tls is not None
        assert peer.tls.verified


def expired(directory: Path) -> CertificateFiles:
    return private_ca(directory, NAME, (datetime.now(UTC) - timedelta(days=1000)).timestamp())


def of_the_future(directory: Path) -> CertificateFiles:
    return private_ca(directory, NAME, time.time() + 86400 * 10)


@pytest.mark.parametrize(("make", "why"), [(expired, "it has expired"), (of_the_future, "it is not valid yet")])
def test_a_certificate_that_is_out_of_date_is_said_to_be(
    tmp_path: Path, make: Callable[[Path], CertificateFiles], why: str
) -> None:
    files = make(tmp_path)
    with pytest.raises(ConnectFailed, match=f"^the TLS handshake failed: certificate verify failed: {why}"):
        call(files, trust=ClientTls(files.ca), verify=True)


def test_an_unknown_ca_and_a_wrong_name_are_said(files: CertificateFiles, tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed, match="certificate verify failed: its chain ends in a CA that is not trusted"):
        call(files, verify=True)
    with pytest.raises(
        ConnectFailed, match=r"hostname mismatch, it is for mx\.home\.test, localhost.* not for mx\.other\.test"
    ):
        call(files, trust=ClientTls(files.ca), name="mx.other.test", verify=True)


def test_a_client_shows_its_own_certificate(files: CertificateFiles, tmp_path: Path) -> None:
    ours = private_ca(tmp_path, "mx.client.test", time.time())
    ClientTls(certificate=ours.certificate, key=ours.key).check()
    with pytest.raises(TlsError, match=r"none\.pem"):
        ClientTls(certificate=tmp_path / "none.pem", key=ours.key).check()


# --- DANE


def certificates(files: CertificateFiles) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(files.certificate.read_bytes())


def whole(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


SELECTED = (whole, public_key)
DIGESTS = (bytes, lambda octets: sha256(octets).digest(), lambda octets: sha512(octets).digest())


def tlsa(certificate: x509.Certificate, usage: int, selector: int, matching: int) -> Tlsa:
    return Tlsa(usage, selector, matching, DIGESTS[matching](SELECTED[selector](certificate)))


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("usage", [2, 3])
def test_the_certificate_that_a_record_names_is_taken(
    files: CertificateFiles, usage: int, selector: int, matching: int
) -> None:
    """RLY-20: whom the system trusts does not matter then."""
    record = tlsa(certificates(files)[usage == 2], usage, selector, matching)
    peer = call(files, dane=Dane((record,), (NAME,)))
    assert peer.tls is not None
    assert peer.tls.verified


def test_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-20."""
    others = certificates(private_ca(tmp_path, NAME, time.time()))
    records = (tlsa(others[0], 3, 1, 1), Tlsa(3, 1, 1, b""), Tlsa(3, 9, 9, b"x"), Tlsa(2, 0, 0, b"no certificate"))
    with pytest.raises(ConnectFailed, match="certificate verify failed: no TLSA record matches it"):
        call(files, dane=Dane(records, (NAME,)))


def test_one_record_that_matches_is_enough(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-20: as while a key is changed."""
    others = certificates(private_ca(tmp_path, NAME, time.time()))
    records = (tlsa(others[0], 3, 1, 1), tlsa(certificates(files)[0], 3, 1, 1))
    assert call(files, dane=Dane(records, (NAME,))).tls is not None


def test_names_and_dates_count_below_an_authority_and_not_otherwise(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-20: RFC 7672 §3.1.1, §3.1.2."""
    leaf, authority = certificates(files)
    assert call(files, dane=Dane((tlsa(leaf, 3, 1, 1),), ("mx.other.test",))).tls is not None
    assert call(files, dane=Dane((tlsa(authority, 2, 0, 1),), ("mx.other.test", NAME))).tls is not None
    with pytest.raises(ConnectFailed, match="hostname mismatch"):
        call(files, dane=Dane((tlsa(authority, 2, 0, 1),), ("mx.other.test",)))
    old = expired(tmp_path)
    assert old.ca is not None
    old.certificate.write_bytes(old.certificate.read_bytes() + old.ca.read_bytes())
    leaf, authority = certificates(old)
    assert call(old, dane=Dane((tlsa(leaf, 3, 1, 1),), (NAME,))).tls is not None
    with pytest.raises(ConnectFailed, match="expired"):
        call(old, dane=Dane((tlsa(authority, 2, 1, 1),), (NAME,)))


def test_authority_that_did_not_sign_the_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-20: the other side may show any CA's certificate in its chain."""
    other = private_ca(tmp_path, NAME, time.time())
    assert other.ca is not None
    stranger = x509.load_pem_x509_certificate(other.ca.read_bytes())
    shown = tmp_path / "shown.pem"
    shown.write_bytes(files.certificate.read_bytes() + other.ca.read_bytes())
    record = Dane((tlsa(stranger, 2, 0, 1),), (NAME,))
    with pytest.raises(ConnectFailed, match="certificate verify failed"):
        call(CertificateFiles(shown, files.key), dane=record)


def test_an_authority_may_stand_in_the_record_alone(files: CertificateFiles, tmp_path: Path) -> None:
    """RLY-20: usage 2 with the whole certificate, which the server does not send."""
    leaf, authority = certificates(files)
    short = tmp_path / "short.pem"
    short.write_bytes(leaf.public_bytes(Encoding.PEM))
    assert call(CertificateFiles(short, files.key), dane=Dane((tlsa(authority, 2, 0, 0),), (NAME,))).tls is not None


@given(st.lists(st.text(st.characters(max_codepoint=127), min_size=1, max_size=90), max_size=8))
def test_names_of_certificates_are_told_in_plain_characters(names: list[str]) -> None:
    builder = x509.CertificateBuilder(
        x509.Name([]),
        x509.Name([]),
        KEY.public_key(),
        1,
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        [],
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    fault = name_fault(builder.sign(KEY, SHA256()), ("mx.elsewhere.test",))
    assert fault is not None
    assert fault.isascii() or "…" in fault
    assert fault.isprintable()
    assert len(fault) < 700


KEY = ec.generate_private_key(ec.SECP256R1())
