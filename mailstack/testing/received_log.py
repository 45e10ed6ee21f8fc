"""Log of received letters: contents, and the last step for each recipient.

It is the environment's Journal, so it learns of each step in the reactor's thread once the step is durable. A letter
relayed from one server to the other counts once; reports that servers write count too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.letter.letter import read_all
from mailstack.store import Filter, Store, StoreError
from mailstack.testing.letter import Letter

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

ARRIVED = frozenset({"delivered", "relayed", "collected"})
"""Steps after which a recipient has the letter; the server that it is relayed to delivers before it replies 250."""
POSITION_STEPS = ARRIVED | {"deferred", "bounced", "held", "released", "removed"}
"""Steps that show where a letter is."""


class ReceivedLog:
    """All letters of one environment. Queries may come from any thread."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], None], entry_servers: frozenset[str]) -> None:
        """`entry_servers` accept letters without login that count as submitted, not as relayed."""
        self._spawn = spawn
        self._entry_servers = entry_servers
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._number = 0
        self._reading = 0
        self._letters: dict[LetterId, Letter] = {}
        self._last_steps: dict[LetterId, dict[str, Step]] = {}
        """Last POSITION_STEPS step by letter and recipient (an Address.key)."""
        self._aliases: dict[LetterId, dict[str, list[str]]] = {}
        self._changes = 0
        self._waiting: list[Deferred[None]] = []

    def read_from(self, store: Store) -> None:
        """Set the store that has the contents."""
        self._store = store

    # --- steps of the servers, in the reactor's thread

    def record(self, steps: Sequence[Step]) -> None:
        """Never raises, never waits."""
        with self._lock:
            for step in steps:
                self._record(step)
        self._notify()

    def _record(self, step: Step) -> None:
        if step.step == "submitted" or (step.step == "exchanged" and step.server in self._entry_servers):
            self._number += 1
            self._reading += 1
            self._spawn(self._read(self._number, step.letter))
        elif step.step == "routed" and step.facts.get("via") == "alias":
            targets = [key_of(target) for target in step.facts["targets"]]
            self._aliases.setdefault(step.letter, {})[key_of(step.facts["recipient"])] = targets
        elif step.step in POSITION_STEPS and "recipient" in step.facts:
            self._last_steps.setdefault(step.letter, {})[key_of(step.facts["recipient"])] = step

    async def _read(self, number: int, letter: LetterId) -> None:
        """Copies the content: a client may delete the letter by POP3 at once."""
        assert self._store is not None
        try:
            (record,) = await self._store.history.records(Filter(ids=(letter,), limit=1))
            octets = await read_all(await self._store.contents.get(letter))
            with self._lock:
                self._letters[letter] = Letter(number, record.letter, octets)
        except (KeyError, StoreError, ValueError):
            pass  # `clear` has removed it
        finally:
            self._reading -= 1
            self._notify()

    # --- queries of tests

    def letters(self) -> list[Letter]:
        """All letters, in the order of submission."""
        with self._lock:
            return sorted(self._letters.values(), key=lambda letter: letter.number)

    def clear(self) -> None:
        """Remove all letters; waits continue."""
        with self._lock:
            self._letters.clear()
            self._last_steps.clear()
            self._aliases.clear()

    def is_for(self, letter: LetterId, address: str) -> bool:
        """Whether an address (a key) is an envelope recipient, or the target of its alias."""
        with self._lock:
            recipients = set(map(key_of, self._letters[letter].recipients)) if letter in self._letters else set()
            return address in recipients or address in self._last_steps.get(letter, {})

    def has_arrived(self, letter: LetterId, address: str | None = None) -> bool:
        """Whether this recipient (a key) has the letter, an alias all of its targets; without one, any recipient."""
        with self._lock:
            last = self._last_steps.get(letter, {})
            if address is None:
                return any(step.step in ARRIVED for step in last.values())
            targets = self._aliases.get(letter, {}).get(address, [address])
            return all(target in last and last[target].step in ARRIVED for target in targets)

    def last_steps(self, letter: LetterId) -> list[Step]:
        """The last step for each recipient that has one."""
        with self._lock:
            return list(self._last_steps.get(letter, {}).values())

    async def contents_read(self) -> None:
        """Wait until all letters submitted so far are readable. In the reactor's thread."""
        while self._reading:
            await self._next_change()

    def watch(
        self,
        find: Callable[[], Coroutine[Any, Any, T | None]],
        reactor: Any,
        timeout: float,
        on_timeout: Callable[[], T],
    ) -> Future[T]:
        """Result of `find` as soon as it is not None; after `timeout` seconds the result of `on_timeout`.

        Call it in the reactor's thread; `find` and `on_timeout` are called there.
        """
        future: Future[T] = Future()
        self._spawn(self._watch(find, reactor, timeout, on_timeout, future))
        return future

    async def _watch(
        self,
        find: Callable[[], Coroutine[Any, Any, T | None]],
        reactor: Any,
        timeout: float,
        on_timeout: Callable[[], T],
        future: Future[T],
    ) -> None:
        timer = reactor.callLater(timeout, self._notify)
        try:
            while not future.cancelled():
                changes, expired = self._changes, not timer.active()
                found = await find()
                if found is None and expired:
                    found = on_timeout()
                    _settle(future, partial(future.set_result, found))
                elif found is not None:
                    _settle(future, partial(future.set_result, found))
                elif changes == self._changes:
                    await self._next_change()
                    continue
                if found is not None or expired:
                    return
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            _settle(future, partial(future.set_exception, error))
        finally:
            if timer.active():
                timer.cancel()

    async def _next_change(self) -> None:
        change: Deferred[None] = Deferred()
        self._waiting.append(change)
        await change

    def _notify(self) -> None:
        self._changes += 1
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            change.callback(None)


def _settle(future: Future[Any], set_outcome: Callable[[], None]) -> None:
    if future.set_running_or_notify_cancel():
        set_outcome()
