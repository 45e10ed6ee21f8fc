"""Contents as a store that is moved or verified has them: read to their end, and checked against what was accepted."""

# ruff: noqa: S608  # no text is made of anything but our own

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mailstack.moving import Side
from mailstack.store import Damaged
from mailstack.store.contents import OBJECT
from mailstack.store.digests import digest_of, is_intact, new_digest
from mailstack.store.tables import Row

CONTENTS = "contents"
"""The table whose column `file` may name a large content."""
_SIZES = f"""SELECT t.letter || ' ' || CAST(l.size AS VARCHAR(20)) FROM contents AS t JOIN letters AS l ON l.id = t.letter
    WHERE t.digest IS NULL AND (t.file IS NULL OR t.file NOT LIKE '{OBJECT}%') ORDER BY t.letter"""


class LargeOctets:
    """Octets of a large content, and what they come to once they have been read."""

    def __init__(self, octets: Iterator[bytes], size: int | None, expected: str | None) -> None:
        """`size` and `expected` digest: None where nothing says them."""
        self._octets = octets
        self._expected_size = size
        self._expected = expected
        self._digest = new_digest()
        self.size = 0
        """Octets so far."""

    @property
    def digest(self) -> str:
        """The digest of what was read so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """Raises StoreError, and Damaged after the last octets of a content that is not what was accepted."""
        for part in self._octets:
            self._digest.update(part)
            self.size += len(part)
            yield part
        if self._expected_size not in {None, self.size}:
            raise Damaged(f"it has {self.size} octets, and {self._expected_size} were accepted")
        if self._expected not in {None, self.digest}:
            raise Damaged(f"its {self.size} octets are not what was accepted: their digest is wrong")


class Contents:
    """Contents of one side, by the rows that name them."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._known_sizes: Mapping[str, int] | None = None

    def large(self, row: Row) -> LargeOctets | None:
        """The large content of a row; None for one that is outside of this store. Raises StoreError for no such name."""
        letter, file, _, digest = row
        octets = self._side.octets(file)
        return None if octets is None else LargeOctets(octets, self._size(letter, digest), digest)

    def check_small(self, row: Row) -> str:
        """The digest of octets in a row, which may have had none; raises Damaged when they are not what was accepted."""
        letter, _, octets, digest = row
        size = self._size(letter, digest)
        if size not in {None, len(octets)}:
            raise Damaged(f"the row has {len(octets)} octets, and {size} were accepted")
        if not is_intact(octets, digest):
            raise Damaged("the octets of the row are not what was accepted: their digest is wrong")
        return digest_of(octets) if digest is None else str(digest)

    def _size(self, letter: str, digest: str | None) -> int | None:
        """What the letter says, where no digest says more; a letter that was forgotten says nothing."""
        if digest is not None:
            return None
        if self._known_sizes is None:
            lines = (line.rpartition(" ") for line in self._side.letters(_SIZES))
            self._known_sizes = {name: int(size) for name, _, size in lines}
        return self._known_sizes.get(letter)


def damaged_content(side: Side, letter: str, damage: Exception) -> str:
    """What is wrong with a content, for people: with the letter, and where it is missed."""
    return f"the content of letter {letter}{where(side, letter)}: {damage}"


def where(side: Side, letter: str) -> str:
    """Mailboxes and waiting recipients of a letter, to be put behind its id."""
    places = side.places(letter)
    return f" ({', '.join(places)})" if places else ""
