"""Local delivery agent: chooses the mailbox and writes the trace fields.

It moves nothing. The queue puts the letter into the mailbox in the same transaction that settles the outcome. So even
after a crash it is there exactly once.
"""

from __future__ import annotations

import logging
from typing import Protocol

from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Delivered, Failed, Letter, Outcome, Status
from mailstack.letter.delivery import Delivery
from mailstack.letter.envelope import sender_for
from mailstack.letter.trace import delivered_to, handover_field, return_path
from mailstack.policy import PASS, Defer, Pass
from mailstack.policy.limits import Quotas
from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import Attempt, ProgressWatch
from mailstack.queue.recipient_routes import LocalAddresses
from mailstack.store import StoreError
from mailstack.store.folders import Folder

_log = logging.getLogger(__name__)

DELIVERED = Status(2, 1, 5)
NO_MAILBOX = Failed(Status(5, 1, 1), "no mailbox here has this address")
LEADS_NOWHERE = Failed(Status(5, 4, 6), "the alias of this address leads only to itself, or too far")
MAILBOX_FULL = Status(4, 2, 2)
MAILBOX_FULL_FOR_GOOD = Status(5, 2, 2)
_STORE_TROUBLE = Status(4, 3, 0)


class DeliveryFolders(Protocol):
    """Folders by the name in an address, and by special use; `mailstack.store.FolderStore` has them."""

    async def named(self, account: str, name: str, /) -> Folder | None:
        """See `FolderStore.named`."""

    async def with_use(self, account: str, use: str, /) -> Folder | None:
        """See `FolderStore.with_use`."""


JUNK = "\\Junk"
"""Special use of the folder for what a verdict calls junk (RFC 6154 §2)."""


class DeliveryAgent:
    """A queue.Agent for the destination "local". Aliases are expanded before, by the Router."""

    def __init__(
        self,
        directory: LocalAddresses,
        server: str,
        clock: Clock,
        quotas: Quotas | None = None,
        folders: DeliveryFolders | None = None,
        *,
        by_name: bool = True,
        by_verdict: bool = True,
    ) -> None:
        """`server` is the host name in trace fields. Without `quotas` no mailbox is ever full.

        `folders`: folders of accounts; None: each letter enters INBOX. `by_name`: user+folder@ delivers into them.
        `by_verdict`: letters with a verdict enter the folder for junk.
        """
        self._by_name = by_name
        self._by_verdict = by_verdict
        self._folders = folders
        self._quotas = quotas
        self._directory = directory
        self._server = server
        self._clock = clock

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], _watch: ProgressWatch | None = None, /
    ) -> Attempt:
        """Returns an outcome for each delivery, without reading the content."""
        if len(deliveries) == 1:
            return Attempt((await self._outcome(deliveries[0], letter),))
        return Attempt(tuple([await self._outcome(delivery, letter) for delivery in deliveries]))

    async def _outcome(self, delivery: Delivery, letter: Letter) -> Outcome:
        address = delivery.recipient.address
        try:
            mailbox = await self._directory.mailbox(address)
            if mailbox is not None:
                hop = handover_field(self._server, delivery.letter, address, self._clock.now())
                headers = return_path(sender_for(letter.envelope, delivery.recipient)) + delivered_to(address) + hop
                full = await self._full(mailbox, len(headers) + letter.content.size)
                if full is not None:
                    return full
                delivered = Delivered(DELIVERED, "in the mailbox", "", mailbox, headers)
                if "+" in address.local or letter.arrival.is_junk:
                    return await self._into_folder(delivered, letter, address, mailbox)
                return delivered
            return NO_MAILBOX if await self._directory.alias(address) is None else LEADS_NOWHERE
        except StoreError as trouble:
            _log.warning("message %s is deferred: accounts can't be read: %s", delivery.letter, trouble)
            return Deferred(_STORE_TROUBLE, f"{self._server} can't look up its mailboxes at present")

    async def _into_folder(self, delivered: Delivered, letter: Letter, address: Address, mailbox: str) -> Delivered:
        """The outcome with the folder for junk, or the one that the address names (RFC 5233). Raises StoreError."""
        if self._folders is None:
            return delivered
        folder = None
        user, plus, name = address.local.partition("+")
        if letter.arrival.is_junk and self._by_verdict:
            folder = await self._folders.with_use(mailbox, JUNK)
        # An account may have a plus in its own name, and the letters of a postmaster go to another account.
        elif self._by_name and plus and replace(address, local=user).key == mailbox:
            folder = await self._folders.named(mailbox, name)
        if folder is None or folder.mailbox == mailbox:
            return delivered
        return replace(delivered, folder=folder.path, folder_mailbox=folder.mailbox)

    async def _full(self, mailbox: str, size: int) -> Deferred | Failed | None:
        """The failure of a full mailbox; None if the letter fits. Raises StoreError."""
        verdict = await self._quotas.check(mailbox, size) if self._quotas is not None else PASS
        if isinstance(verdict, Pass):
            return None
        _log.info("%s", verdict.reason)
        text = f"the mailbox of {mailbox} is full"
        return Deferred(MAILBOX_FULL, text) if isinstance(verdict, Defer) else Failed(MAILBOX_FULL_FOR_GOOD, text)
