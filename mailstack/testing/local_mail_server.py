"""A mail server for tests: everything that `mailstack dev` runs, on free ports, with what a test asks of it.

    with Server() as server:
        send_reset_mail("bob@home.test", host=server.capture.host, port=server.capture.port)
        letter = server.wait_for_letter(to="bob@home.test", subject="Reset")
        open_page(letter.link())

It runs in a thread of its own, beside whatever the test runs; all its methods may be called in any thread.
"""

from __future__ import annotations

import atexit
import math
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self, TypeVar, Unpack

from msgspec.structs import replace

from mailstack.config import Schedule
from mailstack.letter import LetterId
from mailstack.letter.delivery import OWED
from mailstack.letter.durations import Duration, read_duration
from mailstack.mailbox.index.items import ItemFilter
from mailstack.net.clock import ReactorClock
from mailstack.queue.admin import QueueAdmin
from mailstack.sandbox.dev import CAPTURE, HOME, WORLD, DevEnvironment, DevSettings
from mailstack.store import Filter
from mailstack.testing.addresses import ServerAddresses
from mailstack.testing.certificates import keys_directory
from mailstack.testing.criteria import LetterCriteria, NoSuchLetter, Wish
from mailstack.testing.faults import ServerFaults
from mailstack.testing.journey import Journey
from mailstack.testing.letter import Letter
from mailstack.testing.reactor_thread import Background, background
from mailstack.testing.received_log import ReceivedLog
from mailstack.testing.thread_results import awaited, is_in_loop
from mailstack.testing.waiter import LetterWaiter

T = TypeVar("T")

LONGEST_WAIT = 4 * 3600.0
"""Seconds between two attempts at a letter, at most."""
TIMEOUT = 10.0
"""Seconds that a letter is waited for, unless the test says otherwise."""
MOST_WAITING = 100_000
"""Letters that `clear` takes out of the queue."""
JOURNEY = 300.0
"""Seconds that `advance` may take."""
GRACE = 5.0
"""Seconds more until a wait that the servers do not end has failed."""
GOODBYE = 0.2
"""Seconds that connections left open may take at the end."""


class LocalMailServer(ServerAddresses):
    """Two mail servers, yours and the rest of the world's, and their DNS. `start` and `stop`, or a `with` block.

    It is new and empty, and used once: for the next test make another, that takes some 30 ms.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        any_password: bool = False,
        weak_mechanisms: bool = False,
        scram: bool = False,
        retry: float | str = 0.2,
        give_up: float | str = 10.0,
    ) -> None:
        """Nothing happens yet.

        `any_password`, `weak_mechanisms` and `scram` are those of `mailstack dev`. A letter that another host puts off
        is tried again after `retry`, then after twice that, and so on, and bounces after `give_up`; in seconds, or as "5d".
        Raises ValueError.
        """
        first, last = _seconds(retry), _seconds(give_up)
        schedule = Schedule(
            first=Duration(first),
            longest=Duration(max(first, min(LONGEST_WAIT, last / 2))),
            warn_after=Duration(0),
            give_up_after=Duration(last),
        )
        self._settings = DevSettings(
            host=host,
            port_base=0,
            any_password=any_password,
            weak_mechanisms=weak_mechanisms,
            scram=scram,
            schedule=schedule,
        )
        self._background: Background | None = None
        self._environment: DevEnvironment | None = None
        self._ledger: ReceivedLog | None = None
        self.faults = ServerFaults(lambda: self._running.faults, self._there)
        """What is to go wrong: `server.faults.add(at="rcpt", reply="451 4.3.0 not now", times=2)`."""

    # --- its life

    def start(self) -> Self:
        """Bind the ports; it works when this returns. Raises twisted.internet.error.CannotListenError, OSError."""
        if self._environment is not None:
            raise RuntimeError("this server has been started; make another for another test")
        self._background = ground = background()
        try:
            ground.call(self._start)
        except BaseException:
            with suppress(Exception):
                self.stop()
            raise
        # Who forgets to stop it leaves nothing behind all the same.
        atexit.register(self.stop)
        return self

    async def _start(self) -> None:
        assert self._background is not None
        reactor = self._background.reactor
        self._ledger = ledger = ReceivedLog(ReactorClock(reactor).spawn, frozenset({CAPTURE}))
        self._environment = environment = DevEnvironment(
            reactor, replace(self._settings, keys=keys_directory()), ledger
        )
        ledger.read_from(environment.store)
        await environment.start()

    def stop(self) -> None:
        """Close the ports and forget all. Harmless when it was not started, or was stopped."""
        if self._environment is not None and self._background is not None and self._background.process == os.getpid():
            environment, self._environment = self._environment, None
            atexit.unregister(self.stop)
            self._background.call(lambda: environment.stop(GOODBYE))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- who is there

    def add_account(self, address: str, password: str) -> None:
        """Somebody who may send and receive from now on; `alice@home.test` (`alice`) and `bob@home.test` may already.

        Raises ValueError for what is no address, and store.Conflict for one that is there.
        """
        self._call(lambda: self._running.add_account(address, password))

    def add_alias(self, address: str, *targets: str) -> None:
        """Have letters for an address of home.test go to others, here or elsewhere. Raises as `add_account`."""
        self._call(lambda: self._running.add_alias(address, targets))

    # --- what came

    @property
    def letters(self) -> list[Letter]:
        """Every letter that was handed in, and every report, in order: there once the client has heard 250."""

        async def look() -> list[Letter]:
            await self._book.settled()
            return self._book.letters()

        return self._call(look)

    def wait_for_letter(self, *, timeout: float = TIMEOUT, **wish: Unpack[Wish]) -> Letter:
        """The first letter that fits and has reached its reader's mailbox, within `timeout` seconds.

        `wish` is any of `to`, `subject`, `sender`, `query`, `after`, as `Wish` has them. Raises NoSuchLetter, which tells
        what came instead.
        """
        return self.wait_for_letters(1, timeout=timeout, **wish)[0]

    def wait_for_letters(self, count: int, *, timeout: float = TIMEOUT, **wish: Unpack[Wish]) -> list[Letter]:
        """The first `count` letters that fit, in the order in which they were handed in; see `wait_for_letter`."""
        return self._result(self._when(LetterCriteria.of(**wish), count, timeout, blocks=is_in_loop()), timeout)

    def assert_no_letter(self, *, within: float = 0.5, **wish: Unpack[Wish]) -> None:
        """No such letter is here, and none is handed in within so many seconds. Raises NoSuchLetter for the first."""
        self._result(self._never(LetterCriteria.of(**wish), within), within)

    async def wait_for_letter_async(self, *, timeout: float = TIMEOUT, **wish: Unpack[Wish]) -> Letter:
        """`wait_for_letter` for coroutines of asyncio and Twisted: their loop turns meanwhile."""
        return (await self.wait_for_letters_async(1, timeout=timeout, **wish))[0]

    async def wait_for_letters_async(
        self, count: int, *, timeout: float = TIMEOUT, **wish: Unpack[Wish]
    ) -> list[Letter]:
        """`wait_for_letters` for coroutines."""
        return await awaited(self._when(LetterCriteria.of(**wish), count, timeout, blocks=False))

    async def assert_no_letter_async(self, *, within: float = 0.5, **wish: Unpack[Wish]) -> None:
        """`assert_no_letter` for coroutines."""
        await awaited(self._never(LetterCriteria.of(**wish), within))

    def journey(self, letter: Letter | str) -> Journey:
        """What happened to a letter, or to the one of this id, step by step and across all servers. Raises LookupError."""
        from mailstack.store.journey import journey_of  # noqa: PLC0415 - few tests need it

        wanted = LetterId(letter if isinstance(letter, str) else letter.id)
        found = self._call(lambda: journey_of(self._running.store, wanted))
        if found is None:
            raise LookupError(f"no server here knows a letter {wanted}")
        return Journey(found)

    def advance(self, span: float | str) -> None:
        """Move its time ahead (seconds, or "5d"): retries, notices and bounces that are due in it happen now, in order.

        Connections keep the real time. Raises ValueError, and travel.Delayed where something does not come to its end.
        """
        self._running  # noqa: B018 - says so when it does not run
        self._ground.call(lambda: self._running.travel.advance(span), JOURNEY)

    def clear(self) -> None:
        """Forget every letter: those of before can't be waited for, read, or arrive. Accounts and aliases stay."""
        self._call(self._clear)

    async def _clear(self) -> None:
        store = self._running.store
        await self._book.settled()
        waiting = await store.records(Filter(states=OWED, limit=MOST_WAITING))
        await QueueAdmin(store, self._ground.reactor.seconds).remove([record.letter.id for record in waiting])
        for server in (HOME, WORLD, CAPTURE):
            await store.prune(server, before=math.inf, keep=0)
        await self._running.index.delete(ItemFilter())
        self._book.clear()

    def report(self) -> str:
        """What came, and where it is, for whoever reads of a test that failed."""

        async def look() -> str:
            await self._book.settled()
            return self._lookout.report()

        return self._call(look)

    # --- inside

    @property
    def _running(self) -> DevEnvironment:
        if self._environment is None:
            raise RuntimeError(
                "this server does not run: use it within its `with` block, or between start() and stop()"
            )
        return self._environment

    @property
    def _ground(self) -> Background:
        assert self._background is not None
        if self._background.process != os.getpid():
            raise RuntimeError("this server runs in the parent of this process: wait for letters there")
        return self._background

    @property
    def _book(self) -> ReceivedLog:
        assert self._ledger is not None
        return self._ledger

    @property
    def _lookout(self) -> LetterWaiter:
        return LetterWaiter(self._ground.reactor, self._running, self._book)

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._running  # noqa: B018 - says so when it does not run
        return self._ground.call(work)

    def _when(self, wanted: LetterCriteria, count: int, timeout: float, *, blocks: bool) -> Future[list[Letter]]:
        return self._settled(lambda: self._lookout.when(wanted, count, timeout, blocks=blocks))

    def _never(self, wanted: LetterCriteria, within: float) -> Future[None]:
        return self._settled(lambda: self._lookout.never(wanted, within))

    def _there(self, work: Callable[[], T]) -> T:
        async def done() -> T:
            return work()

        return self._call(done)

    def _settled(self, work: Callable[[], T]) -> T:
        async def done() -> T:
            await self._book.settled()
            return work()

        return self._call(done)

    def _result(self, future: Future[T], timeout: float) -> T:
        try:
            return future.result(timeout + GRACE)
        except TimeoutError:
            future.cancel()
            raise NoSuchLetter(
                "the servers were too busy to say whether a letter came: is something blocking?"
            ) from None


def _seconds(span: float | str) -> float:
    return float(read_duration(span) if isinstance(span, str) else span)
