"""Content digests for the detection of damage on reading (decision 33)."""

from __future__ import annotations

from hashlib import blake2b

from mailstack.store import Damaged


def new_digest() -> blake2b:
    """BLAKE2b with 128 bits: fast on every processor, and wrong by chance never."""
    return blake2b(digest_size=16)


def digest_of(octets: bytes) -> str:
    """32 hexadecimal digits, as the table contents keeps them."""
    return blake2b(octets, digest_size=16).hexdigest()


def is_intact(octets: bytes, digest: object) -> bool:
    """Whether octets have this digest; also where there is none, for older programs wrote none."""
    return digest is None or digest_of(octets) == digest


class Verification:
    """Counts and digests a large content as it is read, in any one thread at a time."""

    __slots__ = ("_digest", "_expected", "_what", "left")

    def __init__(self, what: str, size: int, expected: str | None) -> None:
        """`what` names the content in messages; `expected` is its digest, None where there is none."""
        self._what = what
        self._expected = expected
        self._digest = new_digest()
        self.left = size
        """Octets that are still to come."""

    def feed(self, octets: bytes) -> bytes:
        """The same octets; raises Damaged for the last of a content that is not what was accepted.

        So a reader never has all octets of a damaged content.
        """
        self.left -= len(octets)
        if not octets or self.left < 0:
            raise Damaged(f"{self._what} is not as long as it was")
        self._digest.update(octets)
        if not self.left and self._expected is not None and self._digest.hexdigest() != self._expected:
            raise Damaged(f"{self._what} is not what was accepted: its digest is wrong")
        return octets
