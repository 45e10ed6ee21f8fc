"""Measures a long queue: `python -m tests.benchmarks.bench_queue [--letters N…] [--start N…] [--relay N]`.

How what a letter costs grows with the queue: accepting one, looking for what is due, claiming it, reading and settling
it, among 10^3 to 10^6 letters that wait for later, in milliseconds of the clock for each letter; the start of a server with 1,000 and with 100,000
letters that are all due, for a host that is down, and what memory it takes; and, where smtp-sink (Postfix) is installed,
how fast 5,000 letters of 4 KB leave the queue for one host, by 1 and by 100 domains. Prints one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Acceptance, Change, Settlement, rows
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.benchmarks.bench_memory import rss
from tests.journeys import process

SERVER = "mx.home.test"
DUE = 200
PATIENCE = 600.0


def fill(directory: Path, letters: int, *, domains: int, due: float, first: int = 0, size: int = 4096) -> None:
    """Put letters into the queue of a store as accepting them would, but much faster."""
    pump: Any = Pump()
    store = SqliteStore(pump, directory)
    pump.run(store.open())
    now, letter = time.time(), new_letter_id(time.time())
    recipient = Recipient(Address("carol", "d0.test"))
    envelope = Envelope(Address("alice", "home.test"), (recipient,))
    content = Octets(b"Subject: hello\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72))
    only = Acceptance(
        Letter(letter, envelope, content, Arrival(now, SERVER, "ESMTP")),
        (Delivery(letter, 0, recipient, "d0.test", due=due),),
        (Step(letter, now, SERVER, "submitted", {}),),
    )
    pump.run(store.accept(only))
    pump.run(store.close())
    connection = sqlite3.connect(directory / DATABASE)
    connection.execute("PRAGMA synchronous = OFF")
    series = f"WITH RECURSIVE n (n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM n WHERE n < {first + letters - 1})"
    name = f"substr('{letter}', 1, 7) || printf('%08d', n)"
    columns = {"id": name, "letter": name, "destination": f"'d' || (n % {domains}) || '.test'"}
    for table, key, names in (
        ("letters", "id", rows.LETTER),
        ("contents", "letter", ("letter", "file", "octets")),
        ("deliveries", "letter", rows.DELIVERY_ROW),
    ):
        values = ", ".join(columns.get(column, column) for column in names)
        connection.execute(
            f"{series} INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}, n WHERE {key} = ?",
            (letter,),
        )
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (letter,))
    connection.commit()
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
        tell({"waiting": letters, "look_ms": statistics.median(spent["look"]) * 1e3, **costs})


def one_round(pump: Any, store: SqliteStore, other: SqliteStore) -> Iterator[tuple[str, float]]:
    """DUE letters of 4 KB on their way through the queue, and the seconds of each part of it."""
    begun = time.perf_counter()
    for waiting in [pump.start(store.accept(due_now())) for _ in range(DUE)]:
        finish(pump, waiting)
    yield "accept", time.perf_counter() - begun
    begun = time.perf_counter()
    pump.run(other.next_due(SERVER))
    yield "look", time.perf_counter() - begun
    begun = time.perf_counter()
    work = other.claim(SERVER, "me", time.time(), limit=DUE, lease=60, next_due=lambda one, at: at + 9e5)
    claims = pump.run(work)
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


def due_now() -> Acceptance:
    letter = new_letter_id(time.time())
    recipient = Recipient(Address("carol", "d0.test"))
    content = Octets(b"Subject: hello\r\n\r\n" + (b"x" * 70 + b"\r\n") * 56)
    return Acceptance(
        Letter(letter, Envelope(Address("alice", "home.test"), (recipient,)), content, Arrival(0, SERVER, "ESMTP")),
        (Delivery(letter, 0, recipient, "d0.test", due=time.time() - 60),),
        (Step(letter, time.time(), SERVER, "submitted", {}),),
    )


def relayed(delivery: Delivery) -> Settlement:
    after = replace(delivery, state=DeliveryState.RELAYED, claimed_by=None)
    return Settlement((Change(delivery, after),), (), (Step(delivery.letter, time.time(), SERVER, "relayed", {}),))


def finish(pump: Any, waiting: list[Any]) -> None:
    while not waiting:
        pump._calls.get(timeout=PATIENCE)()


CONFIG = """
hostname = "mx.home.test"
data = "data"
domains = ["home.test"]
[listen]
submission = ["tcp:0:interface=127.0.0.1"]
mx = ["tcp:0:interface=127.0.0.1"]
pop3 = ["tcp:0:interface=127.0.0.1"]
[relay.routes]
"*" = "127.0.0.1:{port}"
"""


def serve(folder: str, letters: int, domains: int, port: int) -> tuple[process.Process, float]:
    """A server with that many letters in its queue, and how many seconds it took to listen."""
    config = Path(folder) / "mailstack.toml"
    config.write_text(CONFIG.format(port=port))
    (Path(folder) / "data").mkdir(mode=0o700)
    fill(Path(folder) / "data", letters, domains=domains, due=time.time() - 60)
    begun = time.perf_counter()
    server, _ = process.serve(config)
    return server, time.perf_counter() - begun


def start(letters: int) -> None:
    """The host that these letters are for is down."""
    with tempfile.TemporaryDirectory() as folder:
        server, ready = serve(folder, letters, 1000, 9)
        with server:
            most = 0.0
            for _ in range(100):
                time.sleep(0.1)
                most = max(most, rss(server.process.pid))
            server.stop()
        tell({"queued": letters, "ready_s": ready, "most_rss_mib": most})


def relay(letters: int, domains: int, port: int = 19_598) -> None:
    """From the queue to smtp-sink, which counts what it gets."""
    sink_command = ["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{port}", "500"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(sink_command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sink,
    ):
        server, _ = serve(folder, letters, domains, port)
        begun = time.perf_counter()
        with server:
            connection = sqlite3.connect(f"file:{folder}/data/{DATABASE}?mode=ro", uri=True)
            owed = "SELECT COUNT(*) FROM deliveries WHERE waits_until IS NOT NULL"
            while connection.execute(owed).fetchone()[0] and time.perf_counter() - begun < PATIENCE:
                time.sleep(0.05)
            spent = time.perf_counter() - begun
            connection.close()
            cpu = sum(map(int, Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
            server.stop()
        sink.terminate()
        tell({"relayed": letters, "domains": domains, "letters_per_s": letters / spent, "cpu_ms": cpu * 10 / letters})


def tell(measured: dict[str, float]) -> None:
    rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in measured.items()}
    sys.stdout.write(json.dumps(rounded) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--letters", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--start", type=int, nargs="*", default=[1_000, 100_000])
    parser.add_argument("--relay", type=int, default=5_000)
    given = parser.parse_args()
    for letters in given.letters:
        grow(letters)
    for letters in given.start:
        start(letters)
    if given.relay and shutil.which("smtp-sink"):
        for domains in (1, 100):
            relay(given.relay, domains)


if __name__ == "__main__":
    main()
