"""What it costs PostgreSQL to be rid of letters: `python -m tests.benchmarks.bench_deletes`.

In a database with the history of a month (`--history` letters) it is measured what a letter takes to be accepted, to be
claimed and relayed, to be collected and deleted, to be forgotten, and to be cleaned up after (VACUUM); and how long
others wait while the oldest days are forgotten. At last letters come and go for long (`--rounds`): do the tables stay as
large as they are?
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from attrs import frozen

from mailstack.letter import new_letter_id
from mailstack.store.schema import tables
from tests.benchmarks.database_work import SETTINGS, Work
from tests.benchmarks.passing import Life
from tests.postgresql.cluster import Cluster
from tests.postgresql.server import Server

DAY = 86_400.0
DAYS = 30
KEYS = {"letters": "id", "deliveries": "letter", "steps": "letter"}
"""Of the tables with the history: the columns with a letter's id."""
TABLES = ("letters", "contents", "deliveries", "steps", "entries", "mailboxes", "commits")


# --- the database


def fill(url: str, letters: int, now: float) -> None:
    """The history of DAYS days until now, of letters like the only one that is there."""
    columns = {table.name: table.columns for table in tables()}
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE aged (aged_id TEXT, aged_at DOUBLE PRECISION)")
        with connection.cursor().copy("COPY aged FROM STDIN") as copying:
            for number in range(letters):
                at = now - DAYS * DAY + number * DAYS * DAY / letters
                copying.write_row((new_letter_id(at), at))
        for table, key in KEYS.items():
            new = {key: "aged_id", "arrived": "aged_at", "at": "aged_at"}
            connection.execute(f"CREATE TEMPORARY TABLE sample AS SELECT * FROM {table}".encode())
            chosen = ", ".join(new.get(name, name) for name in columns[table])
            connection.execute(
                f"INSERT INTO {table} ({', '.join(columns[table])}) SELECT {chosen} FROM aged, sample".encode()
            )
            connection.execute("DROP TABLE sample")


@frozen
class Month:
    """A database with the history of DAYS days, on a server of its own."""

    url: str
    now: float
    cluster: Cluster

    @classmethod
    @contextlib.contextmanager
    def made(cls, history: int, *, autovacuum: str = "off") -> Iterator[Month]:
        now = time.time()
        # Its defaults, but that it looks each 10 s: here a day passes in a minute. Where it is off, its cost is seen.
        settings = {**SETTINGS, "autovacuum": autovacuum, "autovacuum_naptime": "10s"}
        with Cluster(settings) as cluster, Server.of(cluster).database() as url:
            with Life.over(url) as life:
                life.accept(1)
                life.collect()
            fill(url, history, now)
            month = cls(url, now, cluster)
            month.vacuum("ANALYZE")
            yield month

    def end(self, day: int) -> float:
        return self.now - (DAYS - 1 - day) * DAY

    def vacuum(self, how: str = "") -> None:
        with psycopg.connect(self.cluster.url(self.url.rpartition("/")[2]), autocommit=True) as connection:
            connection.execute(f"VACUUM {how}".encode())

    def keep_every_other(self, days: int) -> None:
        """Every second letter of the first days is in a mailbox still."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                """INSERT INTO entries (mailbox, uid, letter, number, size, at, headers)
                    SELECT m.id, 1000000 + l.place, l.id, 0, 4000, 0, '' FROM (SELECT min(id) AS id FROM mailboxes) AS m,
                    (SELECT id, row_number() OVER (ORDER BY arrived) AS place FROM letters WHERE arrived < %s) AS l
                    WHERE l.place %% 2 = 0""",
                (self.end(days - 1),),
            )

    def measure(self, what: str, do: Callable[[], Any], letters: int = 0) -> int:
        """Prints what each of so many letters took, or of as many as `do` returns; returns their number."""
        before, begun = Work.of(self.cluster), time.perf_counter()
        letters = do() or letters
        spent = time.perf_counter() - begun
        work = Work.of(self.cluster).since(before, letters)
        print(  # noqa: T201
            f"| {what} | {letters:,} | {work.seconds * 1000:.3f} ms | {work.statements:.3f}"
            f" | {work.log_octets / 1000:.2f} KB | {spent / letters * 1000:.3f} ms |",
            flush=True,
        )
        return letters


# --- what is measured

_COSTS = """
| each letter | letters | database: processor time | statements | log | the clock |
| --- | --- | --- | --- | --- | --- |"""


def costs(month: Month, letters: int) -> None:
    """What a letter takes, and what it takes to be rid of it."""
    with Life.over(month.url) as life:
        life.accept(1000)
        life.accept(1000, away=True)
        life.collect()
        life.relay()
        month.measure("is accepted into a mailbox", lambda: life.accept(letters), letters)
        month.measure("is collected and deleted", life.collect, letters)
        month.measure("is accepted for another host", lambda: life.accept(letters, away=True), letters)
        month.measure("is claimed and relayed", life.relay, letters)
        month.measure("is cleaned up after (VACUUM)", month.vacuum, 2 * letters)
        _forget(month, life, 0, "is forgotten, with its day")
        month.keep_every_other(6)
        _forget(month, life, 5, "is forgotten, and as many are kept in mailboxes")


def _forget(month: Month, life: Life, last: int, what: str) -> None:
    gone = month.measure(what, lambda: life.forget(month.end(last)))
    month.measure("is cleaned up after that (VACUUM)", month.vacuum, gone)


_WAITS = """
| while | accepted: median | 99 of 100 | slowest | claimed: median | 99 of 100 | slowest |
| --- | --- | --- | --- | --- | --- | --- |"""


def waits(month: Month, seconds: float) -> None:
    """How long one who accepts and one who claims wait, with nothing else to do and while days are forgotten."""
    spawning = multiprocessing.get_context("spawn")
    for forgetting in (False, True):
        over, told = spawning.Event(), spawning.Queue()
        other = spawning.Process(
            target=_forget_days, args=(month.url, list(map(month.end, range(6, DAYS))), over, told)
        )
        with Life.over(month.url) as life:
            life.accept(4000, away=True)
            life.accept(200)
            if forgetting:
                other.start()
                told.get(timeout=60)
            accepted, claimed = list[float](), list[float]()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                accepted.append(_timed(lambda: life.accept(1)))
                claimed.append(_timed(lambda: life.claim(2)))
                time.sleep(0.005)
            over.set()
            what = f"{told.get(timeout=600):,} letters are forgotten" if forgetting else "nothing else is done"
        cells = " | ".join(map(_told, (accepted, claimed)))
        print(f"| {what} | {cells} |", flush=True)  # noqa: T201
        if forgetting:
            other.join()


def _timed(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return (time.perf_counter() - begun) * 1000


def _told(milliseconds: list[float]) -> str:
    ranks = statistics.quantiles(milliseconds, n=100)
    return f"{ranks[49]:.1f} ms | {ranks[98]:.1f} ms | {max(milliseconds):.1f} ms"


def _forget_days(url: str, ends: list[float], over: Any, told: Any) -> None:
    """In a process of its own: one day after the other, until it is over."""
    with Life.over(url, owner="") as life:
        told.put("ready")
        count = 0
        try:
            for end in ends:
                if not over.is_set():
                    count += life.forget(end)
        finally:
            told.put(count)


def churn(history: int, rounds: int, letters: int) -> None:
    """Letters come and go, and as many old ones are forgotten."""
    print(  # noqa: T201
        f"\n| round | database: processor time of a letter | {' | '.join(TABLES)} |\n{'| --- ' * (len(TABLES) + 2)}|"
    )
    with Month.made(history, autovacuum="on") as month, Life.over(month.url) as life:
        for number in range(rounds + 1):
            before = Work.of(month.cluster)
            if number:
                life.accept(letters // 2)
                life.accept(letters // 2, away=True)
                life.collect()
                life.relay()
                life.forget(_oldest(month.url, letters))
            work = Work.of(month.cluster).since(before, letters)
            cells = " | ".join(sizes(month.url))
            print(f"| {number} | {work.seconds * 1000:.3f} ms | {cells} |", flush=True)  # noqa: T201


def sizes(url: str) -> Iterator[str]:
    """Of each table, with what is too long for its rows, and with its indexes."""
    with psycopg.connect(url) as connection:
        for table in TABLES:
            rows, indexes, dead, runs = connection.execute(
                """SELECT pg_table_size(relid), pg_indexes_size(relid), n_dead_tup, autovacuum_count
                    FROM pg_stat_user_tables WHERE relname = %s""",
                (table,),
            ).fetchone() or (0, 0, 0, 0)
            yield f"{rows / 1e6:.1f} + {indexes / 1e6:.1f} MB, {dead:,} dead, {runs} runs"


def _oldest(url: str, letters: int) -> float:
    """The time before which so many letters arrived."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT arrived FROM letters ORDER BY arrived OFFSET %s LIMIT 1", (letters,))
        return float((found.fetchone() or (0,))[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.bench_deletes", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--history", type=int, default=300_000, help="letters of a month")
    parser.add_argument("--letters", type=int, default=10_000, help="that come and go")
    parser.add_argument("--seconds", type=float, default=15.0, help="of waiting that is looked at")
    parser.add_argument("--rounds", type=int, default=10, help="of coming and going")
    parser.add_argument("--parts", choices=["costs", "waits", "churn"], nargs="+", default=["costs", "waits", "churn"])
    given = parser.parse_args()
    if given.parts != ["churn"]:
        with Month.made(given.history) as month:
            if "costs" in given.parts:
                print(_COSTS)  # noqa: T201
                costs(month, given.letters)
            if "waits" in given.parts:
                print(_WAITS)  # noqa: T201
                waits(month, given.seconds)
    if "churn" in given.parts:
        churn(given.history, given.rounds, given.letters)


if __name__ == "__main__":
    main()
