"""Servers of one and of several machines over PostgreSQL, with commands, workers and archive."""

from __future__ import annotations

import base64
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.journeys.clients import log_in, send, subjects_of_bob
from tests.journeys.process import (
    CONFIG,
    MAILSTACK,
    TWISTD,
    WEB_CONFIG,
    Process,
    add_accounts,
    command,
    lines_of_json,
    run,
    serve,
)
from tests.waiting import PATIENCE

psycopg = pytest.importorskip("psycopg", exc_type=ImportError)


def node(directory: Path, url: str, more: str = "", base: str = CONFIG) -> Path:
    """The configuration of one machine."""
    directory.mkdir()
    config = directory / "mailstack.toml"
    config.write_text(f'store = "{url}"\n{base}{more}')
    return config


def check(config: Path, status: int = 0) -> dict[str, dict[str, str]]:
    """The findings by their parts."""
    done = run("check", "--no-dns", "--json", "-c", str(config))
    assert done.returncode == status, done.stdout
    return {each["part"]: each for each in lines_of_json(done.stdout)}


@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_two_machines_are_one_server(tmp_path: Path, postgresql_url: str, program: list[str]) -> None:
    one, two = node(tmp_path / "one", postgresql_url), node(tmp_path / "two", postgresql_url)
    add_accounts(one, "alice@home.test", "bob@home.test")
    with serve(one, program) as here, serve(two, program) as there:
        letter = send(here.ports["submission"], "from here", "bob@home.test", "far@elsewhere.test")
        assert subjects_of_bob(there.ports["pop3"]) == ["from here"]
        (told,) = lines_of_json(command("journey", letter, "--json", "-c", str(two)))
        assert {"submitted", "delivered"} <= {each["step"] for each in told["steps"]}
        checked = check(two)
        assert checked["nodes"]["text"].count("mx.home.test@") == 2
        assert checked["store"]["text"].startswith("schema version")
        assert "gets 2 times the limits" in checked["limits"]["text"]
        command("queue", "hold", letter, "-c", str(two))
        assert {here.stop(), there.stop()} == {0 if program is MAILSTACK else -signal.SIGTERM}
    # A stopped server answers commands as well, from any machine.
    (held,) = lines_of_json(command("queue", "list", "--json", "-c", str(one)))
    assert held["id"] == letter
    checked = check(one)
    assert checked["nodes"]["text"] == "none is running"
    assert postgresql_url.split(":")[2].split("@", maxsplit=1)[0] not in json.dumps(checked) + "".join(here.said)


def test_workers_are_processes_of_a_node(tmp_path: Path, postgresql_url: str) -> None:
    """With the archive that people look into: what one worker takes all show."""
    config = node(tmp_path / "one", postgresql_url, "[index]\nenabled = true\n")
    add_accounts(config, "alice@home.test", "bob@home.test")
    with serve(config, workers=2) as server:
        for number in range(6):
            send(server.ports["submission"], f"letter {number}", "bob@home.test")
        assert subjects_of_bob(server.ports["pop3"]) == [f"letter {number}" for number in range(6)]
        checked = check(config)
        names = checked["nodes"]["text"].split(", ")
        assert [name.partition("#")[2] for name in names] == ["1", "2"]
        assert len({name.partition("#")[0] for name in names}) == 1
        assert "limits" not in checked, "they count together"
        assert server.stop() == 0


def test_a_wait_for_a_state_at_one_node_ends_by_a_step_at_another(tmp_path: Path, postgresql_url: str) -> None:
    """A reader collects the letter at the other node; a command holds another letter."""
    more = '[index]\nenabled = true\n[web]\nadmins = ["alice@home.test"]\n'
    one, two = (node(tmp_path / name, postgresql_url, more, WEB_CONFIG) for name in ("one", "two"))
    add_accounts(one, "alice@home.test", "bob@home.test")
    login = {"Authorization": "Basic " + base64.b64encode(b"alice@home.test:alice").decode()}
    with serve(one, services=4) as here, serve(two, services=4) as there, ThreadPoolExecutor() as threads:

        def waited(state: str) -> list[str]:
            url = f"http://127.0.0.1:{here.ports['web']}/v1/wait?query=is:{state}&timeout={PATIENCE}"
            with urlopen(Request(url, headers=login), timeout=2 * PATIENCE) as answer:
                return [each["id"] for each in json.load(answer)["letters"]]

        collected, held = threads.submit(waited, "collected"), threads.submit(waited, "held")
        letter = send(there.ports["submission"], "read me", "bob@home.test")
        reader = log_in(there.ports["pop3"])
        reader.retr(1)
        reader.dele(1)
        reader.quit()
        assert collected.result(2 * PATIENCE) == [letter]
        other = send(there.ports["submission"], "hold me", "far@elsewhere.test")
        command("queue", "hold", other, "-c", str(two))
        assert held.result(2 * PATIENCE) == [other]


_REFUSING = """
CREATE TABLE gate (open INTEGER);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.owner LIKE '%#2' THEN PERFORM 1 FROM gate; RAISE EXCEPTION 'not now'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refusing BEFORE INSERT ON process_leases FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def test_a_worker_that_can_not_begin_does_not_end_those_that_serve(tmp_path: Path, postgresql_url: str) -> None:
    """As when the database is lost while the second of them begins."""
    config = node(tmp_path / "one", postgresql_url)
    add_accounts(config, "alice@home.test", "bob@home.test")
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(_REFUSING)
        with Process("serve", "-c", str(config), environ={"MAILSTACK_WORKERS__COUNT": "2"}) as server:
            with connection.transaction():
                connection.execute("LOCK TABLE gate")
                server.wait_for("worker 1 (pid")
            server.wait_for("restarting it in")
            connection.execute("DROP TRIGGER refusing ON process_leases")
            server.wait_for("worker 2 (pid")
            said = server.wait_for(": submission listens on")
            send(int(said.rsplit(maxsplit=1)[1]), "all the same", "bob@home.test")
            assert server.stop() == 0


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = node(tmp_path / "one", "postgresql://mailstack:hush@127.0.0.1:1/mailstack")
    for arguments in (["check", "--no-dns"], ["user", "list"], ["serve"]):
        assert "hush" not in command(*arguments, "-c", str(config), status=1)
    (found,) = [each for each in check(config, status=1).values() if each["verdict"] == "broken"]
    assert found["part"] == "store"
    assert "the database says" in found["text"]
