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
from mailstack.config.worker_slot import WorkerSlot
from mailstack.net.clock import keep_steady
from mailstack.net.log import Stream
from mailstack.net.process import on_sighup, tell_ready, tell_stopping
from mailstack.net.reactor_patches import freeze_startup_objects
from mailstack.policy.counters import mmap_counters
from mailstack.server.privileged_setup import CannotStart, PrivilegedResources, ServiceUser, prepare
from mailstack.server.service import announce
from mailstack.server.workers.control_channel import (
    FAILED,
    READY,
    STOP,
    WAKE,
    ControlChannel,
    HeartbeatMonitor,
    HeartbeatSender,
    relay_log,
    watch,
)
from mailstack.server.workers.sockets import Sockets
from mailstack.server.workers.worker import WorkerArgs, run_worker

_log = logging.getLogger(__name__)

STEADY = 60.0
"""Seconds after which a worker that ends is no sign of trouble with the next one."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Seconds before a worker that ended is replaced; each is twice the one before it."""
LAST_PATIENCE = 25.0
"""Seconds that workers have to end in, before they are killed."""
_REAPING = 0.02


class _WorkerProcess:
    """One worker as the master sees it. States: starting, ready, ended."""

    def __init__(self, seat: WorkerSlot, pid: int, begun: float) -> None:
        self.seat = seat
        self.pid = pid
        self.begun = begun
        self.ready = False
        self.why = ""
        """Why it could not start."""
        self.hung = False
        self.pulse = HeartbeatMonitor()
        self.lifeline: ControlChannel


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
        """`output`: the descriptor that workers may write their log to; None: it comes here, for `stream`."""
        self._reread = reread
        self._reactor = reactor
        keep_steady(reactor)
        self._config = config
        self._stream = stream
        self._failed = failed
        self._owner = owner
        self._output = output
        self._premises: PrivilegedResources | None = None
        self._sockets = Sockets(reactor)
        self._counters = mmap_counters(config.workers.count, reactor.seconds)
        self._workers: dict[int, _WorkerProcess] = {}
        """Workers by slot number."""
        self._waits: dict[int, float] = {}
        self._served = False
        """Whether all workers have been ready once."""
        self._gave_up = False
        self._ended: Deferred[None] | None = None
        self._beats = HeartbeatSender(reactor, config.workers.hung_after, self._feel_pulses)
        self._restore: Callable[[], object] = lambda: None

    def privilegedStartService(self) -> None:  # noqa: N802
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            self._premises = prepare(self._config, self._reactor, self._owner)
            self._sockets.bind(self._config)
        except CannotStart as why:
            self._fail(why)
            return
        # From here on, for a hangup ends a process that does not hear it.
        self._restore = on_sighup(lambda: self._reactor.callFromThread(self._hang_up))

    def startService(self) -> None:  # noqa: N802
        super().startService()  # type: ignore[no-untyped-call]
        if self._gave_up:
            return
        # What is never looked at again is shared with the workers for as long as they live.
        freeze_startup_objects()
        count = self._config.workers.count
        try:
            for number in range(1, count + 1):
                self._employ(WorkerSlot(number, count))
            self._beats.start()
        except OSError as error:
            self._fail(CannotStart(f"{count} workers can't be forked: {error.strerror}"))

    def stopService(self) -> Deferred[None]:  # noqa: N802
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        tell_stopping()
        self._restore()
        self._beats.stop()
        if self._workers:
            self._ended = Deferred()
            for worker in self._workers.values():
                worker.lifeline.say(STOP)
            killing = self._reactor.callLater(LAST_PATIENCE, self._kill)
            await self._ended
            if killing.active():
                killing.cancel()
        await self._sockets.close()
        premises, self._premises = self._premises, None
        if premises is not None:
            await premises.store.close()

    # --- workers

    def _employ(self, seat: WorkerSlot) -> None:
        """Fork a worker for a seat."""
        assert self._premises is not None
        ours, theirs = socket.socketpair()
        output = relay_log(self._reactor, self._stream) if self._output is None else None
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_worker(seat, ours, theirs, output)
        theirs.close()
        if output is not None:
            output.close()
        worker = _WorkerProcess(seat, pid, self._reactor.seconds())
        worker.lifeline = ControlChannel(
            lambda line: self._hear(worker, line), lambda: self._reap(worker, self._reactor.seconds())
        )
        self._workers[seat.number] = worker
        watch(self._reactor, ours, worker.lifeline)

    def _be_worker(
        self, seat: WorkerSlot, ours: socket.socket, theirs: socket.socket, output: socket.socket | None
    ) -> NoReturn:
        """In the process that was forked. Nothing leads from here back into the master's code."""
        try:
            assert self._premises is not None
            ours.close()
            for other in self._workers.values():
                other.lifeline.let_go()
            descriptor = self._output if output is None else output.fileno()
            assert descriptor is not None
            sockets = self._sockets.taken_over()
            run_worker(
                WorkerArgs(
                    self._config, seat, self._premises, sockets, self._counters, theirs, descriptor, self._reread
                )
            )
        finally:
            os._exit(1)

    def _hear(self, worker: _WorkerProcess, line: bytes) -> None:
        worker.pulse.heard()
        if line == READY:
            worker.ready = True
            # Not only when all are: one that can't begin does not keep the others from serving.
            tell_ready()
            _log.info("worker %d (pid %d) is ready", worker.seat.number, worker.pid)
            if not self._served and all(each.ready for each in self._workers.values()):
                self._served = True
                self._announce()
        elif line == WAKE:
            for other in self._workers.values():
                if other is not worker and other.ready:
                    other.lifeline.say(WAKE)
        elif line.startswith(FAILED):
            worker.why = line.removeprefix(FAILED).decode(errors="replace")

    def _feel_pulses(self) -> None:
        """A worker that hangs holds connections, claims and maildrops: all of them are free when it is killed."""
        for worker in self._workers.values():
            if worker.pulse.is_gone():
                worker.hung = True
                os.kill(worker.pid, signal.SIGKILL)

    def _announce(self) -> None:
        for service, addresses in self._sockets.addresses():
            announce(self._config.hostname, service, addresses)

    def _reap(self, worker: _WorkerProcess, since: float) -> None:
        """Its lifeline is cut since then: it has ended, or will in a moment."""
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if not pid:
            if self._reactor.seconds() - since > LAST_PATIENCE:
                os.kill(worker.pid, signal.SIGKILL)
            self._reactor.callLater(_REAPING, self._reap, worker, since)
            return
        del self._workers[worker.seat.number]
        self._counters.detach(worker.seat.number)
        if self._ended is not None:
            if not self._workers:
                self._ended.callback(None)
        elif worker.why and not self._served and not any(each.ready for each in self._workers.values()):
            # Where another one serves, what kept this one from it is no fault of the configuration, and passes.
            self._fail(CannotStart(worker.why))
        elif self.running:
            self._replace(worker, status)

    def _replace(self, worker: _WorkerProcess, status: int) -> None:
        if self._reactor.seconds() - worker.begun > STEADY:
            self._waits.pop(worker.seat.number, None)
        wait = self._employ_later(worker.seat)
        why = worker.why or _how_it_ended(status, hung=worker.hung)
        _log.error("worker %d (pid %d) %s; another follows in %g s", worker.seat.number, worker.pid, why, wait)

    def _employ_later(self, seat: WorkerSlot) -> float:
        """In how many seconds; each time it takes longer."""
        wait = self._waits.get(seat.number, FIRST_WAIT)
        self._waits[seat.number] = min(2 * wait, LONGEST_WAIT)
        self._reactor.callLater(wait, self._employ_again, seat)
        return wait

    def _employ_again(self, seat: WorkerSlot) -> None:
        if not self.running or self._ended is not None:
            return
        try:
            self._employ(seat)
        except OSError as error:
            wait = self._employ_later(seat)
            _log.error("worker %d can't be forked: %s; tried again in %g s", seat.number, error.strerror, wait)

    def _kill(self) -> None:
        for worker in self._workers.values():
            _log.error("worker %d (pid %d) does not end, and is killed", worker.seat.number, worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    def _hang_up(self) -> None:
        """Pass it on, for the workers to read the certificates again."""
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGHUP)

    def _fail(self, why: CannotStart) -> None:
        if not self._gave_up:
            self._gave_up = True
            self._failed(why)


def _how_it_ended(status: int, *, hung: bool) -> str:
    """For people, from what the system says of a process."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    if hung:
        return "hung, and was killed"
    # Not every signal has a name.
    return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
