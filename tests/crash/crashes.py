"""One crash after the other: load, SIGKILL at a moment that the seed chooses, start again, and balance the books."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import define

from mailstack.letter import LetterId
from mailstack.store import Filter
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.crash.ledger import Ledger
from tests.crash.load import TROUBLE, Load, empty_mailbox, operate
from tests.crash.servers import Server, two_servers
from tests.journeys.process import PATIENCE

T = TypeVar("T")

SENDERS = 4
MOST_LETTERS = 120
"""Acknowledged before the kill, at most."""


@define
class Tally:
    """Of all crashes so far."""

    crashes: int = 0
    letters: int = 0
    doubtful: int = 0
    """Letters that were deleted in a session whose QUIT got no answer."""
    relayed_twice: int = 0
    """Letters that the other server has twice, since the reply to their last octet was lost (RFC 5321 §4.5.3.2.6)."""

    def __str__(self) -> str:
        return (
            f"{self.crashes} crashes, {self.letters} letters acknowledged, none lost, none doubled in a mailbox here;"
            f" {self.relayed_twice} relayed twice, {self.doubtful} deletions that QUIT did not answer for"
        )


class Crashes:
    """Two servers in a directory; `crash` is one round with them."""

    def __init__(self, directory: Path, seed: int, workers: int = 1) -> None:
        self.home, self.away = two_servers(directory, workers)
        self.tally = Tally()
        self._seed = seed
        self._ledger = Ledger()

    def crash(self, number: int) -> None:
        """The same number and seed choose the same moment, and the same servers to kill."""
        dice = random.Random(f"{self._seed}/{number}")
        victims = dice.choice([(self.home,), (self.home,), (self.away,), (self.home, self.away)])
        letters, pause = dice.randrange(1, MOST_LETTERS), dice.random() * 0.05
        workers = self.home.workers
        worker = dice.randrange(1, workers + 1) if workers > 1 and dice.random() < 0.5 else None
        self._round(f"c{number}", letters, pause, victims, worker)
        self.tally.crashes += 1

    def calm(self) -> None:
        """A round without any crash, in which nothing may be relayed twice, whatever the operator hurries."""
        before = self.tally.relayed_twice
        self._round("calm", MOST_LETTERS, 0.0, ())
        assert self.tally.relayed_twice == before, "a letter was relayed twice without a crash"

    def _round(
        self, name: str, letters: int, pause: float, victims: tuple[Server, ...], worker: int | None = None
    ) -> None:
        """So many letters acknowledged, a pause in seconds, and the kill: of whole servers, or of one worker in each."""
        for server in (self.home, self.away):
            if server.process is None:
                server.start()
        load = self._load(name)
        deadline = time.monotonic() + PATIENCE
        while len(self._ledger.acknowledged) < letters and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(pause)
        for server in victims:
            if worker is None:
                server.kill()
            else:
                server.kill_worker(worker)
        load.stop()
        for server in victims:
            if server.process is None:
                server.start()
        self._balance()

    def stop(self) -> None:
        for server in (self.home, self.away):
            server.stop()

    def _load(self, name: str) -> Load:
        load = Load(self._ledger, name)
        for number in range(SENDERS):
            recipients = (f"carol@{self.away.domain}",) if number == 0 else ("bob@home.test", "carol@away.test")
            load.send(self.home, "alice", recipients, 500)
        load.send(self.away, "dave", ("alice@home.test", "carol@away.test"), 500)
        load.read(self.home, "bob")
        load.read(self.away, "carol")
        load.operate(self.home)
        return load

    # --- afterwards

    def _balance(self) -> None:
        """Wait until nothing is owed any more, empty every mailbox, and compare."""
        ledger = self._ledger
        deadline = time.monotonic() + 2 * PATIENCE
        while any(is_owed(server) for server in (self.home, self.away)):
            assert time.monotonic() < deadline, f"letters are still owed; lost by now: {ledger.lost()}"
            for server in (self.home, self.away):
                operate(server, "queue", "retry", "--all")
        for server in (self.home, self.away):
            for reader in server.people:
                self._empty(server, reader)
        assert not ledger.lost(), f"lost: {ledger.lost()}"
        self._check_doubles()
        self.tally.letters += len(ledger.acknowledged)
        self.tally.doubtful += ledger.doubtful.total()
        ledger.close()

    def _empty(self, server: Server, reader: str) -> None:
        """The lock of a session that was cut by a crash of its client's may last a moment."""
        for _ in range(100):
            try:
                if not empty_mailbox(self._ledger, server, reader):
                    return
            except TROUBLE:
                time.sleep(0.1)
        raise AssertionError(f"the mailbox of {reader} can't be emptied")

    def _check_doubles(self) -> None:
        """Local delivery is exactly once; a letter is relayed twice only when it was tried twice (decision 5)."""
        for server, other in ((self.home, self.away), (self.away, self.home)):
            for token, mailbox in self._ledger.doubled(server.domain):
                known = self._ledger.acknowledged.get(token)
                assert known is not None, f"{token} is twice in {mailbox}, and was never acknowledged"
                attempts = attempts_of(other, known[0], mailbox)
                assert attempts > 1, f"{token} is twice in {mailbox} after {attempts} attempts"
                self.tally.relayed_twice += 1


def is_owed(server: Server) -> bool:
    """Whether anything still waits in the queue of a server."""
    return asked(server, lambda store: store.queue.next_due(f"mx.{server.domain}")) is not None


def attempts_of(server: Server, letter: str, recipient: str) -> int:
    """How often a server tried to deliver a letter to somebody; 0 when it never had it."""
    records = asked(server, lambda store: store.history.records(Filter(ids=(LetterId(letter),))))
    deliveries = [each for record in records for each in record.deliveries]
    return max((each.attempts for each in deliveries if str(each.recipient.address) == recipient), default=0)


def asked(server: Server, question: Callable[[SqliteStore], Coroutine[Any, Any, T]]) -> T:
    """What the store of a server answers, beside the server itself."""
    pump = Pump()
    store = SqliteStore(pump, server.directory / "data")
    pump.run(store.open())
    try:
        return pump.run(question(store))
    finally:
        pump.run(store.close())
