"""Keys of signatures in DNS (RFC 6376 §3.6) and files, within a query budget."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from cryptography import exceptions
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from msgspec import Struct

from mailstack.policy.authentication.signature import (
    InvalidSignature,
    MalformedTags,
    Signature,
    items,
    read_tags,
    remove_blanks,
)
from mailstack.policy.dns_checks import Lookups

MIN_BITS, MAX_BITS = 1024, 8192
"""RFC 8301 §3.2: shorter RSA keys are never valid; longer ones cost the verifier too much."""
MAX_EXPONENT_BITS = 32
"""Maximum bits of a public exponent: nearly all are 65537, and one of the key's length costs a hundredfold."""
_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""DER prefix of an Ed25519 key (RFC 8410 §4), which records leave out (RFC 8463 §4)."""


class InvalidKey(Exception):
    """A private key that can't be used; str() is the reason."""


class DkimKeyRecord(Struct, frozen=True):
    """Key record in the DNS (RFC 6376 §3.6.1)."""

    kind: str
    """"rsa" or "ed25519"."""
    octets: bytes
    is_test: bool = False
    """t=y: the domain tests DKIM."""
    is_strict: bool = False
    """t=s: i= must be d= itself."""


def read_record(text: str) -> DkimKeyRecord:
    """Parses a key record (RFC 6376 §3.6.1). Raises InvalidSignature."""
    try:
        tags = read_tags(text)
    except MalformedTags:
        raise InvalidSignature("permerror", "the key record is malformed") from None
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v") or "p" not in tags:
        raise InvalidSignature("permerror", "the record is not a DKIM key record")
    if "sha256" not in items(tags.get("h", "sha256")):
        raise InvalidSignature("permerror", "the key is not for sha256")
    if not {"*", "email"} & set(items(tags.get("s", "*"))):
        raise InvalidSignature("permerror", "the key is not for mail")
    kind = tags.get("k", "rsa").lower()
    if kind not in ("rsa", "ed25519"):
        raise InvalidSignature("permerror", "the key is of an unknown kind")
    encoded = remove_blanks(tags["p"])
    if not encoded:
        raise InvalidSignature("permerror", "the key is revoked")
    try:
        octets = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignature("permerror", "the key is not base64") from None
    flags = items(tags.get("t", ""))
    return DkimKeyRecord(kind, octets, "y" in flags, "s" in flags)


def check_use(signature: Signature, record: DkimKeyRecord) -> None:
    """Check that a key may verify this signature (RFC 6376 §3.6.1). Raises InvalidSignature."""
    if record.kind != signature.algorithm.partition("-")[0]:
        raise InvalidSignature("permerror", "the key is of another kind")
    if record.is_strict and signature.identity not in ("", signature.domain):
        raise InvalidSignature("permerror", "the key is not for subdomains")


def is_signed(record: DkimKeyRecord, signature: Signature, signed: bytes) -> bool:
    """Whether the signature of these octets is valid. Raises InvalidSignature for an unusable key."""
    der = _PREFIX + record.octets if record.kind == "ed25519" and len(record.octets) == 32 else record.octets
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidSignature("permerror", "the key can't be read") from None
    try:
        if isinstance(key, rsa.RSAPublicKey) and record.kind == "rsa":
            if not MIN_BITS <= key.key_size <= MAX_BITS:
                raise InvalidSignature("policy", f"a key of {key.key_size} bits")
            if key.public_numbers().e.bit_length() > MAX_EXPONENT_BITS:
                raise InvalidSignature("policy", "a key with an exponent that is too large")
            key.verify(signature.value, signed, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey) and record.kind == "ed25519":
            key.verify(signature.value, _sha256(signed))
        else:
            raise InvalidSignature("permerror", "the key is of another kind")
    except exceptions.InvalidSignature:
        return False
    return True


def _sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


class PrivateKey(Struct, frozen=True):
    """Private key for signatures."""

    algorithm: str
    """Algorithm, as in a=."""
    _key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    def sign(self, signed: bytes) -> bytes:
        """Signature of these octets (RFC 6376 §3.3.2, RFC 8463 §3)."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(_sha256(signed))

    def record(self) -> str:
        """TXT record with its public key."""
        kind = self.algorithm.partition("-")[0]
        if kind == "rsa":
            encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        else:
            encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        octets = self._key.public_key().public_bytes(encoding, form)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"

    def pem(self) -> bytes:
        """PEM text of the key file."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def generate(kind: str, bits: int = 2048) -> PrivateKey:
    """A new key, "rsa" or "ed25519"; `bits` are for RSA."""
    if kind == "rsa":
        return PrivateKey("rsa-sha256", rsa.generate_private_key(public_exponent=65537, key_size=bits))
    return PrivateKey("ed25519-sha256", ed25519.Ed25519PrivateKey.generate())


def load_private(path: Path) -> PrivateKey:
    """The key in a PEM file. Raises InvalidKey."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InvalidKey(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKey(f"{path} has no private key in PEM without a password") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_BITS:
            raise InvalidKey(f"{path} has {key.key_size} bits; verifiers accept {MIN_BITS} or more")
        return PrivateKey("rsa-sha256", key)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return PrivateKey("ed25519-sha256", key)
    raise InvalidKey(f"{path} has neither an RSA nor an Ed25519 key")


T = TypeVar("T")


class Budget:
    """Lookups with a limit of queries and time; beyond it every answer is None.

    Only the time of its own queries counts, so that a domain can exhaust only the budget of its own check.
    """

    def __init__(self, lookups: Lookups, now: Callable[[], float], seconds: float, max_queries: int) -> None:
        """A query that starts in time may last longer than `seconds`."""
        self._lookups = lookups
        self._now = now
        self._seconds = seconds
        self._queries = max_queries

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        return await self._within_budget(self._lookups.addresses, host)

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        return await self._within_budget(self._lookups.exchanges, domain)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        return await self._within_budget(self._lookups.texts, name)

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        return await self._within_budget(self._lookups.pointers, address)

    async def _within_budget(self, ask: Callable[[str], Awaitable[T | None]], name: str) -> T | None:
        if not self._queries or self._seconds <= 0:
            return None
        self._queries -= 1
        began = self._now()
        try:
            return await ask(name)
        finally:
            self._seconds -= self._now() - began
