"""Worker process: one mail server on the sockets of its master."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from msgspec import Struct
from twisted.internet import default
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import globalLogPublisher

from mailstack.config import Config
from mailstack.config.worker_slot import WorkerSlot
from mailstack.net.log import LineStream, log_to
from mailstack.net.thread_pool import end_in_time
from mailstack.policy.counters import MmapCounters
from mailstack.server.privileged_setup import CannotStart, PrivilegedResources
from mailstack.server.runtime import WorkerResources
from mailstack.server.service import MailService, WorkerContext
from mailstack.server.workers.control_channel import (
    ALIVE,
    FAILED,
    READY,
    STOP,
    WAKE,
    ControlChannel,
    HeartbeatSender,
    watch,
)
from mailstack.server.workers.sockets import SharedEndpoint

_LEAD = 1
"""Connections by which a worker may be ahead of another."""

_log = logging.getLogger(__name__)


class WorkerArgs(Struct, frozen=True):
    """What the master leaves to a worker."""

    config: Config
    seat: WorkerSlot
    premises: PrivilegedResources
    sockets: dict[str, list[socket.socket]]
    """Sockets by endpoint description, in the order of the services."""
    counters: MmapCounters
    lifeline: socket.socket
    output: int
    """The descriptor that the log goes to."""
    reread: Callable[[], Config] | None = None
    """See MailService."""


def run_worker(legacy: WorkerArgs) -> NoReturn:
    """In a process that has just been forked: be a worker, to the end of the process."""
    status = 1
    try:
        _forget_the_master(LineStream(legacy.output), legacy.config.log.level)
        status = _Worker(_new_reactor(), legacy).run()
    except BaseException:  # noqa: BLE001  # above is the master's code, which must never go on here
        _log.exception("worker %d: a bug ended it", legacy.seat.number)
    finally:
        os._exit(status)


def _forget_the_master(stream: LineStream, level: str) -> None:
    """Its signals and its log are not ours."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Ctrl-C is heard by all processes of a terminal; the master says what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for observer in list(globalLogPublisher._observers):  # noqa: SLF001 - there is no other way to all of them
        globalLogPublisher.removeObserver(observer)
    log_to(stream, level)


def _new_reactor() -> Any:
    """A new reactor: the master's shares its descriptors with all workers."""
    sys.modules.pop("twisted.internet.reactor", None)
    default.install()
    from twisted.internet import reactor  # noqa: PLC0415 - it is another one now

    return reactor


class _Worker:
    """States: starting, serving, stopping."""

    def __init__(self, reactor: Any, legacy: WorkerArgs) -> None:
        self._reactor = reactor
        self._legacy = legacy
        self._stopping = False
        self._failed = False
        self._lifeline = ControlChannel(self._hear, self._master_gone)
        self._service: MailService | None = None

    def run(self) -> int:
        """The exit status, when all is over."""
        legacy, reactor = self._legacy, self._reactor
        end_in_time(reactor)
        watch(reactor, legacy.lifeline, self._lifeline)
        signal.signal(signal.SIGTERM, lambda _number, _frame: reactor.callFromThread(self._stop))
        # To the end of the process: one that can't end hangs too.
        HeartbeatSender(reactor, legacy.config.workers.hung_after, lambda: self._lifeline.say(ALIVE)).start()
        legacy.counters.attach(legacy.seat.number)
        inherited = WorkerContext(
            legacy.premises,
            WorkerResources(legacy.counters, legacy.seat, self._endpoint),
            lambda: self._lifeline.say(READY),
            lambda: self._lifeline.say(WAKE),
        )
        self._service = service = MailService(
            reactor,
            legacy.config,
            LineStream(legacy.output),
            self._fail,
            inherited=inherited,
            reread=legacy.reread,
        )
        service.privilegedStartService()
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        reactor.run(installSignalHandlers=False)
        return int(self._failed)

    def _endpoint(self, reactor: Any, description: str) -> IStreamServerEndpoint:
        return SharedEndpoint(reactor, self._legacy.sockets[description].pop(0), self._is_ahead)

    def _is_ahead(self) -> bool:
        """Whether another worker should take the next connection."""
        counts = self._legacy.counters.connections.by_worker()
        return counts[self._legacy.seat.number - 1] - min(counts) > _LEAD

    def _hear(self, line: bytes) -> None:
        if line == STOP:
            self._stop()
        elif line == WAKE and self._service is not None:
            self._service.woken()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._reactor.callWhenRunning(self._reactor.stop)

    def _fail(self, why: CannotStart) -> None:
        """The master tells; what was said is with it when the connection ends."""
        self._failed = True
        self._lifeline.say(FAILED + str(why).encode(errors="replace")[:4096])
        self._lifeline.end()

    def _master_gone(self) -> None:
        if self._failed:
            self._stop()
        elif not self._stopping:
            # A new start of the server must not wait for this worker. Letters answered with 250 are on the disk.
            os._exit(1)
