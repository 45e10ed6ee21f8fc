"""Mailboxes in memory: which letters rest where, and how much that is."""

from __future__ import annotations

from msgspec import Struct, field

from mailstack.letter import LetterId
from mailstack.store import Entry, Maildrop, Placement

Name = tuple[LetterId, int]
"""Of a delivery."""


class Kept(Struct, frozen=True):
    """One letter in a mailbox."""

    delivery: Name
    headers: bytes
    size: int


class _Mailbox(Struct):
    validity: int
    next_uid: int = 1
    octets: int = 0
    letters: dict[int, Kept] = field(default_factory=dict)


class Mailboxes:
    """All mailboxes of a store in memory. Knows nothing of contents, nor of who needs them."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Mailbox] = {}
        self._places: dict[LetterId, set[tuple[str, int]]] = {}
        """Where each letter rests: mailboxes and uids."""
        self._fulfilled: set[Name] = set()

    def is_fulfilled(self, delivery: Name) -> bool:
        """Whether an entry has fulfilled this delivery."""
        return delivery in self._fulfilled

    def holds(self, letter: LetterId) -> bool:
        """Whether the letter rests in any mailbox."""
        return bool(self._places.get(letter))

    def place(self, placement: Placement) -> None:
        """A letter enters its mailbox."""
        mailbox = self._by_name.get(placement.mailbox)
        if mailbox is None:
            mailbox = self._by_name[placement.mailbox] = _Mailbox(max(1, int(placement.at)))
        uid = mailbox.next_uid
        mailbox.next_uid += 1
        mailbox.octets += placement.size
        mailbox.letters[uid] = Kept(placement.delivery, placement.headers, placement.size)
        self._places.setdefault(placement.delivery[0], set()).add((placement.mailbox, uid))
        self._fulfilled.add(placement.delivery)

    def maildrop(self, name: str) -> Maildrop:
        """The letters of a mailbox as they are now; an unknown one is empty."""
        there = self._by_name.get(name)
        if there is None:
            return Maildrop(name, 0, [])
        entries = [Entry(uid, kept.size, kept.delivery[0]) for uid, kept in there.letters.items()]
        return Maildrop(name, there.validity, entries)

    def kept(self, name: str, uid: int) -> Kept:
        """Raises KeyError when the letter is gone."""
        return self._by_name[name].letters[uid]

    def get(self, name: str, uid: int) -> Kept | None:
        """The same, or None."""
        there = self._by_name.get(name)
        return None if there is None else there.letters.get(uid)

    def octets(self) -> dict[str, int]:
        """How much each mailbox holds, by name."""
        return {name: mailbox.octets for name, mailbox in self._by_name.items()}

    def remove(self, name: str, uid: int) -> LetterId | None:
        """The letter that left the mailbox; None when it was gone."""
        there = self._by_name.get(name)
        kept = None if there is None else there.letters.pop(uid, None)
        if there is None or kept is None:
            return None
        there.octets -= kept.size
        self._fulfilled.discard(kept.delivery)
        self._places[kept.delivery[0]].discard((name, uid))
        return kept.delivery[0]

    def empty(self, name: str) -> list[LetterId]:
        """All letters leave, and the next mailbox of this name has another validity."""
        there = self._by_name.get(name)
        if there is None:
            return []
        there.validity += 1
        return [letter for uid in list(there.letters) if (letter := self.remove(name, uid)) is not None]

    def forget(self, letter: LetterId) -> None:
        """The letter leaves every mailbox."""
        for name, uid in list(self._places.get(letter, ())):
            self.remove(name, uid)
        self._places.pop(letter, None)
