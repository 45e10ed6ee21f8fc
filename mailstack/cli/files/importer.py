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
from mailstack.letter.header import split
from mailstack.letter.letter import seeded_ids
from mailstack.letter.mail_files import FoundFile
from mailstack.letter.parsed import ParsedLetter, parse
from mailstack.mailbox.index.items import traced
from mailstack.policy import Pass
from mailstack.policy.limits import Quotas
from mailstack.queue.enqueue import build_acceptance
from mailstack.queue.recipient_routes import LOCAL, Route
from mailstack.queue.settlement import local_delivery
from mailstack.store import Acceptance, Damaged, Entry, Store

MAX_HEADER = 262_144
"""Maximum octets of a header section that is read."""
_IN_MAILBOX = Delivered(Status(2, 1, 5), "in the mailbox")
_LATEST = 2**44 / 1000
"""Latest time that a letter id can have, in seconds since 1970."""


class ImportResult(Struct, frozen=True):
    """Result of importing one letter."""

    state: str
    """State: "imported", "known" (in the mailbox already) or "refused"."""
    id: LetterId | None = None
    why: str = ""
    """Reason of a refusal, for people."""


class RecipientRule(Protocol):
    """Decides sender and recipients of an imported letter."""

    def envelope(self, parsed: ParsedLetter) -> tuple[Address | None, dict[Address, str]]:
        """Sender, and mailbox of each recipient. Raises ValueError with a reason for people."""


class _ScannedFile(Struct, frozen=True):
    """Digest, size and header of a letter file."""

    digest: bytes
    size: int
    is_ascii: bool
    head: bytes


class Importer:
    """Imports letters into the store of one server."""

    def __init__(  # each of a type of its own
        self,
        store: Store,
        hostname: str,
        readers: RecipientRule,
        mailbox: str,
        known: Mapping[LetterId, Entry],
        quotas: Quotas,
        max_size: int,
    ) -> None:
        """`known` are the letters of `mailbox`, which are skipped. `max_size` is in octets."""
        self._store = store
        self._hostname = hostname
        self._readers = readers
        self._mailbox = mailbox
        self._known = known
        self._quotas = quotas
        self._max_size = max_size
        self._entering: dict[LetterId, bytes] = {}
        """Digests of the letters of this run."""
        self._pending_octets: Counter[str] = Counter()
        """Octets of unfinished imports by mailbox."""
        self._turn: Deferred[None] = succeed(None)
        """Fires when all previous letters are in the store, so that mailboxes keep the order of the files."""

    async def enter(self, found: FoundFile, now: float) -> ImportResult:
        """Imports one letter; calls may overlap. After a StoreError nothing is stored."""
        before, turn = self._turn, Deferred[None]()
        self._turn = turn
        try:
            prepared = await self._prepared(found, now)
            await before
            if isinstance(prepared, ImportResult):
                return prepared
            accepting = Deferred.fromCoroutine(self._store.queue.accept(prepared))
        finally:
            turn.callback(None)
        await accepting
        for placement in prepared.placements:
            self._pending_octets[placement.mailbox] -= placement.size
        return ImportResult("imported", prepared.letter.id)

    async def _prepared(self, found: FoundFile, now: float) -> ImportResult | Acceptance:
        try:
            scanned = self._scanned(found)
            parsed = parse(scanned.head)
            sender, mailboxes = self._readers.envelope(parsed)
        except ValueError as error:
            return ImportResult("refused", why=str(error))
        letter, is_known = await self._name(scanned, parsed.date)
        if is_known:
            return ImportResult("known", letter)
        if why := await self._full_reason(mailboxes.values(), scanned.size):
            return ImportResult("refused", why=f"the mailbox is full: {why}")
        return await self._acceptance(found, scanned, letter, sender, mailboxes, now)

    def _scanned(self, found: FoundFile) -> _ScannedFile:
        """Scans a file. Raises ValueError with a reason for people."""
        if found.size > self._max_size:
            raise ValueError(f"it has {found.size} octets, more than the maximum of {self._max_size}")
        try:
            scanned = _scan(found)
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error
        if not split(scanned.head):
            raise ValueError("it is not a message: it does not begin with a header field")
        return scanned

    async def _full_reason(self, mailboxes: Collection[str], size: int) -> str:
        """Reason why a mailbox is over quota; else reserves the octets and returns "". Counts unfinished imports."""
        self._pending_octets.update(dict.fromkeys(mailboxes, size))
        for mailbox in mailboxes:
            verdict = await self._quotas.check(mailbox, self._pending_octets[mailbox])
            if not isinstance(verdict, Pass):
                self._pending_octets.subtract(dict.fromkeys(mailboxes, size))
                return verdict.reason
        return ""

    async def _name(self, scanned: _ScannedFile, date: datetime | None) -> tuple[LetterId, bool]:
        """Id of a letter, derived from its octets, and whether it is stored already."""
        for candidate in traced(scanned.head):
            if await self._is_same(candidate, scanned.digest):
                return candidate, True
        at = min(max(0.0, date.timestamp() if date is not None else 0.0), _LATEST)
        for salt in itertools.count():
            letter = _id(scanned.digest, salt, at)
            if (digest := self._entering.setdefault(letter, scanned.digest)) != scanned.digest:
                continue
            if digest is not scanned.digest:
                return letter, True
            if letter in self._known:
                if await self._is_same(letter, digest):
                    return letter, True
            elif not await self._store.history.steps(letter):
                return letter, False
            # The id belongs to a deleted letter, or collides with another one.
        raise AssertionError

    async def _is_same(self, letter: LetterId, digest: bytes) -> bool:
        entry = self._known.get(letter)
        if entry is None:
            return False
        counted = hashlib.sha256()
        try:
            async for octets in (await self._store.mailboxes.read(self._mailbox, entry.uid)).chunks():
                counted.update(octets)
        except KeyError:
            return False  # deleted since
        except Damaged:
            return False  # the sound copy is imported as well
        return counted.digest() == digest

    async def _acceptance(  # each of a type of its own
        self,
        found: FoundFile,
        scanned: _ScannedFile,
        letter: LetterId,
        sender: Address | None,
        mailboxes: Mapping[Address, str],
        now: float,
    ) -> Acceptance:
        writer = self._store.contents.new()
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
            "7BIT" if scanned.is_ascii else "8BITMIME",
            () if scanned.head.isascii() else (("SMTPUTF8", ""),),
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
    """File name without directories, decoded as UTF-8."""
    return os.fsencode(Path(found.name).name).decode("utf-8", "replace")


def _id(digest: bytes, salt: int, at: float) -> LetterId:
    """Id derived from digest and date, instead of random bits and the present time."""

    def draw(bits: int) -> int:
        return int.from_bytes(hashlib.sha256(digest + salt.to_bytes(4)).digest()[:8]) & (1 << bits) - 1

    with seeded_ids(draw):
        return new_letter_id(at)


def _scan(found: FoundFile) -> _ScannedFile:
    """Raises OSError."""
    counted, size, is_ascii, head = hashlib.sha256(), 0, True, bytearray()
    for octets in found.chunks():
        counted.update(octets)
        size += len(octets)
        is_ascii = is_ascii and octets.isascii()
        if len(head) < MAX_HEADER:
            head += octets
    end = head.find(b"\r\n\r\n")
    section = bytes(head[: end + 4] if end >= 0 else head[:MAX_HEADER])
    return _ScannedFile(counted.digest(), size, is_ascii, section)


def address_of(text: str) -> Address | None:
    """Parsed address; None if invalid."""
    try:
        return Address.parse(text.strip().removeprefix("<").removesuffix(">"))
    except AddressError:
        return None


def sender_of(parsed: ParsedLetter) -> Address | None:
    """Return-Path (RFC 5321 §4.4), else the author."""
    named = [parsed.first("Return-Path"), *[one.address for one in parsed.authors]]
    return next((found for each in named if (found := address_of(each)) is not None), None)
