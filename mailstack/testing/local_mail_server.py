"""Mail server for tests: the `mailstack dev` environment on free ports.

Tests send to it, wait for letters and inspect them.

    with LocalMailServer() as server:
        send_reset_mail("bob@home.test", host=server.capture.host, port=server.capture.port)
        letter = server.wait_for_letter(to="bob@home.test", subject="Reset")
        open_page(letter.link())

It runs in a thread of its own. All methods may be called from any thread.
"""

from __future__ import annotations

import atexit
import math
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ClassVar, Self, TypeVar, Unpack

from msgspec.structs import replace

from mailstack.accounts.passwords import PasswordError
from mailstack.config import ScheduleSettings
from mailstack.letter import AddressError, LetterId
from mailstack.letter.delivery import OWED
from mailstack.letter.times import Duration, read_duration
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import BadQuery
from mailstack.net.clock import ReactorClock
from mailstack.queue.admin import QueueAdmin
from mailstack.sandbox.arguments import parse_address
from mailstack.sandbox.dev import CAPTURE, HOME, WORLD, DevEnvironment, DevSettings
from mailstack.sandbox.dev.settings import HOME_DOMAIN
from mailstack.sandbox.dev.time_travel import ClockBusy
from mailstack.store import Conflict, Filter
from mailstack.testing.certificates import key_directory
from mailstack.testing.letter import Journey, Letter
from mailstack.testing.mail_folder import NoSuchFlag, NoSuchMessage
from mailstack.testing.reactor_thread import TIMEOUT_S, ReactorThread, awaited, is_in_loop, shared_reactor_thread
from mailstack.testing.received_log import ReceivedLog
from mailstack.testing.server_access import ServerAccess
from mailstack.testing.server_interface import ServerAddresses, ServerFaults
from mailstack.testing.user_mailbox import UserMailbox
from mailstack.testing.waiter import LetterCriteria, LetterKeywords, LetterWaiter, NoSuchLetter

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

MAX_RETRY_S = 4 * 3600.0
"""Maximum seconds between two attempts to deliver a letter."""
TIMEOUT = 10.0
"""Default seconds to wait for a letter."""
MAX_CLEARED = 100_000
"""Maximum number of letters that `clear` removes from the queue."""
ADVANCE_TIMEOUT_S = 300.0
"""Maximum real seconds of one `advance`."""
GRACE_S = 5.0
"""Seconds beyond the timeout of a wait after which the reactor thread counts as blocked."""
EXPECTED_ERRORS = (NoSuchLetter, NoSuchFlag, NoSuchMessage, AddressError, PasswordError, Conflict, BadQuery, ClockBusy)
"""Errors that explain themselves: their frames in the reactor's thread are cut off."""
CLOSE_TIMEOUT_S = 0.2
"""Seconds for open connections to end when the server stops."""


class LocalMailServer(ServerAddresses):
    """Two mail servers, your own and one for all other domains, and their DNS: `start` and `stop`, or a `with` block.

    It starts empty and is used once; a new one for the next test starts in some 30 ms.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        any_password: bool = False,
        weak_mechanisms: bool = False,
        scram: bool = False,
        imap_profile: str = "",
        retry: float | str = 0.2,
        give_up: float | str = 10.0,
    ) -> None:
        """`any_password`, `weak_mechanisms`, `scram` and `imap_profile` are options of `mailstack dev`.

        A deferred letter is retried after `retry`, then after twice that, and so on, and bounces after `give_up`: both
        in seconds, or as "5d". Raises ValueError.
        """
        first, last = _seconds(retry), _seconds(give_up)
        schedule = ScheduleSettings(
            first=Duration(first),
            longest=Duration(max(first, min(MAX_RETRY_S, last / 2))),
            warn_after=Duration(0),
            give_up_after=Duration(last),
        )
        self._settings = DevSettings(
            host=host,
            port_base=0,
            any_password=any_password,
            weak_mechanisms=weak_mechanisms,
            scram=scram,
            imap_profile=imap_profile,
            schedule=schedule,
        )
        self._settings.provider  # noqa: B018 - raises for an unknown one
        self._thread: ReactorThread | None = None
        self._environment: DevEnvironment | None = None
        self._received_log: ReceivedLog | None = None
        self.faults = ServerFaults(lambda: self._running.faults, self._run)
        """Faults to inject: `server.faults.add(at="rcpt", reply="451 4.3.0 not now", times=2)`."""

    def start(self) -> Self:
        """Listen on all ports; ready on return. Raises twisted.internet.error.CannotListenError, OSError."""
        if self._environment is not None:
            raise RuntimeError("this server was started before; create a new LocalMailServer for each test")
        self._thread = thread = shared_reactor_thread()
        try:
            thread.call(self._start)
        except BaseException:
            with suppress(Exception):
                self.stop()
            raise
        # A server that a test does not stop leaves no files behind.
        atexit.register(self.stop)
        return self

    async def _start(self) -> None:
        assert self._thread is not None
        reactor = self._thread.reactor
        self._received_log = received = ReceivedLog(ReactorClock(reactor).spawn, frozenset({CAPTURE}))
        self._environment = environment = DevEnvironment(
            reactor, replace(self._settings, keys=key_directory()), received
        )
        received.read_from(environment.store)
        environment.store.mailboxes.on_change(lambda _: received.changes.notify())
        await environment.start()

    def stop(self) -> None:
        """Close the ports and delete all data; does nothing unless it runs."""
        if self._environment is not None and self._thread is not None and self._thread.process == os.getpid():
            environment, self._environment = self._environment, None
            atexit.unregister(self.stop)
            self._thread.call(lambda: environment.stop(CLOSE_TIMEOUT_S))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_account(self, address: str, password: str) -> None:
        """Add an account; `alice@home.test` (password `alice`) and `bob@home.test` (`bob`) are there from the start.

        A name without @ is in home.test. Raises ValueError for an invalid address, and store.Conflict for an existing one.
        """
        account = str(parse_address(address, HOME_DOMAIN))
        self._call(lambda: self._running.add_account(account, password))

    def add_alias(self, address: str, *targets: str) -> None:
        """Forward an address of home.test to other addresses, local or remote. Raises as `add_account`."""
        alias, *leads_to = [str(parse_address(each, HOME_DOMAIN)) for each in (address, *targets)]
        self._call(lambda: self._running.add_alias(alias, leads_to))

    def mailbox(self, address: str) -> UserMailbox:
        """The mailbox of an address, with its folders. Raises LookupError for an address of home.test without one."""
        access = ServerAccess(lambda: self._running, self._call, self._watch, self._result, self._awaited)
        return UserMailbox(access, address)

    @property
    def letters(self) -> list[Letter]:
        """All submitted letters and all reports, in order. A letter is here as soon as its client has the 250 reply."""
        return self._run_settled(self._received.letters)

    def wait_for_letter(self, *, timeout: float = TIMEOUT, **keywords: Unpack[LetterKeywords]) -> Letter:
        """The first letter that matches and has reached its recipient's mailbox, within `timeout` seconds.

        `keywords` are `to`, `subject`, `sender`, `query` and `after` of `LetterKeywords`. Raises NoSuchLetter, which
        lists the letters that arrived instead.
        """
        criteria = LetterCriteria.from_keywords("wait_for_letter", "timeout", keywords)
        return self._result(self._wait(criteria, 1, timeout, blocks=is_in_loop()), timeout)[0]

    def wait_for_letters(
        self, count: int, *, timeout: float = TIMEOUT, **keywords: Unpack[LetterKeywords]
    ) -> list[Letter]:
        """The first `count` letters that match, in the order of submission; see `wait_for_letter`."""
        criteria = LetterCriteria.from_keywords("wait_for_letters", "timeout", keywords)
        return self._result(self._wait(criteria, count, timeout, blocks=is_in_loop()), timeout)

    def assert_no_letter(self, *, within: float = 0.5, **keywords: Unpack[LetterKeywords]) -> None:
        """Raises NoSuchLetter if a letter that matches is here, or is submitted within `within` seconds."""
        criteria = LetterCriteria.from_keywords("assert_no_letter", "within", keywords)
        self._result(self._watch_for_none(criteria, within), within)

    async def wait_for_letter_async(self, *, timeout: float = TIMEOUT, **keywords: Unpack[LetterKeywords]) -> Letter:
        """`wait_for_letter` for coroutines of asyncio and Twisted; doesn't block their loop."""
        criteria = LetterCriteria.from_keywords("wait_for_letter_async", "timeout", keywords)
        return (await self._awaited(self._wait(criteria, 1, timeout, blocks=False)))[0]

    async def wait_for_letters_async(
        self, count: int, *, timeout: float = TIMEOUT, **keywords: Unpack[LetterKeywords]
    ) -> list[Letter]:
        """`wait_for_letters` for coroutines."""
        criteria = LetterCriteria.from_keywords("wait_for_letters_async", "timeout", keywords)
        return await self._awaited(self._wait(criteria, count, timeout, blocks=False))

    async def assert_no_letter_async(self, *, within: float = 0.5, **keywords: Unpack[LetterKeywords]) -> None:
        """`assert_no_letter` for coroutines."""
        criteria = LetterCriteria.from_keywords("assert_no_letter_async", "within", keywords)
        await self._awaited(self._watch_for_none(criteria, within))

    def journey(self, letter: Letter | str) -> Journey:
        """The journey of a letter, or of the letter with this id, across all servers. Raises LookupError."""
        from mailstack.store.journey import journey_of  # noqa: PLC0415 - few tests need it

        letter_id = LetterId(letter if isinstance(letter, str) else letter.id)
        found = self._call(lambda: journey_of(self._running.store, letter_id))
        if found is None:
            raise LookupError(f"there is no message {letter_id} on this server")
        return Journey(found)

    def advance(self, span: float | str) -> None:
        """Move the server's clock ahead (seconds, or "5d"): retries, delay notices and bounces due by then happen now.

        Timeouts of connections run in real time. Raises ValueError, and ClockBusy if an action doesn't finish.
        """
        try:
            seconds = _seconds(span)
        except ValueError as error:
            raise ValueError(f"advance() takes {error}, or seconds, and got {span!r}") from None
        self._call(lambda: self._running.travel.advance(seconds), ADVANCE_TIMEOUT_S)

    def clear(self) -> None:
        """Delete all letters, in mailboxes and in the queue. Accounts and aliases stay."""
        self._call(self._clear)

    async def _clear(self) -> None:
        store = self._running.store
        await self._received.contents_read()
        waiting = await store.history.records(Filter(states=OWED, limit=MAX_CLEARED))
        await QueueAdmin(store, self._reactor_thread.reactor.seconds).remove([record.letter.id for record in waiting])
        for server in (HOME, WORLD, CAPTURE):
            await store.history.prune(server, before=math.inf, keep=0)
        await self._running.index.soft_delete(ItemFilter())
        self._received.clear()

    def report(self) -> str:
        """The letters and where each is, as text, for the report of a failed test."""
        return self._run_settled(self._waiter.report)

    @property
    def _running(self) -> DevEnvironment:
        if self._environment is None:
            raise RuntimeError("the server isn't running: use it in its `with` block, or between start() and stop()")
        return self._environment

    @property
    def _reactor_thread(self) -> ReactorThread:
        assert self._thread is not None
        if self._thread.process != os.getpid():
            raise RuntimeError("the server runs in the parent process: use it there")
        return self._thread

    @property
    def _received(self) -> ReceivedLog:
        assert self._received_log is not None
        return self._received_log

    @property
    def _waiter(self) -> LetterWaiter:
        return LetterWaiter(self._reactor_thread.reactor, self._running, self._received)

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]], timeout: float = TIMEOUT_S) -> T:
        self._running  # noqa: B018 - raises unless it runs
        try:
            return self._reactor_thread.call(work, timeout)
        except EXPECTED_ERRORS as error:
            raise error.with_traceback(None) from None

    def _wait(self, criteria: LetterCriteria, count: int, timeout: float, *, blocks: bool) -> Future[list[Letter]]:
        return self._run_settled(lambda: self._waiter.wait(criteria, count, timeout, blocks=blocks))

    def _watch_for_none(self, criteria: LetterCriteria, within: float) -> Future[None]:
        return self._run_settled(lambda: self._waiter.watch_for_none(criteria, within))

    def _watch(
        self, find: Callable[[], Coroutine[Any, Any, T | None]], timeout: float, on_timeout: Callable[[], T]
    ) -> Future[T]:
        changes, reactor = self._received.changes, self._reactor_thread.reactor
        return self._run(lambda: changes.watch(find, reactor, timeout, on_timeout))

    def _run(self, work: Callable[[], T]) -> T:
        """Result of a function that is called in the reactor's thread."""

        async def run() -> T:
            return work()

        return self._call(run)

    def _run_settled(self, work: Callable[[], T]) -> T:
        """`_run`, once all letters submitted so far are readable."""

        async def run() -> T:
            await self._received.contents_read()
            return work()

        return self._call(run)

    def _result(self, future: Future[T], timeout: float) -> T:
        try:
            return future.result(timeout + GRACE_S)
        except EXPECTED_ERRORS as error:
            raise error.with_traceback(None) from None
        except TimeoutError:
            future.cancel()
            raise NoSuchLetter("the mail server did not respond in time: is something blocking its thread?") from None

    async def _awaited(self, future: Future[T]) -> T:
        try:
            return await awaited(future)
        except EXPECTED_ERRORS as error:
            raise error.with_traceback(None) from None


def _seconds(span: float | str) -> float:
    return float(read_duration(span) if isinstance(span, str) else span)


class MailstackMixin:
    """A mail server for each test of a unittest class: `self.mailstack`. It precedes the framework's class.

    class ResetTest(MailstackMixin, unittest.TestCase):
        def test_a_reset_is_mailed(self):
            ask_for_reset("bob@home.test", smtp=self.mailstack.capture)
            self.mailstack.wait_for_letter(to="bob@home.test", subject="Reset")
    """

    mailstack: LocalMailServer
    mailstack_options: ClassVar[dict[str, Any]] = {}
    """Arguments of LocalMailServer."""
    addCleanup: Callable[..., Any]  # noqa: N815 - unittest's name

    def setUp(self) -> None:
        """Start the server; the framework stops it after the test."""
        super().setUp()  # type: ignore[misc]
        self.mailstack = LocalMailServer(**self.mailstack_options).start()
        self.addCleanup(self.mailstack.stop)
