"""The ways out of a dev environment, where it is told to have some: what leaves by itself, and the offices that carry it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailstack.config import Config, Exchange, Relay
from mailstack.config.values import HostName, read_host_name
from mailstack.letter.content import read_all
from mailstack.letter.step import Journal, Step
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.schedule import Schedule
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher, SendFailed
from mailstack.queue.webhooks.wake_on_step import WakingJournal
from mailstack.relay.external_relay import ExternalRelay
from mailstack.relay.routes import NULL_SENDER, RouteTarget, SenderRoutes, SmartHost
from mailstack.sandbox.dev.server_configs import NO_PUNISHMENT, NO_QUESTIONS
from mailstack.sandbox.dev.settings import CAPTURE, DevSettings
from mailstack.store import Filter, Store
from mailstack.store.outbox_types import OutboxEntry

if TYPE_CHECKING:
    from mailstack.web.release import Leaving

RELAY = HostName("relay.home.test")
FORWARD = HostName("forward.home.test")
OFFICES = (RELAY, FORWARD)
_WHY = {RELAY: "what is captured is relayed", FORWARD: "what is captured is forwarded"}
_AGAIN = Schedule(1.0, 60.0, 0.0, 3600.0)
"""When handing in is tried again: it fails only when the store does."""


def outlets_of(settings: DevSettings) -> dict[HostName, ExternalRelay]:
    """By the office that carries letters there."""
    named = ((RELAY, settings.relay), (FORWARD, settings.forward))
    return {office: outlet for office, outlet in named if outlet is not None}


def config_of(office: HostName, outlet: ExternalRelay, settings: DevSettings, data: Path, world_port: int) -> Config:
    """All that it is given goes to the outlet; reports about it stay here, in the rest of the world at `world_port`."""
    reports = SenderRoutes({NULL_SENDER: (SmartHost(RouteTarget("127.0.0.1", world_port), implicit_tls=False),)})
    return Config(
        hostname=office,
        data=data,
        exchange=Exchange(max_recipients=settings.max_recipients),
        relay=Relay(
            smart_host=(outlet.smart_host,),
            sender_routes=reports,
            ehlo_name=_own_name(),
            schedule=settings.schedule,
        ),
        limits=NO_PUNISHMENT,
        authentication=NO_QUESTIONS,
    )


def _own_name() -> HostName:
    """That of this machine, by which servers know a client better than by one of ours."""
    try:
        return read_host_name(socket.gethostname())
    except ValueError:
        return HostName("")


class AutoForwarder:
    """What leaves by itself as it is captured. Made before the store is opened; from `start` to `stop`."""

    def __init__(
        self, settings: DevSettings, store: Store, clock: Clock, leaving: Callable[[HostName], Leaving]
    ) -> None:
        """`leaving` gives the way through an office, once all have been made."""
        self._announcers: list[OutboxDispatcher] = []
        if settings.relay is not None and (settings.relay_all or settings.relay_matching):
            pattern = re.compile("" if settings.relay_all else settings.relay_matching)
            self._add(store, clock, RELAY, partial(leaving, RELAY), lambda to: [x for x in to if pattern.search(x)])
        if settings.forward is not None:
            self._add(store, clock, FORWARD, partial(leaving, FORWARD), lambda _: list(settings.forward_to))

    def _add(
        self,
        store: Store,
        clock: Clock,
        target: HostName,
        leaving: Callable[[], Leaving],
        choose: Callable[[list[str]], list[str]],
    ) -> None:
        teller = _Copies(store, leaving, choose, _WHY[target])
        self._announcers.append(OutboxDispatcher(store, clock, teller, target=target, owner="dev", schedule=_AGAIN))
        store.announce(target, _is_captured)

    def waking(self, journal: Journal) -> Journal:
        """The same journal, by which we hear at once that something was captured."""
        return WakingJournal(journal, self._announcers) if self._announcers else journal

    async def start(self) -> None:
        for announcer in self._announcers:
            await announcer.start()

    def stop(self, done: Callable[[], Any], patience: float) -> None:
        """What has not left then waits in the store; `done` is called at the end."""
        left = len(self._announcers)

        def one() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        for announcer in self._announcers:
            announcer.stop(one, patience)
        if not self._announcers:
            done()


def _is_captured(step: Step) -> bool:
    return step.office == CAPTURE and step.step in {"submitted", "exchanged"}


class _Copies:
    """A webhooks.announcer.Teller that hands in each letter it is told of."""

    def __init__(
        self, store: Store, leaving: Callable[[], Leaving], choose: Callable[[list[str]], list[str]], why: str
    ) -> None:
        """`why` it leaves, for people."""
        self._why = why
        self._store = store
        self._leaving = leaving
        self._choose = choose

    async def tell(self, announcement: OutboxEntry) -> None:
        """Nothing of a letter that is gone. Raises SendFailed."""
        from mailstack.web.submission import Copied  # noqa: PLC0415 - few have an outlet

        letter = announcement.step.letter
        for record in await self._store.records(Filter(ids=(letter,), limit=1)):
            envelope = record.letter.envelope
            recipients = self._choose([str(each.address) for each in envelope.recipients])
            if not recipients:
                return
            try:
                octets = await read_all(await self._store.content(letter))
                copied = Copied(letter, self._why)
                await self._leaving().relay(str(envelope.sender or ""), recipients, octets, copied)
            except KeyError:
                return
            except Refusal as refusal:
                raise SendFailed(str(refusal.reply)) from None

    def close(self) -> None:
        """Nothing is kept."""
