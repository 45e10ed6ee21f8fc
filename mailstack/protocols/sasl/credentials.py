"""Credentials of a client: one value for each kind of proof."""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import ClassVar

from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.log import Redacted
from mailstack.protocols.sasl.scram_keys import ScramKeys


class Proof(Redacted, frozen=True, kw_only=True):
    """Claimed identity, common to all kinds. Hostile text."""

    username: str
    """Authentication identity, as sent."""
    mechanism: str
    """Name of a SASL mechanism, or USER or APOP for POP3's own commands."""
    authzid: str = ""
    """Authorization identity; "" is that of `username` (RFC 4422 §3.4.1)."""

    def acts_for(self, account: str) -> bool:
        """Whether the authorization identity is `account` itself: no account may act for another (RFC 4616 §2)."""
        return self.authzid.casefold() in {"", self.username.casefold(), account.casefold()}


class Credentials(Proof, frozen=True, kw_only=True):
    """Password of PLAIN, LOGIN or USER."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    password: str


class ScramProof(Proof, frozen=True, kw_only=True):
    """ClientProof of SCRAM (RFC 5802 §3)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("message", "proof")

    message: bytes
    """AuthMessage."""
    proof: bytes

    def fits(self, keys: ScramKeys) -> bool:
        return keys.proves(self.message, self.proof)


class DigestProof(Proof, frozen=True, kw_only=True):
    """MD5 digest of challenge and password: CRAM-MD5 (RFC 2195 §2), APOP (RFC 1939 §7)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("digest",)

    challenge: bytes
    digest: str
    """Digest in lower-case hexadecimal."""

    def fits(self, password: str) -> bool:
        """Whether the digest is that of `password`, which must be known in plain text."""
        octets = password.encode()
        if self.mechanism == "APOP":
            expected = md5(self.challenge + octets, usedforsecurity=False).hexdigest()
        else:
            expected = hmac.new(octets, self.challenge, "md5").hexdigest()
        return hmac.compare_digest(expected.encode(), self.digest.encode(errors="replace"))


class Token(Proof, frozen=True, kw_only=True):
    """Bearer token (RFC 6750); `username` is as sent, or ""."""

    SECRETS: ClassVar[tuple[str, ...]] = ("token",)

    token: str


class CertificateProof(Proof, frozen=True, kw_only=True):
    """TLS client certificate, which names the account; `username` is ""."""

    certificate: ClientCertificate
