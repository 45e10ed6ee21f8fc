"""SCRAM-SHA-256 keys and proofs (RFC 5802 §3, RFC 7677), after SASLprep (RFC 4013)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from typing import ClassVar

from mailstack.protocols.log import Redacted

HASH = "sha256"
MIN_ITERATIONS = 4096
"""Minimum iterations (RFC 7677 §4)."""
MAX_ITERATIONS = 10_000_000
"""Maximum iterations, to limit the cost."""

_TEXT = re.compile(r"SCRAM-SHA-256\$(\d{4,8}):([A-Za-z0-9+/=]{16,200})\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})\Z")


class ScramKeys(Redacted, frozen=True):
    """Salt, iterations and both keys. Stolen keys permit no login, but guesses of the password."""

    SECRETS: ClassVar[tuple[str, ...]] = ("stored_key", "server_key")

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def derive(cls, password: str, salt: bytes, iterations: int) -> ScramKeys:
        """Derive keys from a password after SASLprep. Blocks for `iterations` hashes: not for the reactor thread."""
        return cls.from_salted_password(salted(password, salt, iterations), salt, iterations)

    @classmethod
    def from_salted_password(cls, salted_password: bytes, salt: bytes, iterations: int) -> ScramKeys:
        stored = hashlib.sha256(client_key(salted_password)).digest()
        return cls(salt, iterations, stored, hmac.digest(salted_password, b"Server Key", HASH))

    @classmethod
    def read(cls, text: str) -> ScramKeys:
        """Parse `str(keys)`. Raises ValueError."""
        match = _TEXT.match(text)
        if match is None:
            raise ValueError("not SCRAM keys")
        iterations = int(match[1])
        try:
            salt, stored, server = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
        except binascii.Error as error:
            raise ValueError("not SCRAM keys") from error
        if len(stored) != 32 or len(server) != 32 or not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise ValueError("not SCRAM keys")
        return cls(salt, iterations, stored, server)

    @staticmethod
    def iterations_of(text: str) -> int | None:
        """Iterations in `str(keys)`, without parsing the keys; None for other text."""
        count = text.removeprefix("SCRAM-SHA-256$").partition(":")[0]
        return int(count) if count.isascii() and count.isdigit() and len(count) <= 8 else None

    def __str__(self) -> str:
        """Text of RFC 5803 §2, which PostgreSQL uses too."""
        salt, stored, server = (_base64(part) for part in (self.salt, self.stored_key, self.server_key))
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"

    def proves(self, message: bytes, proof: bytes) -> bool:
        """Whether `proof` is the ClientProof over the AuthMessage (RFC 5802 §3)."""
        if len(proof) != 32:
            return False
        key = _xor(proof, hmac.digest(self.stored_key, message, HASH))
        return hmac.compare_digest(hashlib.sha256(key).digest(), self.stored_key)

    def sign(self, message: bytes) -> bytes:
        """ServerSignature over the AuthMessage (RFC 5802 §3)."""
        return hmac.digest(self.server_key, message, HASH)


def salted(password: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword of a password after SASLprep."""
    return hashlib.pbkdf2_hmac(HASH, password.encode(), salt, iterations)


def client_key(salted_password: bytes) -> bytes:
    return hmac.digest(salted_password, b"Client Key", HASH)


def client_proof(salted_password: bytes, message: bytes) -> bytes:
    """ClientProof over the AuthMessage (RFC 5802 §3)."""
    key = client_key(salted_password)
    return _xor(key, hmac.digest(hashlib.sha256(key).digest(), message, HASH))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """The prepared text. `stored` refuses characters unassigned in Unicode 3.2 (RFC 3454 §7). Raises ValueError."""
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for character in prepared:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise ValueError(f"U+{ord(character):04X} is not allowed in a name or password")
        if stored and stringprep.in_table_a1(character):
            raise ValueError(f"U+{ord(character):04X} is not supported by every client")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """RFC 3454 §6: right-to-left text has no left-to-right characters, and starts and ends with right-to-left ones."""
    if any(map(stringprep.in_table_d1, text)) and (
        any(map(stringprep.in_table_d2, text))
        or not stringprep.in_table_d1(text[0])
        or not stringprep.in_table_d1(text[-1])
    ):
        raise ValueError("right-to-left and left-to-right characters are mixed")
