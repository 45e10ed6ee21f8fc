"""Mailpit's webhook: the summary of each new letter is posted to one URL, from the store's queue, until it was taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from mailstack.letter.step import Journal, Step
from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.net.client_tls import ClientTls
from mailstack.net.http_client import HttpClient
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.queue.schedule import Schedule
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher, SendFailed
from mailstack.queue.webhooks.wake_on_step import WakingJournal
from mailstack.sandbox.compat.mailpit.about import VERSION
from mailstack.sandbox.compat.mailpit.serialize import summary
from mailstack.store import Store
from mailstack.store.outbox_types import OutboxEntry
from mailstack.web.http_values import JSON

TARGET = "mailpit"
_ENTERED = frozenset({"submitted", "exchanged"})

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Any]]
"""Gives an answer with a `code` and a `retry_after`. Raises Unreachable."""


def wants(step: Step) -> bool:
    """Whether a letter has entered by it."""
    return step.step in _ENTERED


class MailpitHook:
    """A webhooks.announcer.Teller."""

    def __init__(self, catalogue: LetterIndex, post: Post, url: str, label: str = "") -> None:
        self._catalogue = catalogue
        self._post = post
        self._url = url
        named = {"Mailpit-Label": label} if label else {}
        self._headers = {"Content-Type": JSON, "User-Agent": f"Mailpit/{VERSION}", **named}

    async def tell(self, announcement: OutboxEntry) -> None:
        """Nothing of a letter that came from another office of this environment, or is deleted already. Raises SendFailed."""
        await self._catalogue.up_to_date()
        letter = announcement.step.letter
        item = await self._catalogue.item(letter)
        if item is None or item.id != letter:
            return
        try:
            answer = await self._post(self._url, self._headers, msgspec.json.encode(summary(item)))
        except ConnectFailed as trouble:
            raise SendFailed(str(trouble)) from None
        if not 200 <= answer.code < 300:
            raise SendFailed(f"{self._url} answers {answer.code}", answer.retry_after)

    def close(self) -> None:
        """Nothing is kept."""


class Hooked:
    """One environment and the URL that is told. From `start` to `stop`."""

    def __init__(
        self, reactor: Any, store: Store, clock: Clock, catalogue: LetterIndex, *, url: str, label: str
    ) -> None:
        """To be made before the store is opened: it queues what is to be told from then on."""
        self._poster = HttpClient(reactor, ClientTls(), timeout=5.0, loopback_only=True)
        hook = MailpitHook(catalogue, self._poster.post, url, label)
        schedule = Schedule(1.0, 60.0, 0.0, 3600.0)
        self._announcer = OutboxDispatcher(store, clock, hook, target=TARGET, owner="dev", schedule=schedule)
        store.announce(TARGET, wants)

    def waking(self, journal: Journal) -> Journal:
        """The same journal, by which we hear at once that there is something to tell."""
        return WakingJournal(journal, [self._announcer])

    async def start(self) -> None:
        await self._announcer.start()

    async def stop(self, patience: float) -> None:
        """What is not told then waits in the store."""
        stopped: Deferred[None] = Deferred()
        self._announcer.stop(lambda: stopped.callback(None), patience)
        await stopped
        self._poster.close()
