"""The certification authority of a simulated internet: certificates that are good, and such as are not."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailstack.net.certificates import CertificateFiles
from mailstack.net.server_tls import ServerContext, server_context

Kind = Literal["good", "expired", "self-signed", "wrong-name"]
"""Of certificates: "good" is for the name that was asked for and from this authority; the others have one fault each."""

_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
_OVER = datetime(2001, 1, 1, tzinfo=UTC)
_END = datetime(2100, 1, 1, tzinfo=UTC)
"""Virtual time and the real one, which OpenSSL compares with, lie both between the last two."""

OTHER_NAME = "somebody-else.test"
"""For which a "wrong-name" certificate is."""


class Authority:
    """Issues certificates; one for each name and kind in a process, for making them costs time.

    Ed25519 and fixed numbers and dates make all of them equally long whenever they are made, and with them every
    handshake: so that the seed alone decides what is under way in the network, and when.
    """

    def __init__(self, name: str = "CA of a simulated internet") -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="mailstack-simulation-"))
        atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        self._key = Ed25519PrivateKey.generate()
        self._made: dict[tuple[str, str], CertificateFiles] = {}
        self._contexts: dict[tuple[str, str], ServerContext] = {}
        self.file = self._directory / "ca.pem"
        """Its own certificate (PEM), to be trusted by clients: `ca_file` of a configuration."""
        own = _name(name)
        builder = _builder(own, own, self._key, "ca", _END)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.sign(self._key, None)
        self._subject = certificate.subject
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, kind: Kind = "good") -> CertificateFiles:
        """A certificate for a DNS name, and its key, as PEM files that live as long as the process."""
        if (name, kind) not in self._made:
            self._made[name, kind] = self._make(name, kind)
        return self._made[name, kind]

    def context(self, name: str, kind: Kind = "good") -> ServerContext:
        """What a server shows with it: for offices, and for any server on Twisted."""
        if (name, kind) not in self._contexts:
            files = self.issue(name, kind)
            self._contexts[name, kind] = server_context(files.certificate, files.key)
        return self._contexts[name, kind]

    def _make(self, name: str, kind: Kind) -> CertificateFiles:
        key = Ed25519PrivateKey.generate()
        shown = OTHER_NAME if kind == "wrong-name" else name
        own = kind == "self-signed"
        issuer = _name(shown) if own else self._subject
        builder = _builder(_name(shown), issuer, key, f"{name}/{kind}", _OVER if kind == "expired" else _END)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(shown)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = builder.sign(key if own else self._key, None)
        stem = hashlib.sha256(f"{name}/{kind}".encode()).hexdigest()[:16]
        files = CertificateFiles(self._directory / f"{stem}.pem", self._directory / f"{stem}-key.pem", self.file)
        files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        files.key.touch(0o600)
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


@cache
def authority() -> Authority:
    """The one of this process."""
    return Authority()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey, number: str, end: datetime
) -> x509.CertificateBuilder:
    # A serial number of the same length for every certificate.
    serial = int.from_bytes(b"\x40" + hashlib.sha256(number.encode()).digest()[:15])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_BEGIN)
        .not_valid_after(end)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
