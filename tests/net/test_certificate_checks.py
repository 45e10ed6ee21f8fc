"""Warnings about certificates."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from mailstack.net.certificate_checks import DAY, WarningThresholds, certificate_warnings, covers
from mailstack.net.certificates import CertificateFiles, TlsError, private_ca

NOW = time.time()
PATIENCE = WarningThresholds()


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return private_ca(tmp_path, "mx.home.test", NOW)


@pytest.mark.parametrize(
    ("days", "text", "grave"),
    [
        (0, None, False),
        (785, None, False),
        (800, "renew it soon", False),
        (815, "renew it now", True),
        (900, "expired on", True),
        (-1, "not valid before", True),
    ],
)
def test_dates_are_told_in_time(files: CertificateFiles, days: int, text: str | None, *, grave: bool) -> None:
    found = certificate_warnings([files], "mx.home.test", NOW + days * DAY, PATIENCE)
    if text is None:
        assert found == []
    else:
        (concern,) = found
        assert text in concern.text
        assert str(files.certificate) in concern.text
        assert concern.grave is grave


def test_how_early_is_a_setting(files: CertificateFiles) -> None:
    assert (
        certificate_warnings([files], "mx.home.test", NOW, WarningThresholds(warn=900 * DAY, urgent=DAY))[0].grave
        is False
    )
    assert (
        certificate_warnings([files], "mx.home.test", NOW, WarningThresholds(warn=900 * DAY, urgent=900 * DAY))[0].grave
        is True
    )


def test_a_name_that_is_not_covered(files: CertificateFiles) -> None:
    (concern,) = certificate_warnings([files], "mx.other.test", NOW, PATIENCE)
    assert "not for mx.other.test" in concern.text


@pytest.mark.parametrize(
    ("names", "hostname", "covered"),
    [
        (["mx.home.test"], "MX.home.test.", True),
        (["*.home.test"], "mx.home.test", True),
        (["*.home.test"], "home.test", False),
        (["*.home.test"], "a.mx.home.test", False),
        ([], "mx.home.test", False),
    ],
)
def test_a_wildcard_covers_one_label(names: list[str], hostname: str, *, covered: bool) -> None:
    """RFC 9525 §6.3."""
    assert covers(names, hostname) is covered


def test_a_chain_out_of_order(files: CertificateFiles, tmp_path: Path) -> None:
    stranger = private_ca(tmp_path / "other", "mx.home.test", NOW)
    assert files.ca is not None
    own = files.certificate.read_bytes()
    files.certificate.write_bytes(own + files.ca.read_bytes())
    assert certificate_warnings([files], "mx.home.test", NOW, PATIENCE) == []
    files.certificate.write_bytes(own + stranger.certificate.read_bytes())
    (concern,) = certificate_warnings([files], "mx.home.test", NOW, PATIENCE)
    assert "did not issue it" in concern.text


def test_a_chain_without_the_certificate_above(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ours = private_ca(tmp_path, "mx.home.test", NOW)
    leaf = x509.load_pem_x509_certificate(ours.certificate.read_bytes())
    above = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.test/r3.der")
    )
    alone = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "R3")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx.home.test")]), critical=False)
        .add_extension(x509.AuthorityInformationAccess([above]), critical=False)
        .sign(key, hashes.SHA256())
    )
    ours.certificate.write_bytes(alone.public_bytes(serialization.Encoding.PEM))
    ours.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (concern,) = certificate_warnings([ours], "mx.home.test", NOW, PATIENCE)
    assert "CN=R3 is missing" in concern.text


def test_files_that_do_not_work_are_no_concern_but_an_error(files: CertificateFiles) -> None:
    files.key.unlink()
    with pytest.raises(TlsError, match=r"key\.pem"):
        certificate_warnings([files], "mx.home.test", NOW, PATIENCE)
