"""Signs configuration profiles with the office's own key, so that a device can say who made them."""

from __future__ import annotations

import logging
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from mailstack.mailbox.index.indexer import InThread
from mailstack.net.certificate_reload import Stamps, stamps_of
from mailstack.net.certificates import CertificateFiles, TlsError, read_identity

_log = logging.getLogger(__name__)


class ProfileSigner:
    """Signatures are CMS (RFC 5652), with the certificate's chain, around the profile."""

    def __init__(self, in_thread: InThread, files: CertificateFiles) -> None:
        self._in_thread = in_thread
        self._files = files
        self._stamps: Stamps | None = None
        self._identity: tuple[list[Any], Any] | None = None

    async def sign(self, profile: bytes) -> bytes:
        """The profile signed, or as it is where the key can't be read: a device then says that it is not signed."""
        signed: bytes = await self._in_thread(lambda: self._sign(profile))
        return signed

    def _sign(self, profile: bytes) -> bytes:
        """In a thread: to read an RSA key takes a while."""
        stamps = stamps_of([self._files.certificate, self._files.key])
        if stamps != self._stamps:
            self._stamps, self._identity = stamps, self._read()
        if self._identity is None:
            return profile
        (own, *above), key = self._identity
        builder = PKCS7SignatureBuilder().set_data(profile).add_signer(own, key, hashes.SHA256())
        for certificate in above:
            builder = builder.add_certificate(certificate)
        return builder.sign(Encoding.DER, [PKCS7Options.Binary])

    def _read(self) -> tuple[list[Any], Any] | None:
        try:
            chain, key = read_identity(self._files.certificate, self._files.key)
        except TlsError as error:
            _log.warning("profiles are not signed: %s", error)
            return None
        # The kinds of keys that CMS is signed with here.
        return (chain, key) if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
