"""External relay of a dev environment, and automatic relaying of captured letters."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from mailstack.config import Config, ExchangeSettings, RelaySettings
from mailstack.config.values import HostName, read_host_name
from mailstack.letter.delivery import Journal, Step
from mailstack.letter.letter import read_all
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher, SendFailed, wake_on_steps
from mailstack.relay.external_relay import ExternalRelay
from mailstack.relay.routes import NULL_SENDER, RouteTarget, SenderRoutes, SmartHost
from mailstack.sandbox.dev.servers import NO_AUTHENTICATION, NO_TARPIT
from mailstack.sandbox.dev.settings import CAPTURE, RELAY, DevSettings
from mailstack.store import Filter, Store
from mailstack.store.outbox import OutboxEntry

if TYPE_CHECKING:
    from mailstack.web.submission import LetterRelease

_REASON = "relay_all or relay_matching"
_RETRIES = RetrySchedule(1.0, 60.0, 0.0, 3600.0)
"""Retry schedule of a submission that failed in the store."""


def relay_config(outlet: ExternalRelay, settings: DevSettings, data: Path, world_port: int) -> Config:
    """Configuration that relays everything to the outlet, and bounces to `world_port`."""
    reports = SenderRoutes({NULL_SENDER: (SmartHost(RouteTarget("127.0.0.1", world_port), implicit_tls=False),)})
    return Config(
        hostname=RELAY,
        data=data,
        exchange=ExchangeSettings(max_recipients=settings.max_recipients),
        relay=RelaySettings(
            smart_host=(outlet.smart_host,), sender_routes=reports, ehlo_name=_own_name(), schedule=settings.schedule
        ),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def _own_name() -> HostName:
    """Host name of this machine, for EHLO; empty if it is not a valid name."""
    try:
        return read_host_name(socket.gethostname())
    except ValueError:
        return HostName("")


class AutoForwarder:
    """Relays captured letters, if `relay_all` or `relay_matching` is set. Created before the store is opened."""

    def __init__(self, settings: DevSettings, store: Store, clock: Clock, release: Callable[[], LetterRelease]) -> None:
        self._dispatchers: list[OutboxDispatcher] = []
        if settings.relay is not None and (settings.relay_all or settings.relay_matching):
            pattern = re.compile("" if settings.relay_all else settings.relay_matching)
            sink = _RelaySink(store, release, pattern)
            self._dispatchers = [
                OutboxDispatcher(store.outbox, clock, sink, target=RELAY, owner="dev", schedule=_RETRIES)
            ]
            store.outbox.subscribe(RELAY, _is_captured)

    def wrap_journal(self, journal: Journal) -> Journal:
        """Journal that starts relaying when a letter is captured."""
        return wake_on_steps(journal, self._dispatchers) if self._dispatchers else journal

    async def start(self) -> None:
        for dispatcher in self._dispatchers:
            await dispatcher.start()

    async def stop(self, timeout: float) -> None:
        """Stops; pending letters stay in the store."""
        for dispatcher in self._dispatchers:
            stopped: Deferred[None] = Deferred()
            dispatcher.stop(partial(stopped.callback, None), timeout)
            await stopped


def _is_captured(step: Step) -> bool:
    return step.server == CAPTURE and step.step in {"submitted", "exchanged"}


class _RelaySink:
    """webhooks.dispatcher.Sink that relays the letter of each step."""

    def __init__(self, store: Store, release: Callable[[], LetterRelease], pattern: re.Pattern[str]) -> None:
        """`pattern` selects the recipients."""
        self._store = store
        self._release = release
        self._pattern = pattern

    async def send(self, entry: OutboxEntry) -> None:
        """Relays a letter, unless it has been deleted. Raises SendFailed."""
        from mailstack.web.submission import CopySource  # noqa: PLC0415 - rarely used

        letter = entry.step.letter
        for record in await self._store.history.records(Filter(ids=(letter,), limit=1)):
            envelope = record.letter.envelope
            addresses = [str(each.address) for each in envelope.recipients]
            recipients = [each for each in addresses if self._pattern.search(each)]
            if not recipients:
                return
            try:
                octets = await read_all(await self._store.contents.get(letter))
                copied = CopySource(letter, _REASON)
                await self._release().relay(str(envelope.sender or ""), recipients, octets, copied)
            except KeyError:
                return
            except Refusal as refusal:
                raise SendFailed(str(refusal.reply)) from None

    def close(self) -> None:
        """Does nothing: no connection stays open."""
