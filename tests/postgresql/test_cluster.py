"""The tests' PostgreSQL is there when it is asked for, is nobody else's, and goes with those who asked."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

psycopg = pytest.importorskip("psycopg", exc_type=ImportError)

from tests.postgresql.cluster import Cluster  # noqa: E402
from tests.postgresql.guard import is_there, postmaster_of  # noqa: E402
from tests.postgresql.programs import directory_of_programs  # noqa: E402
from tests.postgresql.server import Server  # noqa: E402

PATIENCE = 30.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if directory_of_programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with Cluster() as made:
        yield made


def answer(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def test_each_database_is_new_and_its_owner_no_superuser(postgresql: Server, postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("CREATE TABLE letter (id text)")
    with postgresql.database() as other:
        assert other != postgresql_url
        assert answer(other, "SELECT to_regclass('letter')") is None
    if postgresql.cluster is not None:
        assert answer(postgresql_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


def test_a_template_is_filled_once_and_copied(postgresql: Server) -> None:
    filled: list[str] = []

    def fill(url: str) -> None:
        filled.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE letter AS SELECT 'a' AS id")

    for _ in range(2):
        with postgresql.database(postgresql.template("letters", fill)) as url:
            assert answer(url, "SELECT count(*) FROM letter") == 1
    assert len(filled) == 1


def test_a_database_is_emptied_for_its_next_use(postgresql: Server) -> None:
    def fill(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE version AS SELECT 7 AS number; CREATE TABLE post (id serial, text text)")

    used = set()
    for _ in range(2):
        with postgresql.emptied("posts", fill) as url:
            used.add(url)
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO post (text) VALUES ('a')")
            assert answer(url, "SELECT array_agg(id) FROM post") == [1]
            assert answer(url, "SELECT number FROM version") == 7
    assert len(used) == 1
    with pytest.raises(LookupError), postgresql.emptied("posts", fill):
        raise LookupError
    with postgresql.emptied("posts", fill) as url:
        assert url not in used


def test_it_keeps_port_and_rows_whichever_way_it_is_stopped(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url()) as connection:
        connection.execute("CREATE TABLE letter (id text)")
    for count, how in enumerate(("fast", "immediate"), 1):
        with psycopg.connect(cluster.url()) as connection:
            connection.execute("INSERT INTO letter VALUES ('a')")
        cluster.stop(how)  # type: ignore[arg-type]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(cluster.url())
        cluster.start()
        assert answer(cluster.url(), "SELECT count(*) FROM letter") == count


def test_nobody_comes_in_without_the_password(cluster: Cluster) -> None:
    without = urlsplit(cluster.url())
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{without.port}/postgres", passfile="/dev/null")


def test_it_goes_with_a_process_that_was_killed() -> None:
    if directory_of_programs() is None:
        pytest.skip("PostgreSQL is not installed")
    code = "import sys, time; from tests.postgresql.cluster import Cluster; print(Cluster().directory, flush=True); time.sleep(60)"
    root = Path(__file__).parents[2]
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    with owner:
        assert owner.stdout is not None
        directory = Path(owner.stdout.readline().strip())
        postmaster = postmaster_of(directory / "data")
        assert postmaster is not None
        owner.kill()
    deadline = time.monotonic() + PATIENCE
    while (directory.exists() or is_there(postmaster)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not directory.exists()
    assert not is_there(postmaster)
