"""What several nodes promise together while one of them, the database or the way to it fails (SMTP-29, RLY-14)."""

from __future__ import annotations

import poplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg", exc_type=ImportError)

from mailstack.protocols.log import MAX_TEXTS
from tests.nodes.deployment import LOST_AFTER, Deployment
from tests.nodes.node import NO_FAKETIME, faketime
from tests.nodes.people import READERS, People
from tests.postgresql.cluster import Cluster
from tests.postgresql.programs import directory_of_programs
from tests.postgresql.server import Server
from tests.waiting import PATIENCE, until

if directory_of_programs() is None:
    pytest.skip("PostgreSQL is not installed", allow_module_level=True)

RESUMES = 5.0
"""Seconds until letters are taken again, once the database takes connections."""


@pytest.fixture(scope="module")
def databases() -> Iterator[Server]:
    """One for all tests that leave it running."""
    with Cluster() as cluster:
        yield Server.of(cluster)


def taken(people: People, node: str = "") -> int:
    return sum(each.code == 250 and node in ("", each.node) for each in people.replies)


def taken_more(people: People, count: int = 20, node: str = "") -> None:
    goal = taken(people, node) + count
    until(lambda: taken(people, node) >= goal, f"{count} more letters are taken at {node or 'any node'}")


def test_what_one_node_takes_the_other_reads_and_a_maildrop_is_exclusive_among_them(
    tmp_path: Path, databases: Server
) -> None:
    """RFC 1939 §4, RFC 2449 §8.1.2: [IN-USE]. Each node has two workers, so that there are four processes."""
    with Deployment(tmp_path, databases=databases, workers=2) as server:
        people = server.people("both", 1, pause=0.02, reading=False)
        taken_more(people, 40)
        people.over.set()
        first, second = (poplib.POP3("127.0.0.1", node.ports["pop3"], timeout=PATIENCE) for node in server.nodes)
        for reader in (first, second):
            reader.user(READERS[0])
        first.pass_(READERS[0])
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            second.pass_(READERS[0])
        first.quit()
        second.close()
        server.balance(people)
        assert server.tally.twice_far == 0
        server.stop()


def test_a_node_that_is_killed_under_load_loses_nothing_and_others_take_over_what_it_had_claimed(
    tmp_path: Path, databases: Server
) -> None:
    with Deployment(tmp_path, databases=databases) as server:
        one, _ = server.nodes
        people = server.people("kill")
        taken_more(people)
        # What it relays just then is under way for as long as the far host does not answer.
        server.far.gate.clear()
        until(lambda: server.far.waiting >= 4, "letters are under way")
        one.kill()
        killed = time.monotonic()
        server.far.gate.set()
        people.stop()
        far = [(token, whom) for token, (_, to) in people.ledger.acknowledged.items() for whom in to if "far" in whom]
        until(lambda: all(server.far.copies[each] for each in far), "what the dead node had claimed is relayed")
        assert time.monotonic() - killed < LOST_AFTER + 5
        server.nodes.remove(one)
        server.balance(people)
        server.stop()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_while_the_database_restarts_clients_hear_4xx_and_then_all_goes_on(tmp_path: Path, how: str) -> None:
    with Deployment(tmp_path) as server:
        people = server.people("db")
        taken_more(people)
        server.cluster.stop(how)  # type: ignore[arg-type]
        stopped = time.monotonic()
        until(lambda: any(400 <= each.code < 500 for each in people.replies if each.at > stopped), "a 4xx is said")
        server.cluster.start()
        begun = time.monotonic()
        for node in server.nodes:
            until(lambda name=node.name: people.first_taken_after(begun, name), "letters are taken again")  # type: ignore[misc]
            resumed = people.first_taken_after(begun, node.name)
            assert resumed is not None
            assert resumed < RESUMES
        assert {each.code // 100 for each in people.replies if each.at > stopped} <= {0, 2, 4}
        server.balance(people)
        server.stop()
        for node in server.nodes:
            for line in ("the database can't be reached", "messages are refused with 451"):
                assert node.log.count(line) <= 2 * MAX_TEXTS, "an outage is told, and not with each try"
            assert "Traceback" not in node.log


def test_a_node_that_is_cut_off_takes_nothing_and_others_take_over(tmp_path: Path, databases: Server) -> None:
    """Also from a black hole, where nothing says that the database is gone."""
    with Deployment(tmp_path, databases=databases) as server:
        lonely, _ = server.nodes
        people = server.people("cut")
        for harm in (server.proxies[lonely.name].stall, server.proxies[lonely.name].cut):
            taken_more(people)
            server.far.gate.clear()
            begun, waiting = time.monotonic(), server.far.waiting
            until(lambda waiting=waiting: server.far.waiting >= waiting + 2, "letters are under way")  # type: ignore[misc]
            harm()
            harmed = time.monotonic()
            server.far.gate.set()
            until(
                lambda harmed=harmed: any(  # type: ignore[misc]
                    400 <= each.code < 500 for each in people.replies if each.node == lonely.name and each.at > harmed
                ),
                "the lonely node says 4xx",
            )
            seen = time.monotonic()
            taken_more(people, 20, server.nodes[1].name)
            assert not [
                each for each in people.replies if each.node == lonely.name and each.at > seen and each.code == 250
            ]
            server.proxies[lonely.name].open()
            healed = time.monotonic()
            until(lambda: people.first_taken_after(healed, lonely.name), "the lonely node takes letters again")  # noqa: B023
            assert begun < harmed < healed
        server.balance(people)
        server.stop()


def test_a_node_that_was_stopped_for_longer_than_its_lease_does_no_harm_when_it_goes_on(
    tmp_path: Path, databases: Server
) -> None:
    with Deployment(tmp_path, databases=databases) as server:
        frozen, other = server.nodes
        people = server.people("ice")
        taken_more(people)
        server.far.gate.clear()
        until(lambda: server.far.waiting >= 4, "letters are under way")
        frozen.freeze()
        server.far.gate.set()
        cold = time.monotonic()
        until(lambda: time.monotonic() - cold > LOST_AFTER + 1 and taken(people, other.name), "its lease ends")
        frozen.thaw()
        taken_more(people, 20, frozen.name)
        server.balance(people)
        server.stop()


@pytest.mark.skipif(faketime() is None, reason=NO_FAKETIME)
def test_clocks_that_differ_by_minutes_do_no_harm(tmp_path: Path, databases: Server) -> None:
    with Deployment(tmp_path, databases=databases, ahead=(300, -300)) as server:
        people = server.people("time")
        taken_more(people, 100)
        taken_more(people, 20, server.nodes[0].name)
        taken_more(people, 20, server.nodes[1].name)
        server.balance(people)
        assert server.tally.twice_far == 0
        server.stop()


@pytest.mark.skipif(faketime() is None, reason=NO_FAKETIME)
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_set_while_a_node_runs_does_no_harm(tmp_path: Path, databases: Server, seconds: int) -> None:
    """Nobody waits for the hour: neither a client, nor a letter whose next attempt is near, nor a life to be renewed."""
    with Deployment(tmp_path, databases=databases, ahead=(0, 0)) as server:
        one, _ = server.nodes
        people = server.people("set")
        taken_more(people)
        one.set_clock(seconds)
        time.sleep(1.5)  # libfaketime looks each second
        taken_more(people, node=one.name)
        # Attempts fail for a while, and are made again by whoever has them.
        server.far.gate.clear()
        until(lambda: server.far.waiting >= 2, "letters are under way")
        server.far.gate.set()
        taken_more(people, 100, node=one.name)
        assert "have expired" not in one.log + server.nodes[1].log
        assert server.balance(people) < PATIENCE
        server.stop()
