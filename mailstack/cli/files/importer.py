"""Importer of letters: octets unchanged, each letter only once."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred, succeed

from mailstack.letter import (
    Address,
    AddressError,
    Arrival,
    Delivered,
    Envelope,
    Letter,
    LetterId,
    Recipient,
    Status,
    new_letter_id,
)
from mailstack.letter.delivery import Delivery
from mailstack.letter.files.detect import FoundFile
from mailstack.letter.header import split
from mailstack.letter.letter import seeded_ids
from mailstack.letter.parsed import ParsedLetter, parse
from mailstack.mailbox.index.copies import traced
from mailstack.policy import Pass
from mailstack.policy.quota import Quotas
from mailstack.queue.enqueue import build_acceptance
from mailstack.queue.route import LOCAL, Route
from mailstack.queue.settlement import local_delivery
from mailstack.store import Acceptance, Damaged, Entry, Store

MOST_HEADER = 262_144
"""Octets of a header section that are read."""
_IN_MAILBOX = Delivered(Status(2, 1, 5), "in the mailbox")
_LATEST = 2**44 / 1000
"""Seconds since 1970 that an id can tell, and more than any letter of today says."""


class Entered(Struct, frozen=True):
    """What became of a letter."""

    state: str
    """"imported"; "known": it is there already; "refused"."""
    id: LetterId | None = None
    why: str = ""
    """Why it was refused, for people."""


class Readers(Protocol):
    """Who gets a letter."""

    def envelope(self, reading: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        """Its sender, and each recipient with the mailbox. Raises ValueError, with a reason for people."""


class _Looked(Struct, frozen=True):
    """A letter as it was read through once."""

    digest: bytes
    size: int
    is_ascii: bool
    head: bytes


class Importer:
    """Puts letters into one server."""

    def __init__(  # each of a type of its own
        self,
        store: Store,
        hostname: str,
        readers: Readers,
        shelf: str,
        known: Mapping[LetterId, Entry],
        quotas: Quotas,
        largest: int,
    ) -> None:
        """`shelf` is the mailbox whose letters, `known`, don't enter again. `largest` in octets."""
        self._store = store
        self._hostname = hostname
        self._readers = readers
        self._shelf = shelf
        self._known = known
        self._quotas = quotas
        self._largest = largest
        self._entering: dict[LetterId, bytes] = {}
        """Digests of what this run has taken."""
        self._under_way: Counter[str] = Counter()
        """Octets for each mailbox."""
        self._handed_in: Deferred[None] = succeed(None)
        """Fires when all letters before have been handed to the store: in a mailbox they stand as in their files."""

    async def enter(self, found: FoundFile, now: float) -> Entered:
        """One of several under way. Raises StoreError; then it is not there, and nothing of it."""
        before, handed_in = self._handed_in, Deferred[None]()
        self._handed_in = handed_in
        try:
            taken = await self._prepared(found, now)
            await before
            if isinstance(taken, Entered):
                return taken
            accepting = Deferred.fromCoroutine(self._store.accept(taken))
        finally:
            handed_in.callback(None)
        await accepting
        for placement in taken.placements:
            self._under_way[placement.mailbox] -= placement.size
        return Entered("imported", taken.letter.id)

    async def _prepared(self, found: FoundFile, now: float) -> Entered | Acceptance:
        try:
            looked = self._looked(found)
            reading = parse(looked.head)
            sender, mailboxes = self._readers.envelope(reading)
        except ValueError as error:
            return Entered("refused", why=str(error))
        letter, is_known = await self._name(looked, reading.date)
        if is_known:
            return Entered("known", letter)
        if why := await self._full(mailboxes.values(), looked.size):
            return Entered("refused", why=f"the mailbox is full: {why}")
        return await self._acceptance(found, looked, letter, sender, mailboxes, now)

    def _looked(self, found: FoundFile) -> _Looked:
        """Raises ValueError, with a reason for people, for what can't be taken."""
        if found.size > self._largest:
            raise ValueError(f"it has {found.size} octets, and {self._largest} are the most that is taken")
        try:
            looked = _look(found)
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error
        if not split(looked.head):
            raise ValueError("it is no letter: what stands first is no header field")
        return looked

    async def _full(self, mailboxes: Collection[str], size: int) -> str:
        """Why one of them has no room; "" when all have, and then it is taken. What is under way is in no mailbox yet."""
        self._under_way.update(dict.fromkeys(mailboxes, size))
        for mailbox in mailboxes:
            verdict = await self._quotas.check(mailbox, self._under_way[mailbox])
            if not isinstance(verdict, Pass):
                self._under_way.subtract(dict.fromkeys(mailboxes, size))
                return verdict.reason
        return ""

    async def _name(self, looked: _Looked, date: datetime | None) -> tuple[LetterId, bool]:
        """Its id, which is always the same for the same octets and another one for others; and whether it is there."""
        for candidate in traced(looked.head):
            if await self._is_same(candidate, looked.digest):
                return candidate, True
        at = min(max(0.0, date.timestamp() if date is not None else 0.0), _LATEST)
        for salt in itertools.count():
            letter = _id(looked.digest, salt, at)
            if (digest := self._entering.setdefault(letter, looked.digest)) != looked.digest:
                continue
            if digest is not looked.digest:
                return letter, True
            if letter in self._known:
                if await self._is_same(letter, digest):
                    return letter, True
            elif not await self._store.steps(letter):
                return letter, False
            # It was here and went, or it is another one by chance.
        raise AssertionError

    async def _is_same(self, letter: LetterId, digest: bytes) -> bool:
        entry = self._known.get(letter)
        if entry is None:
            return False
        counted = hashlib.sha256()
        try:
            async for octets in (await self._store.read(self._shelf, entry.uid)).chunks():
                counted.update(octets)
        except KeyError:
            return False  # it went meanwhile
        except Damaged:
            return False  # a sound one enters beside it
        return counted.digest() == digest

    async def _acceptance(  # each of a type of its own
        self,
        found: FoundFile,
        looked: _Looked,
        letter: LetterId,
        sender: Address | None,
        mailboxes: Mapping[Address, str],
        now: float,
    ) -> Acceptance:
        writer = self._store.new_content()
        try:
            for octets in found.chunks():
                await writer.write(octets)
            content = await writer.finish()
        except BaseException:
            writer.discard()
            raise
        envelope = Envelope(
            sender,
            tuple(Recipient(address) for address in mailboxes),
            "7BIT" if looked.is_ascii else "8BITMIME",
            () if looked.head.isascii() else (("SMTPUTF8", ""),),
        )
        whole = Letter(letter, envelope, content, Arrival(now, self._hostname, "LOCAL"))
        routes = [Route(Recipient(address), LOCAL, mailbox) for address, mailbox in mailboxes.items()]
        deliveries = [Delivery(letter, number, route.recipient, LOCAL) for number, route in enumerate(routes)]
        here = [
            local_delivery(whole, delivery, _IN_MAILBOX, route.mailbox or "", now)
            for delivery, route in zip(deliveries, routes, strict=True)
        ]
        return build_acceptance(whole, routes, deliveries, here, "submitted", {"file": _file_name(found)}, now)


def _file_name(found: FoundFile) -> str:
    """Without its folders; names of files are any octets."""
    return os.fsencode(Path(found.name).name).decode("utf-8", "replace")


def _id(digest: bytes, salt: int, at: float) -> LetterId:
    """Made of the letter, where others are made of chance and the present time."""

    def draw(bits: int) -> int:
        return int.from_bytes(hashlib.sha256(digest + salt.to_bytes(4)).digest()[:8]) & (1 << bits) - 1

    with seeded_ids(draw):
        return new_letter_id(at)


def _look(found: FoundFile) -> _Looked:
    """Raises OSError."""
    counted, size, is_ascii, head = hashlib.sha256(), 0, True, bytearray()
    for octets in found.chunks():
        counted.update(octets)
        size += len(octets)
        is_ascii = is_ascii and octets.isascii()
        if len(head) < MOST_HEADER:
            head += octets
    end = head.find(b"\r\n\r\n")
    section = bytes(head[: end + 4] if end >= 0 else head[:MOST_HEADER])
    return _Looked(counted.digest(), size, is_ascii, section)


def address_of(text: str) -> Address | None:
    """None for what is no address."""
    try:
        return Address.parse(text.strip().removeprefix("<").removesuffix(">"))
    except AddressError:
        return None


def sender_of(reading: ParsedLetter) -> Address | None:
    """The reverse-path as the last host wrote it down (RFC 5321 §4.4), else the author."""
    named = [reading.first("Return-Path"), *[one.address for one in reading.authors]]
    return next((found for each in named if (found := address_of(each)) is not None), None)
