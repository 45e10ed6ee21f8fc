"""What it costs PostgreSQL to be rid of letters, with tables as they are and partitioned by time: `python -m tests.benchmarks.bench_deletes`.

Each way has a database of its own with the history of a month (`--history` letters). There it is measured what a letter
takes to be accepted, to be claimed and relayed, to be collected and deleted, to be forgotten (or to go with its day's
partition), and to be cleaned up after (VACUUM); and how long others wait while the oldest days are forgotten. At last
letters come and go for long (`--rounds`): do the tables stay as large as they are? Everything but the partitions
themselves is done by the store, whose statements need not know of them.
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
from attrs import define, frozen

from mailstack.letter import LetterId, new_letter_id
from mailstack.letter.letter import seeded_ids
from mailstack.store.schema import tables
from tests.benchmarks.database_work import SETTINGS, Work
from tests.benchmarks.passing import DAY, Life
from tests.postgresql.cluster import Cluster
from tests.postgresql.server import Server

DAYS = 30
HOT = {"letters": "id", "contents": "letter", "deliveries": "letter", "steps": "letter"}
"""The tables whose keys begin with a letter's id. That of `entries` begins with a mailbox."""
HISTORY = ("letters", "deliveries", "steps")
TABLES = (*HOT, "entries", "mailboxes", "commits")


# --- databases


def partition(url: str, now: float) -> None:
    """A partition for each day of the history, and for today and tomorrow, of each table whose key allows it."""
    with psycopg.connect(url) as connection:
        for table, key in HOT.items():
            connection.execute(f"CREATE TABLE parted (LIKE {table} INCLUDING ALL) PARTITION BY RANGE ({key})".encode())
            connection.execute(f"DROP TABLE {table}".encode())
            connection.execute(f"ALTER TABLE parted RENAME TO {table}".encode())
            for day in range(DAYS + 2):
                first, end = (first_id(now + (day - DAYS + more) * DAY) for more in (0, 1))
                connection.execute(
                    f"CREATE TABLE {table}_{day} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{end}')".encode()
                )


def first_id(at: float) -> LetterId:
    """The lowest id of a moment."""
    with seeded_ids(lambda _: 0):
        return new_letter_id(at)


def fill(url: str, letters: int, now: float) -> None:
    """The history of DAYS days until now, of letters like the only one that is there."""
    columns = {table.name: table.columns for table in tables()}
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE aged (aged_id TEXT, aged_at DOUBLE PRECISION)")
        with connection.cursor().copy("COPY aged FROM STDIN") as copying:
            for number in range(letters):
                at = now - DAYS * DAY + number * DAYS * DAY / letters
                copying.write_row((new_letter_id(at), at))
        for table in HISTORY:
            new = {HOT[table]: "aged_id", "arrived": "aged_at", "at": "aged_at"}
            connection.execute(f"CREATE TEMPORARY TABLE sample AS SELECT * FROM {table}".encode())
            chosen = ", ".join(new.get(name, name) for name in columns[table])
            connection.execute(
                f"INSERT INTO {table} ({', '.join(columns[table])}) SELECT {chosen} FROM aged, sample".encode()
            )
            connection.execute("DROP TABLE sample")


@frozen
class Month:
    """A database with the history of DAYS days."""

    name: str
    url: str
    now: float
    partitioned: bool

    def end(self, day: int) -> float:
        return self.now - (DAYS - 1 - day) * DAY

    def letters(self, day: int) -> int:
        """That are left of it."""
        return self._count("SELECT count(*) FROM letters WHERE arrived >= %s AND arrived < %s", day)

    def forget(self, life: Life, day: int) -> int:
        """How many letters went."""
        if not self.partitioned:
            return life.forget(self.end(day))
        count = self.letters(day)
        # A partition can go once nobody keeps a letter of it.
        assert not self._count(
            """SELECT count(*) FROM letters AS l WHERE arrived >= %s AND arrived < %s AND (
                EXISTS (SELECT 1 FROM entries AS e WHERE e.letter = l.id)
                OR EXISTS (SELECT 1 FROM deliveries AS d WHERE d.letter = l.id AND d.waits_until IS NOT NULL))""",
            day,
        )
        # Each by itself: all at once is a deadlock with whoever reads or writes two of them.
        with psycopg.connect(self.url, autocommit=True) as connection:
            for table in HOT:
                connection.execute(f"DROP TABLE {table}_{day}".encode())
        return count

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

    def _count(self, statement: str, day: int) -> int:
        with psycopg.connect(self.url) as connection:
            found = connection.execute(statement.encode(), (self.end(day - 1), self.end(day))).fetchone()
        assert found is not None
        return int(found[0])


@define
class Subject:
    """A month on a server of its own."""

    month: Month
    cluster: Cluster

    @classmethod
    @contextlib.contextmanager
    def made(cls, history: int, *, partitioned: bool, autovacuum: str = "off") -> Iterator[Subject]:
        now = time.time()
        # Its defaults, but that it looks each 10 s: here a day passes in a minute. Where it is off, its cost is seen.
        settings = {**SETTINGS, "autovacuum": autovacuum, "autovacuum_naptime": "10s"}
        with Cluster(settings) as cluster, Server.of(cluster).database() as url:
            with Life.over(url):
                pass
            if partitioned:
                partition(url, now)
            with Life.over(url) as life:
                life.accept(1)
                life.collect()
            fill(url, history, now)
            subject = cls(Month("partitioned" if partitioned else "as they are", url, now, partitioned), cluster)
            subject.vacuum("ANALYZE")
            yield subject

    def vacuum(self, how: str = "") -> None:
        with psycopg.connect(self.cluster.url(self.month.url.rpartition("/")[2]), autocommit=True) as connection:
            connection.execute(f"VACUUM {how}".encode())

    def measure(self, what: str, letters: int, do: Callable[[], object]) -> None:
        before, begun = Work.of(self.cluster), time.perf_counter()
        do()
        spent = time.perf_counter() - begun
        work = Work.of(self.cluster).since(before, letters)
        print(  # noqa: T201
            f"| {what} | {self.month.name} | {letters:,} | {work.seconds * 1000:.3f} ms | {work.statements:.3f}"
            f" | {work.log_octets / 1000:.2f} KB | {spent / letters * 1000:.3f} ms |",
            flush=True,
        )


# --- what is measured

_COSTS = """
| each letter | tables | letters | database: processor time | statements | log | the clock |
| --- | --- | --- | --- | --- | --- | --- |"""


def costs(subject: Subject, letters: int) -> None:
    """What a letter takes, and what it takes to be rid of it."""
    month, measure = subject.month, subject.measure
    with Life.over(month.url) as life:
        life.accept(1000)
        life.accept(1000, relayed=True)
        life.collect()
        life.relay()
        measure("is accepted into a mailbox", letters, lambda: life.accept(letters))
        measure("is collected and deleted", letters, life.collect)
        measure("is accepted for another host", letters, lambda: life.accept(letters, relayed=True))
        measure("is claimed and relayed", letters, life.relay)
        measure("is cleaned up after (VACUUM)", 2 * letters, subject.vacuum)
        _forget(subject, life, 0, "is forgotten, with its day")
        if not month.partitioned:
            month.keep_every_other(6)
            _forget(subject, life, 5, "is forgotten, and as many are kept in mailboxes")


def _forget(subject: Subject, life: Life, last: int, what: str) -> None:
    days = range(last + 1)
    before = sum(map(subject.month.letters, days))
    begun, work = time.perf_counter(), Work.of(subject.cluster)
    for day in days if subject.month.partitioned else [last]:
        subject.month.forget(life, day)
    gone = before - sum(map(subject.month.letters, days))
    spent = Work.of(subject.cluster).since(work, gone)
    clock = (time.perf_counter() - begun) / gone
    print(  # noqa: T201
        f"| {what} | {subject.month.name} | {gone:,} | {spent.seconds * 1000:.3f} ms | {spent.statements:.3f}"
        f" | {spent.log_octets / 1000:.2f} KB | {clock * 1000:.3f} ms |",
        flush=True,
    )
    subject.measure("is cleaned up after that (VACUUM)", gone, subject.vacuum)


_WAITS = """
| while | tables | accepted: median | 99 of 100 | slowest | claimed: median | 99 of 100 | slowest |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def waits(subject: Subject, seconds: float) -> None:
    """How long one who accepts and one who claims wait, with nothing else to do and while days are forgotten."""
    spawning = multiprocessing.get_context("spawn")
    for forgetting in (False, True):
        over, told = spawning.Event(), spawning.Queue()
        other = spawning.Process(target=_forget_days, args=(subject.month, over, told))
        with Life.over(subject.month.url) as life:
            life.accept(4000, relayed=True)
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
        print(f"| {what} | {subject.month.name} | {cells} |", flush=True)  # noqa: T201
        if forgetting:
            other.join()


def _timed(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return (time.perf_counter() - begun) * 1000


def _told(milliseconds: list[float]) -> str:
    ranks = statistics.quantiles(milliseconds, n=100)
    return f"{ranks[49]:.1f} ms | {ranks[98]:.1f} ms | {max(milliseconds):.1f} ms"


def _forget_days(month: Month, over: Any, told: Any) -> None:
    """In a process of its own: one day after the other, until it is over."""
    with Life.over(month.url, owner="") as life:
        told.put("ready")
        count = 0
        try:
            for day in range(6, DAYS):
                if not over.is_set():
                    count += month.forget(life, day)
        finally:
            told.put(count)


def churn(history: int, rounds: int, letters: int) -> None:
    """Letters come and go, and as many old ones are forgotten."""
    print(  # noqa: T201
        f"\n| round | database: processor time of a letter | {' | '.join(TABLES)} |\n{'| --- ' * (len(TABLES) + 2)}|"
    )
    with Subject.made(history, partitioned=False, autovacuum="on") as subject, Life.over(subject.month.url) as life:
        for number in range(rounds + 1):
            before = Work.of(subject.cluster)
            if number:
                life.accept(letters // 2)
                life.accept(letters // 2, relayed=True)
                life.collect()
                life.relay()
                life.forget(_oldest(subject.month.url, letters))
            work = Work.of(subject.cluster).since(before, letters)
            cells = " | ".join(sizes(subject.month.url))
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
    with contextlib.ExitStack() as stack:
        ways = [] if given.parts == ["churn"] else [False, True]
        subjects = [stack.enter_context(Subject.made(given.history, partitioned=way)) for way in ways]
        if "costs" in given.parts:
            print(_COSTS)  # noqa: T201
            for subject in subjects:
                costs(subject, given.letters)
        if "waits" in given.parts:
            print(_WAITS)  # noqa: T201
            for subject in subjects:
                waits(subject, given.seconds)
    if "churn" in given.parts:
        churn(given.history, given.rounds, given.letters)


if __name__ == "__main__":
    main()
