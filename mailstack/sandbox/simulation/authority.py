"""Certificate authority of a simulated internet, with valid and invalid certificates."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mailstack.net.certificates import CertificateFiles, key_usage
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.sandbox.faults.certificates import Kind, begin, common_name, issue, new_key, sign

__all__ = ["Authority", "Kind", "authority"]


class Authority:
    """Certificate authority. Certificates are cached by name and kind for the whole process, because key generation is slow.

    Ed25519, fixed serial numbers and fixed dates give all certificates the same length. Handshakes are therefore equally
    long, and the seed alone decides the order of events in the network.
    """

    def __init__(self, name: str = "CA of a simulated internet") -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="mailstack-simulation-"))
        atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        self._key = new_key()
        self._made: dict[tuple[str, str], CertificateFiles] = {}
        self._contexts: dict[tuple[str, str], ServerContext] = {}
        self.file = self._directory / "ca.pem"
        """PEM file of the CA certificate that clients trust: `ca_file` of a configuration."""
        self._name = common_name(name)
        builder = begin(self._name, self._name, self._key, "ca")
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        self.file.write_bytes(sign(builder, self._key).public_bytes(Encoding.PEM))

    def issue(self, name: str, kind: Kind = "good") -> CertificateFiles:
        """Issues a certificate for a DNS name, and its key, as PEM files that are removed when the process ends."""
        if (name, kind) not in self._made:
            files = issue(self._directory, name, kind, self._name, self._key)
            self._made[name, kind] = CertificateFiles(files.certificate, files.key, self.file)
        return self._made[name, kind]

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
