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
from mailstack.config.derived import WorkerSlot
from mailstack.net.log import LineStream, log_to
from mailstack.net.thread_pool import limit_shutdown_time
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

_MAX_LEAD = 1
"""Connections that a worker may have more than another."""

_log = logging.getLogger(__name__)


class WorkerArgs(Struct, frozen=True):
    """Arguments of a worker: objects and descriptors that it inherits from the master."""

    config: Config
    slot: WorkerSlot
    privileged: PrivilegedResources
    sockets: dict[str, list[socket.socket]]
    """Sockets by endpoint description, in the order of the services."""
    counters: MmapCounters
    channel: socket.socket
    output: int
    """File descriptor of the log."""
    reread: Callable[[], Config] | None = None
    """See MailService."""


def run_worker(args: WorkerArgs) -> NoReturn:
    """Run a worker in a process that has just been forked, and exit."""
    status = 1
    try:
        _reset_inherited_state(LineStream(args.output), args.config.log.level)
        status = _Worker(_new_reactor(), args).run()
    except BaseException:  # noqa: BLE001  # code of the master must never run in the worker
        _log.exception("worker %d: unexpected error", args.slot.number)
    finally:
        os._exit(status)


def _reset_inherited_state(stream: LineStream, level: str) -> None:
    """Reset signals and log observers that the fork copied from the master."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # All processes of a terminal receive Ctrl-C; the master stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for observer in list(globalLogPublisher._observers):  # noqa: SLF001 - Twisted has no public list
        globalLogPublisher.removeObserver(observer)
    log_to(stream, level)


def _new_reactor() -> Any:
    """A new reactor: the master's shares its descriptors with all workers."""
    sys.modules.pop("twisted.internet.reactor", None)
    default.install()
    from twisted.internet import reactor  # noqa: PLC0415 - the module was removed above

    return reactor


class _Worker:
    """One worker. States: starting, serving, stopping."""

    def __init__(self, reactor: Any, args: WorkerArgs) -> None:
        self._reactor = reactor
        self._args = args
        self._stopping = False
        self._failed = False
        self._channel = ControlChannel(self._on_message, self._master_gone)
        self._service: MailService | None = None

    def run(self) -> int:
        """Serve until a stop, and return the exit status."""
        args, reactor = self._args, self._reactor
        limit_shutdown_time(reactor)
        watch(reactor, args.channel, self._channel)
        signal.signal(signal.SIGTERM, lambda _number, _frame: reactor.callFromThread(self._stop))
        # Heartbeats never stop, so that a worker that hangs at its end is found.
        HeartbeatSender(reactor, args.config.workers.hung_after, lambda: self._channel.send(ALIVE)).start()
        args.counters.attach(args.slot.number)
        inherited = WorkerContext(
            args.privileged,
            WorkerResources(args.counters, args.slot, self._endpoint),
            lambda: self._channel.send(READY),
            lambda: self._channel.send(WAKE),
        )
        self._service = service = MailService(
            reactor, args.config, LineStream(args.output), self._fail, inherited=inherited, reread=args.reread
        )
        service.privilegedStartService()
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        reactor.run(installSignalHandlers=False)
        return int(self._failed)

    def _endpoint(self, reactor: Any, description: str) -> IStreamServerEndpoint:
        return SharedEndpoint(reactor, self._args.sockets[description].pop(0), self._is_ahead)

    def _is_ahead(self) -> bool:
        """Whether another worker should accept the next connection."""
        counts = self._args.counters.connections.by_worker()
        return counts[self._args.slot.number - 1] - min(counts) > _MAX_LEAD

    def _on_message(self, line: bytes) -> None:
        if line == STOP:
            self._stop()
        elif line == WAKE and self._service is not None:
            self._service.on_wake()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._reactor.callWhenRunning(self._reactor.stop)

    def _fail(self, error: CannotStart) -> None:
        """Report a failed start to the master, which logs it."""
        self._failed = True
        self._channel.send(FAILED + str(error).encode(errors="replace")[:4096])
        self._channel.close()

    def _master_gone(self) -> None:
        if self._failed:
            self._stop()
        elif not self._stopping:
            # A new start of the server must not wait for this worker. Letters answered with 250 are on the disk.
            os._exit(1)
