"""The ledger of a server under test: which letters were handed in, what became of each, and who waits for what.

It is the environment's Journal, so it hears of everything in the reactor's thread, when it is durable. A letter that
travels from server to server is one letter, the one that was handed in; reports that servers write are letters too.
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
from mailstack.letter.content import read_all
from mailstack.letter.step import Step
from mailstack.store import Filter, Store, StoreError
from mailstack.testing.letter import Letter

T = TypeVar("T")

ARRIVED = frozenset({"delivered", "relayed", "collected"})
"""Steps after which a recipient has his letter; the server that it is relayed to delivers before it says 250."""
TELLING = ARRIVED | {"deferred", "bounced", "held", "released", "removed"}


class ReceivedLog:
    """All letters of one environment. What is asked of it may be asked in any thread."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], None], handed_in_at: frozenset[str]) -> None:
        """`handed_in_at` are servers where a letter by SMTP without login is one that was handed in, not passed on."""
        self._spawn = spawn
        self._handed_in_at = handed_in_at
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._number = 0
        self._reading = 0
        self._letters: dict[LetterId, Letter] = {}
        self._last: dict[LetterId, dict[str, Step]] = {}
        """Of each letter and recipient (an Address.key) the last step that tells where it is."""
        self._aliases: dict[LetterId, dict[str, list[str]]] = {}
        self._changes = 0
        self._waiting: list[Deferred[None]] = []

    def read_from(self, store: Store) -> None:
        """Where the letters are."""
        self._store = store

    # --- what the servers tell, in the reactor's thread

    def tell(self, steps: Sequence[Step]) -> None:
        """Never raises, never waits."""
        with self._lock:
            for step in steps:
                self._note(step)
        self._look()

    def _note(self, step: Step) -> None:
        if step.step == "submitted" or (step.step == "exchanged" and step.server in self._handed_in_at):
            self._number += 1
            self._reading += 1
            self._spawn(self._read(self._number, step.letter))
        elif step.step == "routed" and step.facts.get("via") == "alias":
            targets = [key_of(target) for target in step.facts["targets"]]
            self._aliases.setdefault(step.letter, {})[key_of(step.facts["recipient"])] = targets
        elif step.step in TELLING and "recipient" in step.facts:
            self._last.setdefault(step.letter, {})[key_of(step.facts["recipient"])] = step

    async def _read(self, number: int, letter: LetterId) -> None:
        """Its octets are kept here, for a reader may delete it by POP3 at once."""
        assert self._store is not None
        try:
            (record,) = await self._store.records(Filter(ids=(letter,), limit=1))
            octets = await read_all(await self._store.content(letter))
            with self._lock:
                self._letters[letter] = Letter(number, record.letter, octets)
        except (KeyError, StoreError, ValueError):
            pass  # it was cleared away meanwhile
        finally:
            self._reading -= 1
            self._look()

    # --- what tests ask

    def letters(self) -> list[Letter]:
        """In the order in which they were handed in."""
        with self._lock:
            return sorted(self._letters.values(), key=lambda letter: letter.number)

    def clear(self) -> None:
        """Forget all; who waits goes on waiting."""
        with self._lock:
            self._letters.clear()
            self._last.clear()
            self._aliases.clear()

    def is_for(self, letter: LetterId, address: str) -> bool:
        """Whether an address (a key) is one that the letter was sent to, or that an alias led to."""
        with self._lock:
            named = set(map(key_of, self._letters[letter].recipients)) if letter in self._letters else set()
            return address in named or address in self._last.get(letter, {})

    def has_arrived(self, letter: LetterId, address: str | None = None) -> bool:
        """Whether this recipient (a key), or without one any, has it; of an alias all that it leads to."""
        with self._lock:
            last = self._last.get(letter, {})
            if address is None:
                return any(step.step in ARRIVED for step in last.values())
            finals = self._aliases.get(letter, {}).get(address, [address])
            return all(final in last and last[final].step in ARRIVED for final in finals)

    def standing(self, letter: LetterId) -> list[Step]:
        """The last step for each recipient of which there is one."""
        with self._lock:
            return list(self._last.get(letter, {}).values())

    async def settled(self) -> None:
        """Return when all that was handed in so far can be seen. In the reactor's thread."""
        while self._reading:
            await self._change()

    def watch(
        self, find: Callable[[], Coroutine[Any, Any, T | None]], reactor: Any, timeout: float, late: Callable[[], T]
    ) -> Future[T]:
        """What `find` gives as soon as it is not None; after `timeout` seconds what `late` gives or raises.

        In the reactor's thread; both are called there.
        """
        future: Future[T] = Future()
        self._spawn(self._watch(find, reactor, timeout, late, future))
        return future

    async def _watch(
        self,
        find: Callable[[], Coroutine[Any, Any, T | None]],
        reactor: Any,
        timeout: float,
        late: Callable[[], T],
        future: Future[T],
    ) -> None:
        timer = reactor.callLater(timeout, self._look)
        try:
            while not future.cancelled():
                seen, expired = self._changes, not timer.active()
                found = await find()
                if found is None and expired:
                    found = late()
                    _settle(future, partial(future.set_result, found))
                elif found is not None:
                    _settle(future, partial(future.set_result, found))
                elif seen == self._changes:
                    await self._change()
                    continue
                if found is not None or expired:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits shall have it
            _settle(future, partial(future.set_exception, error))
        finally:
            if timer.active():
                timer.cancel()

    async def _change(self) -> None:
        """Return at the next change."""
        change: Deferred[None] = Deferred()
        self._waiting.append(change)
        await change

    def _look(self) -> None:
        self._changes += 1
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)


def _settle(future: Future[Any], tell: Callable[[], None]) -> None:
    if future.set_running_or_notify_cancel():
        tell()
