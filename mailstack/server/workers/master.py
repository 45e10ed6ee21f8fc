"""Master process: binds ports, forks workers and replaces them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from mailstack.config import Config
from mailstack.config.derived import WorkerSlot
from mailstack.net.clock import install_monotonic_time
from mailstack.net.log import Stream
from mailstack.net.process import notify_ready, notify_stopping, on_sighup
from mailstack.net.reactor_patches import freeze_startup_objects
from mailstack.policy.counters import mmap_counters
from mailstack.server.privileged_setup import CannotStart, PrivilegedResources, ServiceUser, prepare
from mailstack.server.service import log_listening
from mailstack.server.workers.control_channel import (
    FAILED,
    READY,
    STOP,
    WAKE,
    ControlChannel,
    HeartbeatMonitor,
    HeartbeatSender,
    forward_log,
    watch,
)
from mailstack.server.workers.sockets import Sockets
from mailstack.server.workers.worker import WorkerArgs, run_worker

_log = logging.getLogger(__name__)

STABLE_AFTER = 60.0
"""Uptime in seconds after which a worker's end resets the delay of its replacement."""
FIRST_DELAY, MAX_DELAY = 0.1, 30.0
"""Seconds before a worker that ended is replaced; the delay doubles each time."""
STOP_TIMEOUT = 25.0
"""Seconds between the stop message and SIGKILL."""
_REAP_INTERVAL = 0.02
"""Seconds between two calls of waitpid."""


class _WorkerProcess:
    """State of one worker in the master: starting, ready or ended."""

    def __init__(self, slot: WorkerSlot, pid: int, started: float) -> None:
        self.slot = slot
        self.pid = pid
        self.started = started
        self.ready = False
        self.reason = ""
        """Reason of a failed start; empty for none."""
        self.hung = False
        self.heartbeat = HeartbeatMonitor()
        self.channel: ControlChannel


class MasterService(Service):
    """A server in `[workers] count` processes, as a Twisted service. See mailstack.server.service.MailService."""

    def __init__(
        self,
        reactor: Any,
        config: Config,
        stream: Stream,
        failed: Callable[[CannotStart], None],
        owner: ServiceUser | None = None,
        *,
        output: int | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """`output` is the log descriptor of workers. None: the master forwards their log to `stream`."""
        self._reread = reread
        self._reactor = reactor
        install_monotonic_time(reactor)
        self._config = config
        self._stream = stream
        self._failed = failed
        self._owner = owner
        self._output = output
        self._privileged: PrivilegedResources | None = None
        self._sockets = Sockets(reactor)
        self._counters = mmap_counters(config.workers.count, reactor.seconds)
        self._workers: dict[int, _WorkerProcess] = {}
        """Workers by slot number."""
        self._delays: dict[int, float] = {}
        self._has_served = False
        """Whether all workers have been ready once."""
        self._has_failed = False
        self._ended: Deferred[None] | None = None
        self._heartbeat = HeartbeatSender(reactor, config.workers.hung_after, self._check_heartbeats)
        self._restore: Callable[[], object] = lambda: None

    def privilegedStartService(self) -> None:  # noqa: N802
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            self._privileged = prepare(self._config, self._reactor, self._owner)
            self._sockets.bind(self._config)
        except CannotStart as error:
            self._fail(error)
            return
        # SIGHUP ends a process without a handler.
        self._restore = on_sighup(lambda: self._reactor.callFromThread(self._forward_sighup))

    def startService(self) -> None:  # noqa: N802
        super().startService()  # type: ignore[no-untyped-call]
        if self._has_failed:
            return
        # Frozen objects stay in memory that workers share.
        freeze_startup_objects()
        count = self._config.workers.count
        try:
            for number in range(1, count + 1):
                self._fork(WorkerSlot(number, count))
            self._heartbeat.start()
        except OSError as error:
            self._fail(CannotStart(f"cannot fork {count} workers: {error.strerror}"))

    def stopService(self) -> Deferred[None]:  # noqa: N802
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        notify_stopping()
        self._restore()
        self._heartbeat.stop()
        if self._workers:
            self._ended = Deferred()
            for worker in self._workers.values():
                worker.channel.send(STOP)
            killing = self._reactor.callLater(STOP_TIMEOUT, self._kill)
            await self._ended
            if killing.active():
                killing.cancel()
        await self._sockets.close()
        privileged, self._privileged = self._privileged, None
        if privileged is not None:
            await privileged.store.close()

    # --- workers

    def _fork(self, slot: WorkerSlot) -> None:
        """Fork a worker for a slot. Raises OSError."""
        assert self._privileged is not None
        master_end, worker_end = socket.socketpair()
        output = forward_log(self._reactor, self._stream) if self._output is None else None
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._run_child(slot, master_end, worker_end, output)
        worker_end.close()
        if output is not None:
            output.close()
        worker = _WorkerProcess(slot, pid, self._reactor.seconds())
        worker.channel = ControlChannel(
            lambda line: self._on_message(worker, line), lambda: self._reap(worker, self._reactor.seconds())
        )
        self._workers[slot.number] = worker
        watch(self._reactor, master_end, worker.channel)

    def _run_child(
        self, slot: WorkerSlot, master_end: socket.socket, worker_end: socket.socket, output: socket.socket | None
    ) -> NoReturn:
        """Run a worker in the forked process, and never return to code of the master."""
        try:
            assert self._privileged is not None
            master_end.close()
            for other in self._workers.values():
                other.channel.close_descriptor()
            descriptor = self._output if output is None else output.fileno()
            assert descriptor is not None
            sockets = self._sockets.taken_over()
            run_worker(
                WorkerArgs(
                    self._config, slot, self._privileged, sockets, self._counters, worker_end, descriptor, self._reread
                )
            )
        finally:
            os._exit(1)

    def _on_message(self, worker: _WorkerProcess, line: bytes) -> None:
        worker.heartbeat.reset()
        if line == READY:
            worker.ready = True
            # One worker is enough: a failed start of one does not stop the server.
            notify_ready()
            _log.info("worker %d (pid %d) is ready", worker.slot.number, worker.pid)
            if not self._has_served and all(each.ready for each in self._workers.values()):
                self._has_served = True
                self._log_listening()
        elif line == WAKE:
            for other in self._workers.values():
                if other is not worker and other.ready:
                    other.channel.send(WAKE)
        elif line.startswith(FAILED):
            worker.reason = line.removeprefix(FAILED).decode(errors="replace")

    def _check_heartbeats(self) -> None:
        """Kill workers that hang, which frees their connections, claims and maildrops."""
        for worker in self._workers.values():
            if worker.heartbeat.is_hung():
                worker.hung = True
                os.kill(worker.pid, signal.SIGKILL)

    def _log_listening(self) -> None:
        for service, addresses in self._sockets.addresses():
            log_listening(self._config.hostname, service, addresses)

    def _reap(self, worker: _WorkerProcess, since: float) -> None:
        """Collect the exit status of a worker after its control channel closed at `since`."""
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if not pid:
            if self._reactor.seconds() - since > STOP_TIMEOUT:
                os.kill(worker.pid, signal.SIGKILL)
            self._reactor.callLater(_REAP_INTERVAL, self._reap, worker, since)
            return
        del self._workers[worker.slot.number]
        self._counters.detach(worker.slot.number)
        if self._ended is not None:
            if not self._workers:
                self._ended.callback(None)
        elif worker.reason and not self._has_served and not any(each.ready for each in self._workers.values()):
            # If another worker is ready, the configuration is good, and the error is temporary.
            self._fail(CannotStart(worker.reason))
        elif self.running:
            self._replace(worker, status)

    def _replace(self, worker: _WorkerProcess, status: int) -> None:
        if self._reactor.seconds() - worker.started > STABLE_AFTER:
            self._delays.pop(worker.slot.number, None)
        wait = self._fork_later(worker.slot)
        reason = worker.reason or _exit_reason(status, hung=worker.hung)
        _log.error("worker %d (pid %d) %s; restarting it in %g s", worker.slot.number, worker.pid, reason, wait)

    def _fork_later(self, slot: WorkerSlot) -> float:
        """Return the delay in seconds, which doubles each time."""
        wait = self._delays.get(slot.number, FIRST_DELAY)
        self._delays[slot.number] = min(2 * wait, MAX_DELAY)
        self._reactor.callLater(wait, self._fork_again, slot)
        return wait

    def _fork_again(self, slot: WorkerSlot) -> None:
        if not self.running or self._ended is not None:
            return
        try:
            self._fork(slot)
        except OSError as error:
            wait = self._fork_later(slot)
            _log.error("cannot fork worker %d: %s; trying again in %g s", slot.number, error.strerror, wait)

    def _kill(self) -> None:
        for worker in self._workers.values():
            _log.error("worker %d (pid %d) did not stop in time; killing it", worker.slot.number, worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    def _forward_sighup(self) -> None:
        """Make the workers reload certificates and keys."""
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGHUP)

    def _fail(self, error: CannotStart) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._failed(error)


def _exit_reason(status: int, *, hung: bool) -> str:
    """Describe a wait status for the log."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    if hung:
        return "hung and was killed"
    # Real-time signals have no name.
    return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
