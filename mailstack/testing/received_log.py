"""Log of received letters: contents, and the last step for each recipient.

It is the environment's Journal, so it learns of each step in the reactor's thread once the step is durable. A letter
relayed from one server to the other counts once; reports that servers write count too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.letter.letter import read_all
from mailstack.store import Filter, Store, StoreError
from mailstack.testing.change_waiter import ChangeWaiter
from mailstack.testing.letter import Letter

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
        self.changes = ChangeWaiter(spawn)
        """Waits for new letters and steps, and for changes of mailboxes."""

    def read_from(self, store: Store) -> None:
        """Set the store that has the contents."""
        self._store = store

    # --- steps of the servers, in the reactor's thread

    def record(self, steps: Sequence[Step]) -> None:
        """Never raises, never waits."""
        with self._lock:
            for step in steps:
                self._record(step)
        self.changes.notify()

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
            self.changes.notify()

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
            await self.changes.next_change()
