"""Private CA, and errors in certificate files of an operator."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mailstack.net.certificates import TlsError, private_ca, read_identity

NOW = 1_795_000_000.0
DAY = 86400.0


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(path: Path) -> list[str]:
    found = certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in found]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_made_once_and_kept(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "tls"
    files = private_ca(directory, "mx.home.test", NOW)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert sorted(before) == ["ca-key.pem", "ca.pem", "cert.pem", "key.pem"]
    assert private_ca(directory, "mx.home.test", NOW + DAY) == files
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_keys_are_readable_by_us_only(tmp_path: Path) -> None:
    files = private_ca(tmp_path / "tls", "mx.home.test", NOW)
    assert mode(tmp_path / "tls") == 0o700
    assert mode(files.key) == 0o600
    assert mode(tmp_path / "tls" / "ca-key.pem") == 0o600


def test_a_directory_that_others_could_read_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_ca(tmp_path, "mx.home.test", NOW)
    assert mode(tmp_path) == 0o700


def test_the_certificate_is_for_the_host_and_for_this_machine(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "MX.Home.Test", NOW)
    assert names(files.certificate) == ["mx.home.test", "localhost", "127.0.0.1", "::1"]


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "[::1]"])
def test_a_name_that_is_there_anyway_stands_once(tmp_path: Path, hostname: str) -> None:
    files = private_ca(tmp_path, hostname, NOW)
    assert sorted(names(files.certificate)) == ["127.0.0.1", "::1", "localhost"]


def test_an_international_name_is_written_in_ascii(tmp_path: Path) -> None:
    assert names(private_ca(tmp_path, "bücher.test", NOW).certificate)[0] == "xn--bcher-kva.test"


@pytest.mark.parametrize("hostname", ["a..b", "x" * 64 + ".test"])
def test_a_name_that_cannot_stand_in_a_certificate_is_said(tmp_path: Path, hostname: str) -> None:
    with pytest.raises(TlsError, match="hostname"):
        private_ca(tmp_path, hostname, NOW)


def test_the_lives_are_what_clients_accept(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    assert files.ca is not None
    leaf, ca = certificate(files.certificate), certificate(files.ca)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= dt.timedelta(days=825)
    assert ca.not_valid_after_utc - ca.not_valid_before_utc >= dt.timedelta(days=3650)
    leaf.verify_directly_issued_by(ca)
    assert ca.serial_number != leaf.serial_number
    key = load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"


def test_another_hostname_gets_another_certificate_from_the_same_ca(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    assert files.ca is not None
    ca, leaf = files.ca.read_bytes(), files.certificate.read_bytes()
    private_ca(tmp_path, "other.test", NOW)
    assert files.ca.read_bytes() == ca
    assert files.certificate.read_bytes() != leaf
    assert names(files.certificate)[0] == "other.test"


@pytest.mark.parametrize(("days", "renewed"), [(0, False), (780, False), (800, True), (1000, True), (-2, True)])
def test_the_certificate_is_renewed_when_little_of_it_remains(tmp_path: Path, days: int, *, renewed: bool) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    assert files.ca is not None
    ca, leaf = files.ca.read_bytes(), files.certificate.read_bytes()
    private_ca(tmp_path, "mx.home.test", NOW + days * DAY)
    assert (files.certificate.read_bytes() != leaf) is renewed
    assert files.ca.read_bytes() == ca


def test_a_ca_at_its_end_is_made_anew_and_never_outlived(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    assert files.ca is not None
    first = files.ca.read_bytes()
    private_ca(tmp_path, "mx.home.test", NOW + 3300 * DAY)
    assert files.ca.read_bytes() == first
    assert certificate(files.certificate).not_valid_after_utc <= certificate(files.ca).not_valid_after_utc
    private_ca(tmp_path, "mx.home.test", NOW + 3640 * DAY)
    assert files.ca.read_bytes() != first


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
@pytest.mark.parametrize("octets", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_file_of_ours_is_made_anew(tmp_path: Path, name: str, octets: bytes) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    (tmp_path / name).write_bytes(octets)
    private_ca(tmp_path, "mx.home.test", NOW)
    read_identity(files.certificate, files.key)


def test_a_broken_ca_is_said_and_never_replaced_silently(tmp_path: Path) -> None:
    private_ca(tmp_path, "mx.home.test", NOW)
    (tmp_path / "ca.pem").write_bytes(b"nonsense")
    with pytest.raises(TlsError, match=r"ca\.pem"):
        private_ca(tmp_path, "mx.home.test", NOW)


def test_a_place_that_is_not_a_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "tls").write_bytes(b"")
    with pytest.raises(TlsError, match="tls"):
        private_ca(tmp_path / "tls", "mx.home.test", NOW)


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    with pytest.raises(TlsError, match=r"none\.pem: No such file.*certificate chain in PEM"):
        read_identity(tmp_path / "none.pem", files.key)
    with pytest.raises(TlsError, match=r"none\.pem: No such file.*private key in PEM"):
        read_identity(files.certificate, tmp_path / "none.pem")


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    files = private_ca(tmp_path / "one", "mx.home.test", NOW)
    other = private_ca(tmp_path / "two", "mx.home.test", NOW)
    with pytest.raises(TlsError, match="does not match"):
        read_identity(files.certificate, other.key)


def test_files_with_something_else_in_them_are_refused(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    with pytest.raises(TlsError, match="no certificate in PEM"):
        read_identity(files.key, files.key)
    with pytest.raises(TlsError, match="no private key in PEM"):
        read_identity(files.certificate, files.certificate)


def test_a_key_with_a_passphrase_is_refused_with_the_cure(tmp_path: Path) -> None:
    files = private_ca(tmp_path, "mx.home.test", NOW)
    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(TlsError, match="passphrase"):
        read_identity(files.certificate, files.key)


def test_a_ca_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_ca(tmp_path, "mx.home.test", NOW)
    name = x509.Name([])
    ca = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(NOW, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(NOW + DAY, dt.UTC))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (tmp_path / "ca-key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(TlsError, match="not a key made by mailstack"):
        private_ca(tmp_path, "mx.home.test", NOW)
