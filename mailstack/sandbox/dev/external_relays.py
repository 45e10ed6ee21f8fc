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
from mailstack.letter.content import read_all
from mailstack.letter.step import Journal, Step
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.schedule import RetrySchedule
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher, SendFailed, wake_on_steps
from mailstack.relay.external_relay import ExternalRelay
from mailstack.relay.routes import NULL_SENDER, RouteTarget, SenderRoutes, SmartHost
from mailstack.sandbox.dev.server_configs import NO_PUNISHMENT, NO_QUESTIONS
from mailstack.sandbox.dev.settings import CAPTURE, DevSettings
from mailstack.store import Filter, Store
from mailstack.store.outbox import OutboxEntry

if TYPE_CHECKING:
    from mailstack.web.submission import LetterRelease

RELAY = HostName("relay.home.test")
_REASON = "what is captured is relayed"
_AGAIN = RetrySchedule(1.0, 60.0, 0.0, 3600.0)
"""Retries of a submission that failed with the store."""


def relay_config(outlet: ExternalRelay, settings: DevSettings, data: Path, world_port: int) -> Config:
    """Configuration that relays everything to the outlet, and bounces to `world_port`."""
    reports = SenderRoutes({NULL_SENDER: (SmartHost(RouteTarget("127.0.0.1", world_port), implicit_tls=False),)})
    return Config(
        hostname=RELAY,
        data=data,
        exchange=ExchangeSettings(max_recipients=settings.max_recipients),
        relay=RelaySettings(
            smart_host=(outlet.smart_host,),
            sender_routes=reports,
            ehlo_name=_own_name(),
            schedule=settings.schedule,
        ),
        limits=NO_PUNISHMENT,
        authentication=NO_QUESTIONS,
    )


def _own_name() -> HostName:
    """Host name of this machine, which other servers can look up."""
    try:
        return read_host_name(socket.gethostname())
    except ValueError:
        return HostName("")


class AutoForwarder:
    """Relays captured letters, if the settings ask for it.

    Made before the store is opened; `start`, then `stop`.
    """

    def __init__(self, settings: DevSettings, store: Store, clock: Clock, leaving: Callable[[], LetterRelease]) -> None:
        """`leaving` gives the way out, once it has been made."""
        self._announcers: list[OutboxDispatcher] = []
        if settings.relay is not None and (settings.relay_all or settings.relay_matching):
            pattern = re.compile("" if settings.relay_all else settings.relay_matching)
            teller = _Copies(store, leaving, pattern)
            self._announcers = [
                OutboxDispatcher(store.outbox, clock, teller, target=RELAY, owner="dev", schedule=_AGAIN)
            ]
            store.outbox.subscribe(RELAY, _is_captured)

    def waking(self, journal: Journal) -> Journal:
        """Journal that wakes this one when a letter was captured."""
        return wake_on_steps(journal, self._announcers) if self._announcers else journal

    async def start(self) -> None:
        for announcer in self._announcers:
            await announcer.start()

    async def stop(self, patience: float) -> None:
        """Stops; letters that have not left wait in the store."""
        for announcer in self._announcers:
            stopped: Deferred[None] = Deferred()
            announcer.stop(partial(stopped.callback, None), patience)
            await stopped


def _is_captured(step: Step) -> bool:
    return step.server == CAPTURE and step.step in {"submitted", "exchanged"}


class _Copies:
    """webhooks.announcer.Teller that relays the letter of each step."""

    def __init__(self, store: Store, leaving: Callable[[], LetterRelease], pattern: re.Pattern[str]) -> None:
        """`pattern` is found in the recipients of letters that leave."""
        self._store = store
        self._leaving = leaving
        self._pattern = pattern

    async def send(self, entry: OutboxEntry) -> None:
        """Relays a letter that is still here. Raises SendFailed."""
        from mailstack.web.submission import CopySource  # noqa: PLC0415 - few have an outlet

        letter = entry.step.letter
        for record in await self._store.records(Filter(ids=(letter,), limit=1)):
            envelope = record.letter.envelope
            addresses = [str(each.address) for each in envelope.recipients]
            recipients = [each for each in addresses if self._pattern.search(each)]
            if not recipients:
                return
            try:
                octets = await read_all(await self._store.content(letter))
                copied = CopySource(letter, _REASON)
                await self._leaving().relay(str(envelope.sender or ""), recipients, octets, copied)
            except KeyError:
                return
            except Refusal as refusal:
                raise SendFailed(str(refusal.reply)) from None

    def close(self) -> None:
        """Nothing is kept."""
