"""Acceptance step shared by all receiving services."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mailstack.letter import Address, Arrival, Content, Envelope, Letter, LetterId
from mailstack.letter.delivery import StepName
from mailstack.letter.header import count
from mailstack.letter.time_parameters import requested_priority
from mailstack.letter.trace import received
from mailstack.policy import enforce
from mailstack.policy.chain import MAX_HOPS, too_many_hops
from mailstack.policy.limits import Quotas
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.connection import ResourceError
from mailstack.protocols.log import RateLimitedLog
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Facts
from mailstack.protocols.smtp.replies import LOCAL_ERROR, Refusal, Reply, reply
from mailstack.queue.queue import Queue
from mailstack.queue.recipient_routes import LocalAddresses
from mailstack.store import ContentWriter, Store, StoreError, StoreFull
from mailstack.store.data_directory import FreeSpace

_log = logging.getLogger(__name__)

NO_SUCH_MAILBOX = reply(550, "5.1.1", "no such mailbox here")
STORAGE_FULL = reply(452, "4.3.1", "no room for the message now, try again later")
STORE_FAILED = reply(451, "4.3.0", "the message could not be stored, try again later")


class Intake:
    """Accepts letters into the queue, and turns errors of store and directory into replies."""

    def __init__(
        self,
        hostname: str,
        queue: Queue,
        store: Store,
        directory: LocalAddresses,
        *,
        hops: int = MAX_HOPS,
        hide_client: bool = False,
        quotas: Quotas | None = None,
        free_space: FreeSpace | None = None,
    ) -> None:
        """`hops` is the maximum number of `Received:` fields in a letter (RFC 5321 §6.3: at least 100).

        `hide_client` leaves names and addresses of the clients of our users out of our `Received:` field (RFC 5321 §7.6).
        Without `quotas` no mailbox is ever full. Without `free_space` the disk is full when the store raises StoreFull.
        """
        self.hostname = hostname
        self.memory_budget = MemoryBudget()
        self._directory = directory
        self._queue = queue
        self._store = store
        self._hops = hops
        self._hide_client = hide_client
        self._quotas = quotas
        self._free_space = free_space
        self._limited_log = RateLimitedLog(_log, time.monotonic)

    def is_local(self, address: Address) -> bool:
        """Whether the address belongs to a domain of this server; a bare `postmaster` does (RFC 5321 §4.5.1)."""
        return not address.domain or self._directory.is_local(address.domain)

    async def check_mailbox(self, address: Address, size: int = 0) -> None:
        """Raises the Refusal for a local address that does not exist, or with a mailbox too full for `size` octets.

        An alias is not followed here: its letters wait in the queue for mailboxes that are full.
        """
        mailbox = await self._directory.mailbox(address)
        if mailbox is None:
            if await self._directory.alias(address) is None:
                raise Refusal(NO_SUCH_MAILBOX)
        elif self._quotas is not None:
            try:
                enforce(await self._quotas.check(mailbox, size))
            except StoreError as error:
                raise self._refusal(error) from error

    def check_room(self, size: int = 0) -> None:
        """Raises the Refusal if the disk is too full for a letter of `size` octets; 0: unknown size."""
        if self._free_space is not None:
            try:
                self._free_space.check(size)
            except StoreError as error:
                raise self._refusal(error) from error

    def check_hops(self, section: bytes) -> None:
        """Raises the Refusal for a letter with too many hops."""
        enforce(too_many_hops(count(section, b"received"), self._hops))

    def trace(self, letter: LetterId, envelope: Envelope, arrival: Arrival) -> bytes:
        """The `Received:` field of this server."""
        return received(
            arrival,
            letter,
            envelope.recipients,
            hide_client=self._hide_client and arrival.account is not None,
            priority=requested_priority(envelope),
        )

    def new_content(self) -> RefusingContentWriter:
        """Writer for the content of a letter that is being received."""
        return RefusingContentWriter(self._store.contents.new(), self._free_space, self._refusal)

    def reply_to(self, error: ResourceError, default: Reply = LOCAL_ERROR) -> Reply:
        """Reply to the client: `default`, unless the disk is full. The error is logged at most once a minute."""
        chosen_reply = STORAGE_FULL if isinstance(error, StoreFull) else default
        self._limited_log.error("messages are refused with %d %s: %s", chosen_reply.code, chosen_reply.status, error)
        return chosen_reply

    def _refusal(self, error: StoreError) -> Refusal:
        return Refusal(self.reply_to(error, STORE_FAILED))

    async def accept(self, letter: Letter, step: StepName, facts: Facts = NO_FACTS) -> None:
        """Accepts the letter into the queue; durable when this returns."""
        try:
            await self._queue.accept(letter, step, facts)
        except StoreError as error:
            raise self._refusal(error) from error


class RefusingContentWriter:
    """Content writer of the store that raises a Refusal for a StoreError."""

    __slots__ = ("_free_space", "_refusal", "_writer", "discard")

    def __init__(
        self, writer: ContentWriter, free_space: FreeSpace | None, refusal: Callable[[StoreError], Refusal]
    ) -> None:
        self._free_space = free_space
        self._refusal = refusal
        self._writer = writer
        self.discard = writer.discard

    async def write(self, octets: bytes) -> None:
        try:
            if self._free_space is not None:
                self._free_space.spend(len(octets))
            await self._writer.write(octets)
        except StoreError as error:
            raise self._refusal(error) from error

    async def finish(self) -> Content:
        try:
            return await self._writer.finish()
        except StoreError as error:
            raise self._refusal(error) from error
