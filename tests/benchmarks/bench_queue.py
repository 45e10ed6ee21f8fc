"""Measures a long queue: `python -m tests.benchmarks.bench_queue [--letters N…] [--start N…]`.

How what a letter costs grows with the queue: accepting one, looking for what is due, claiming it, reading and settling
it, among 10^3 to 10^6 letters that wait for later, in milliseconds of the clock for each letter; and the start of a
server with 1,000 and with 100,000 letters that are all due, for a host that is down, and what memory it takes. Prints
one JSON object a line.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mailstack.letter.letter import Octets, read_all
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.benchmarks.bench_memory import rss
from tests.benchmarks.figures import print_json
from tests.benchmarks.letters import SERVER, incoming, next_day, relayed, run_all
from tests.benchmarks.table import ballast
from tests.journeys import process

DUE = 200


def fill(directory: Path, letters: int, *, domains: int, due: float, size: int = 4096) -> None:
    """Put letters into the queue of a store as accepting them would, but much faster."""
    pump: Any = Pump()
    store = SqliteStore(pump, directory)
    pump.run(store.open())
    model = incoming(time.time(), 0, relayed=True)
    letter, (delivery,) = model.letter.id, model.deliveries
    small = replace(model.letter, content=Octets(b"x" * size))
    model = replace(model, letter=small, deliveries=(replace(delivery, due=due),))
    pump.run(store.queue.accept(model))
    pump.run(store.close())
    with ballast.opened(directory) as connection:
        name = ballast.numbered(letter)
        changed = {"id": name, "letter": name, "destination": f"'d' || (n % {domains}) || '.test'"}
        for table, key in (("letters", "id"), ("contents", "letter"), ("deliveries", "letter")):
            ballast.copy(connection, table, key, changed, model=letter, count=letters - 1)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def grow(letters: int, rounds: int = 5) -> None:
    """What a letter costs among so many that wait for later: the medians of a few rounds of DUE letters."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        fill(directory, letters, domains=1000, due=time.time() + 86400, size=72)
        pump: Any = Pump()
        # One takes letters, the other has them go, so that contents are read as after a restart.
        store, other = SqliteStore(pump, directory), SqliteStore(pump, directory)
        for each in (store, other):
            pump.run(each.open())
        spent: dict[str, list[float]] = {"accept": [], "look": [], "claim": [], "read": [], "settle": []}
        for _ in range(rounds):
            for name, seconds in one_round(pump, store, other):
                spent[name].append(seconds)
        for each in (store, other):
            pump.run(each.close())
        costs = {f"{name}_ms": statistics.median(times) / DUE * 1e3 for name, times in spent.items() if name != "look"}
        print_json(waiting=letters, look_ms=statistics.median(spent["look"]) * 1e3, **costs)


def one_round(pump: Any, store: SqliteStore, other: SqliteStore) -> Iterator[tuple[str, float]]:
    """DUE letters of 4 KB on their way through the queue, and the seconds of each part of it."""
    begun = time.perf_counter()
    run_all(pump, [store.queue.accept(incoming(time.time(), 0, relayed=True)) for _ in range(DUE)])
    yield "accept", time.perf_counter() - begun
    begun = time.perf_counter()
    pump.run(other.next_due(SERVER))
    yield "look", time.perf_counter() - begun
    begun = time.perf_counter()
    claims = pump.run(other.queue.claim(SERVER, "me", time.time(), limit=DUE, lease=60, next_due=next_day))
    yield "claim", time.perf_counter() - begun
    assert len(claims) == DUE
    begun = time.perf_counter()
    for claim in claims:
        pump.run(read_all(claim.letter.content))
    yield "read", time.perf_counter() - begun
    settlements = [relayed(delivery) for claim in claims for delivery in claim.deliveries]
    begun = time.perf_counter()
    assert pump.run(other.settle_together(settlements)) == [None] * DUE
    yield "settle", time.perf_counter() - begun


CONFIG = """
hostname = "mx.home.test"
data = "data"
domains = ["home.test"]
[listen]
submission = ["tcp:0:interface=127.0.0.1"]
mx = ["tcp:0:interface=127.0.0.1"]
pop3 = ["tcp:0:interface=127.0.0.1"]
[relay.routes]
"*" = "127.0.0.1:9"
"""


def start(letters: int) -> None:
    """A server with that many letters in its queue, all for a host that is down."""
    with tempfile.TemporaryDirectory() as folder:
        config, data = Path(folder) / "mailstack.toml", Path(folder) / "data"
        config.write_text(CONFIG)
        data.mkdir(mode=0o700)
        fill(data, letters, domains=1000, due=time.time() - 60)
        begun = time.perf_counter()
        server = process.serve(config)
        ready, most = time.perf_counter() - begun, 0.0
        with server:
            for _ in range(100):
                time.sleep(0.1)
                most = max(most, rss(server.process.pid))
            server.stop()
        print_json(queued=letters, ready_s=ready, most_rss_mib=most)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--letters", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--start", type=int, nargs="*", default=[1_000, 100_000])
    given = parser.parse_args()
    for letters in given.letters:
        grow(letters)
    for letters in given.start:
        start(letters)


if __name__ == "__main__":
    main()
