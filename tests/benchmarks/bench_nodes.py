"""How fast one server is with one node, two and four over one PostgreSQL, what the database does for a letter; and with SQLite.

`python -m tests.benchmarks.bench_nodes [--nodes 1 2 4] [--sessions 100] [--letters 4000] [--rounds 3]`. Letters of 4 KB
to a hundred mailboxes (accept; journey: until all are read over POP3 as well), and to another host (relay: until all are
there). All are measured in turn, again and again, for machines change from minute to minute.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import poplib
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from attrs import define, field

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.database_work import SETTINGS, Looks, Work, statements_of
from tests.benchmarks.letters import MAILBOXES, TEXT
from tests.benchmarks.table.processes import processor_time
from tests.nodes.far import FarHost
from tests.nodes.judge import drain
from tests.nodes.node import Node
from tests.postgresql.cluster import Cluster
from tests.postgresql.server import Server

READERS = 20
PATIENCE = 300.0
RELAYED = '[relay]\nfrom = ["127.0.0.1"]\n'


@define
class Measured:
    """What a deployment did in each round."""

    rates: list[float] = field(factory=list)
    """Letters a second."""
    costs: list[float] = field(factory=list)
    """Milliseconds of processor time of all nodes, for a letter."""
    works: list[Work] = field(factory=list)
    """Of the database, for a letter."""
    waits: Counter[str] = field(factory=Counter)
    """What its processes were seen to wait for."""

    def __str__(self) -> str:
        middle = statistics.median
        rates = f"{middle(self.rates):,.0f} ({min(self.rates):,.0f} to {max(self.rates):,.0f})"
        cells = [rates, f"{middle(self.costs):.2f} ms"]
        if self.works:
            cells += [f"{middle([each.seconds * 1000 for each in self.works]):.2f} ms"]
            cells += [f"{middle([each.statements for each in self.works]):.2f}"]
            cells += [f"{middle([each.commits for each in self.works]):.3f}"]
            cells += [f"{middle([each.log_octets for each in self.works]) / 1000:.1f} KB"]
        return " | ".join(cells + ["-"] * (6 - len(cells)))


@define
class Deployment:
    """Some nodes over one store."""

    name: str
    nodes: list[Node]
    cluster: Cluster | None = None
    looks: bool = False
    """Whether it is looked at what the processes of the database wait for."""
    results: dict[str, Measured] = field(factory=dict)

    def ports(self, service: str) -> list[int]:
        return [node.ports[service] for node in self.nodes]

    def measure(self, what: str, letters: int, do: Callable[[], None]) -> None:
        """One round of something."""
        measured = self.results.setdefault(what, Measured())
        before = Work.of(self.cluster) if self.cluster is not None else None
        spent, begun = self._processor_time(), time.perf_counter()
        with self._looks(measured):
            do()
        measured.rates.append(letters / (time.perf_counter() - begun))
        measured.costs.append((self._processor_time() - spent) / letters * 1000)
        if self.cluster is not None and before is not None:
            measured.works.append(Work.of(self.cluster).since(before, letters))

    @contextlib.contextmanager
    def _looks(self, measured: Measured) -> Iterator[None]:
        """The rate is worse for it, by the same for all."""
        if self.cluster is None or not self.looks:
            yield
            return
        with Looks(self.cluster.url()) as looks:
            yield
        measured.waits += looks.waits

    def _processor_time(self) -> float:
        return processor_time(node.process.pid for node in self.nodes if node.process is not None)


# --- what is measured


def accept(deployment: Deployment, crowd: Crowd, letters: int, _: OtherHost) -> None:
    """Each letter is in its mailbox when it is answered."""
    deployment.measure(f"accept, {crowd.sessions} sessions", letters, lambda: crowd.send(letters) and None)  # type: ignore[func-returns-value]
    read_all(deployment)


def journey(deployment: Deployment, crowd: Crowd, letters: int, _: OtherHost) -> None:
    """From the first octet until every reader has every letter."""

    def all_the_way() -> None:
        crowd.send(letters)
        read = read_all(deployment)
        assert read == letters, f"{read} of {letters} were read"

    read_all(deployment)
    deployment.measure(f"journey, {crowd.sessions} sessions", letters, all_the_way)


def relay(deployment: Deployment, crowd: Crowd, letters: int, far: OtherHost) -> None:
    """Accepted, and at the other host."""

    def away() -> None:
        goal = far.taken() + letters
        crowd.send(letters)
        end = time.monotonic() + PATIENCE
        while far.taken() < goal:
            assert time.monotonic() < end, f"{goal - far.taken()} letters are not at the other host"
            time.sleep(0.01)

    drain(deployment.nodes, PATIENCE)

    deployment.measure(f"relay, {crowd.sessions} sessions", letters, away)


def read_all(deployment: Deployment) -> int:
    """By twenty readers at a time; how many letters."""
    with ThreadPoolExecutor(READERS) as readers:
        return sum(readers.map(lambda number: empty(deployment, number), range(1, MAILBOXES + 1)))


def empty(deployment: Deployment, number: int) -> int:
    """Read and delete all that is in a mailbox, at one of the nodes; how many letters."""
    ports = deployment.ports("pop3")
    reader = poplib.POP3("127.0.0.1", ports[number % len(ports)], timeout=PATIENCE)
    with contextlib.closing(reader):
        reader.user(f"u{number}@home.test")
        reader.pass_("pw")
        count = reader.stat()[0]
        for letter in range(1, count + 1):
            reader.retr(letter)
            reader.dele(letter)
        reader.quit()
    return count


def model(deployments: list[Deployment]) -> str:
    """What accepting costs the database: so much a letter, and so much a transaction.

    Found from all but the deployment with the most nodes, and checked by what that one really took.
    """
    works = [
        [work for what, measured in each.results.items() if what.startswith("accept") for work in measured.works]
        for each in deployments
        if each.cluster is not None
    ]
    *others, last = works
    points = [(work.commits, work.seconds * 1000) for group in others for work in group]
    if len(points) < 4:
        return "That is too little for a model."
    transaction, letter = statistics.linear_regression(*zip(*points, strict=True))
    taken = statistics.fmean([work.seconds * 1000 for work in last])
    expected = letter + transaction * statistics.fmean([work.commits for work in last])
    return (
        f"A letter takes {letter:.3f} ms of the database's processor time, and a transaction {transaction:.3f} ms;"
        f" so {expected:.3f} ms are expected for a letter with the most nodes, and {taken:.3f} ms were taken."
    )


def idle(deployment: Deployment, seconds: float = 12.0) -> str:
    """What the database does for a node that nobody uses: a second of it."""
    assert deployment.cluster is not None
    before, begun = Work.of(deployment.cluster), time.monotonic()
    time.sleep(seconds)
    work = Work.of(deployment.cluster).since(before, len(deployment.nodes))
    spent = time.monotonic() - begun
    with psycopg.connect(deployment.cluster.url()) as connection:
        (count,) = connection.execute(_CONNECTIONS).fetchone() or (0,)
    return (
        f"| {deployment.name} | {work.statements / spent:.2f} | {work.commits / spent:.2f}"
        f" | {work.log_octets / spent:,.0f} | {work.seconds / spent * 1000:.2f} ms | {count / len(deployment.nodes):.1f} |"
    )


_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'mailstack'"
_IDLE = """| idle, each node, a second | statements | commits | octets of log | processor time of the database | connections |
| --- | --- | --- | --- | --- | --- |"""


# --- who is measured


@contextlib.contextmanager
def deployed(directory: Path, count: int, far: int, *, sqlite: bool = False) -> Iterator[Deployment]:
    """So many nodes over a new database; with SQLite it is one."""
    with contextlib.ExitStack() as stack:
        cluster, url = None, ""
        if not sqlite:
            cluster = stack.enter_context(Cluster(SETTINGS))
            url = stack.enter_context(Server.of(cluster).database())
        name = "SQLite, 1 node" if sqlite else f"PostgreSQL, {count} node{'s'[: count > 1]}"
        nodes = [
            Node.furnished(f"n{number}", directory / f"{cluster is None}-{count}-{number}", url, far, more=RELAYED)
            for number in range(1, count + 1)
        ]
        nodes[0].populate([f"u{number}" for number in range(1, MAILBOXES + 1)], password="pw")
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        yield Deployment(name, nodes, cluster)


class OtherHost:
    """The far host in a process of its own, so that it does not take time from those who send."""

    def __init__(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._line, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_be_far, args=(theirs,))
        self._process.start()
        self.port: int = self._line.recv()

    def taken(self) -> int:
        """Letters so far."""
        self._line.send("how many?")
        count: int = self._line.recv()
        return count

    def close(self) -> None:
        self._line.send("")
        self._process.join()


def _be_far(line: Any) -> None:
    with FarHost() as far:
        line.send(far.port)
        while line.recv():
            line.send(far.taken)


WORKLOADS = {"accept": accept, "journey": journey, "relay": relay}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.bench_nodes", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--sessions", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--letters", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=list(WORKLOADS), nargs="+", default=list(WORKLOADS))
    parser.add_argument("--one-mailbox", action="store_true", help="all letters to the same: nodes wait for its row")
    parser.add_argument("--no-sqlite", action="store_true")
    parser.add_argument("--looks", action="store_true", help="what the database waits for")
    parser.add_argument("--statements", action="store_true", help="which took the most time of the database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailstack-bench-") as directory, contextlib.ExitStack() as stack:
        far = stack.enter_context(contextlib.closing(OtherHost()))
        where = Path(directory)
        deployments = [] if given.no_sqlite else [stack.enter_context(deployed(where, 1, far.port, sqlite=True))]
        deployments += [stack.enter_context(deployed(where, count, far.port)) for count in given.nodes]
        print(_IDLE)  # noqa: T201
        for deployment in [each for each in deployments if each.cluster is not None]:
            print(idle(deployment), flush=True)  # noqa: T201
        for deployment in deployments:
            deployment.looks = given.looks and deployment.cluster is not None
        for _ in range(given.rounds):
            for what, sessions in itertools.product(given.work, given.sessions):
                for deployment in deployments:
                    _one_round(deployment, what, far, sessions, given.letters, "1" if given.one_mailbox else "{}")
        print("\n".join(told(deployments)))  # noqa: T201
        if given.statements:
            print("\n".join(dearest(deployments)))  # noqa: T201


def told(deployments: list[Deployment]) -> Iterator[str]:
    """The table, the model, and what was waited for."""
    yield f"\n{_HEAD}"
    for what in deployments[0].results:
        for deployment in deployments:
            yield f"| {what} | {deployment.name} | {deployment.results[what]} |"
    yield f"\n{model(deployments)}\n"
    for deployment in [each for each in deployments if each.looks]:
        for what, measured in deployment.results.items():
            waits = ", ".join(f"{name} {count}" for name, count in measured.waits.most_common(6))
            yield f"| {what} | {deployment.name} | {waits} |"


def dearest(deployments: list[Deployment]) -> Iterator[str]:
    """The statements that took the most of the database's time."""
    for deployment in deployments:
        for calls, milliseconds, text in statements_of(deployment.cluster) if deployment.cluster else ():
            yield f"{deployment.name}: {calls:8} {milliseconds:10.1f} ms  {' '.join(text.split())[:200]}"


_HEAD = """| | | letters a second: median (range) | nodes: processor time | database: processor time | statements | commits | log |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def _one_round(  # noqa: PLR0917
    deployment: Deployment, what: str, far: OtherHost, sessions: int, letters: int, mailbox: str
) -> None:
    recipient = "carol{}@far.test" if what == "relay" else f"u{mailbox}@home.test"
    crowd = Crowd("127.0.0.1", deployment.ports("mx"), sessions, recipient, text=TEXT)
    with contextlib.closing(crowd):
        crowd.send(sessions)  # everybody is warm
        WORKLOADS[what](deployment, crowd, letters, far)


if __name__ == "__main__":
    main()
