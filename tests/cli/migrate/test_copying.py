"""A dump that is restored has the same rows and octets; an interrupted copy leaves nothing and is started anew."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from mailstack.cli.migrate import CannotMove, Progress, dump
from mailstack.cli.migrate.directory import DirectorySource
from mailstack.cli.migrate.dump import without_claim
from mailstack.cli.migrate.verify import faults
from mailstack.letter import Recipient
from mailstack.letter.delivery import DeliveryState
from mailstack.store import Change, Filter, Settlement, StoreError, StoreFull, rows
from mailstack.store.contents import digest_of
from mailstack.store.schema import tables
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump, examples
from tests.cli.migrate.stores import Server, copied, differing, is_empty, servers, silent, target_of, write_server
from tests.contracts.store import BOB, CAROL, SERVER, acceptance
from tests.store.failing_disk import FailingDisk

MAX_STEPS = 1000


class Killed(BaseException):
    """Interrupt that no except clause of the program catches."""


def rows_of(server: Server) -> int:
    return sum(map(len, server.values()))


def interrupted(here: Path | str, there: Path | str, steps: int) -> bool:
    """Whether a copy was interrupted at its report number `steps`, from 0; else it came to its end."""

    def report(_: Progress) -> None:
        nonlocal steps
        if steps == 0:
            raise Killed
        steps -= 1

    try:
        copied(here, there, report)
    except Killed:
        return True
    return False


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "ROWS", 2)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(servers)
def test_whatever_a_store_holds_is_restored(tmp_path: Path, server: Server) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        shutil.rmtree(directory, ignore_errors=True)
    write_server(here, server)
    before = (here / DATABASE).read_bytes()
    assert copied(here, there) == []
    assert (here / DATABASE).read_bytes() == before
    assert differing(here, there) == []
    files = {path.name: path.read_bytes() for path in there.glob("contents/*/*")}
    assert files == {row[1]: row[2] for row in server["contents"] if row[1] is not None}
    with closing(sqlite3.connect(there / DATABASE)) as connection:
        for table in tables():
            if table.name == "contents":
                continue
            found = connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}").fetchall()
            assert set(map(repr, found)) == {repr(without_claim(table, row)) for row in server[table.name]}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(servers, servers)
def test_two_stores_agree_only_when_they_hold_the_same(tmp_path: Path, first: Server, second: Server) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory, server in ((here, first), (there, second)):
        shutil.rmtree(directory, ignore_errors=True)
        write_server(directory, server)
    for table in tables():
        place = table.columns.index("file") if table.name == "contents" else None
        same = [
            {repr(tuple(value for at, value in enumerate(without_claim(table, row)) if at != place)) for row in rows_}
            for rows_ in (first[table.name], second[table.name])
        ]
        assert (table.name in differing(here, there)) is (same[0] != same[1])


def test_an_interrupted_copy_leaves_the_target_empty_and_starts_anew(tmp_path: Path) -> None:
    """At each step once. The next copy replaces the files that the one before has left."""
    here, there = tmp_path / "here", tmp_path / "there"
    write_server(here, one_server())
    for steps in range(MAX_STEPS):
        if not interrupted(here, there, steps):
            break
        assert is_empty(there)
    else:
        pytest.fail(f"{MAX_STEPS} steps, and it never came to an end")
    assert steps > 25
    assert differing(here, there) == []


def failure_of(here: Path, there: Path) -> StoreError | None:
    try:
        copied(here, there)
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize("full", [True, False])
def test_a_failed_write_leaves_the_target_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """On a full disk, and on a broken one; with room again the copy succeeds."""
    here, there = tmp_path / "here", tmp_path / "there"
    write_server(here, one_server())
    disk = FailingDisk()
    with disk.beneath_sqlite():
        disk.beneath_files(monkeypatch)
        for number in range(1, MAX_STEPS):
            disk.fail(number, full=full, lasting=True)
            failure = failure_of(here, there)
            if failure is None:
                break
            assert isinstance(failure, StoreFull) is full
            assert is_empty(there)
        assert number > 5
        assert not disk.has_failed
    assert differing(here, there) == []


UNFLAGGED = (0, 0, 2, None, None)
"""Flags, keywords, mod-sequence and save date of a new message."""


def one_server() -> Server:
    """Three letters in two mailboxes, one of them large."""
    return {
        **{table.name: [] for table in tables()},
        "letters": [(f"l{n}", "mx.home.test", "", 1.5, 3, "{}", "{}") for n in range(3)],
        "steps": [(f"l{n}", 2**62 + n, 1.5, "mx.home.test", "submitted", "{}") for n in range(3)],
        "mailboxes": [
            (1, "alice@home.test", 7, 3, 6, 4, 2, 1, 1, 1, 2, 0),
            (2, "bob@home.test", 9, 2, 3, 2, 1, 1, 0, 1, 1, 0),
        ],
        "entries": [
            (1, 1, "l0", 0, 3, 1.5, b"", 9, -(2**63), 3, 2.5, None),
            (1, 2, "l1", 0, 3, 1.5, b"", *UNFLAGGED),
            (2, 1, "l2", 0, 3, 1.5, b"\0", *UNFLAGGED),
        ],
        "keywords": [(1, 63, "$Forwarded")],
        "expunged": [(1, 4, "1:2,7")],
        "folders": [("alice@home.test", "INBOX", "alice@home.test", "", 1), ("alice@home.test", "x", "", "", 1)],
        "accounts": [("alice@home.test", b"$2b$", 1.0, "", None, 0)],
        "contents": [
            (letter, file, octets, digest_of(octets))
            for letter, file, octets in (("l0", None, b"abc"), ("l1", "0" * 32, b"x" * 200_000), ("l2", None, b""))
        ],
    }


@pytest.fixture
def here(tmp_path: Path) -> Path:
    write_server(tmp_path / "here", one_server())
    return tmp_path / "here"


def test_a_server_that_runs_is_not_copied(here: Path, tmp_path: Path) -> None:
    store = SqliteStore(Pump(), here)
    store.lock_server()
    with pytest.raises(CannotMove, match="stop it first"):
        copied(here, tmp_path / "there")
    Pump().run(store.close())


def test_nothing_else_is_filled(here: Path, tmp_path: Path) -> None:
    write_server(tmp_path / "there", one_server())
    with pytest.raises(CannotMove, match="is not empty"):
        copied(here, tmp_path / "there")
    with pytest.raises(CannotMove, match="has no store"):
        copied(tmp_path / "nowhere", tmp_path / "elsewhere")


def test_no_server_starts_in_a_target_that_is_being_filled(tmp_path: Path) -> None:
    with closing(target_of(tmp_path / "there")), pytest.raises(StoreError, match="another mailstack"):
        SqliteStore(Pump(), tmp_path / "there").lock_server()


def test_no_command_changes_what_is_being_copied(here: Path) -> None:
    pump = Pump()
    store = SqliteStore(pump, here, settings=StoreSettings(busy_timeout=0.05))
    pump.run(store.open())
    with closing(DirectorySource(here)), pytest.raises(StoreError, match="another process"):
        pump.run(store.accounts.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.accounts.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.close())


def test_a_content_in_an_object_store_stays_there(tmp_path: Path) -> None:
    """The copy names the same object."""
    server = one_server()
    here, there = tmp_path / "here", tmp_path / "there"
    write_server(here, server)
    name = f"s3/{'1' * 32}.{'2' * 64}"
    with closing(sqlite3.connect(here / DATABASE, isolation_level=None)) as connection:
        connection.execute("INSERT INTO contents (letter, file) VALUES ('l3', ?)", (name,))
    copied(here, there)
    with closing(sqlite3.connect(there / DATABASE)) as connection:
        assert connection.execute("SELECT file FROM contents WHERE letter = 'l3'").fetchall() == [(name,)]
    assert differing(here, there) == []


@pytest.mark.parametrize("octets", [b"x" * 199_999 + b"y", b"x" * 199_999, b""])
def test_a_content_that_is_not_the_same_is_found(here: Path, tmp_path: Path, octets: bytes) -> None:
    there = tmp_path / "there"
    copied(here, there)
    (there / "contents" / "00" / ("0" * 32)).write_bytes(octets)
    assert differing(here, there) == ["contents"]


def test_an_older_schema_is_brought_up_to_date_first(here: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(here / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE schema_info SET version = version - 1")
    with pytest.raises(CannotMove, match="migrate it"):
        copied(here, tmp_path / "there")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE letters SET size = 'much' WHERE id = 'l1'", r"table letters, \('l1',\): size holds no INTEGER"),
        ("UPDATE contents SET file = '../../etc' WHERE letter = 'l1'", "names no file"),
    ],
)
def test_a_damaged_row_is_named(here: Path, tmp_path: Path, change: str, told: str) -> None:
    with closing(sqlite3.connect(here / DATABASE, isolation_level=None)) as connection:
        connection.execute(change)
    with pytest.raises(StoreError, match=told):
        copied(here, tmp_path / "there")


def test_reading_only_the_first_row_raises_nothing(here: Path) -> None:
    """As when that row is damaged: what is told of it is not buried beneath a traceback."""
    source = DirectorySource(here)
    rows = source.rows(tables()[0])
    next(rows)
    source.close()
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", [None, b"", b"x" * 199_999, b"x" * 200_001, b"x" * 199_999 + b"y"])
def test_a_damaged_content_is_named_and_left_behind(here: Path, tmp_path: Path, damage: bytes | None) -> None:
    """All else is copied. What it had to come to is known in the copy, too, so that it can be restored there."""
    name = Path("contents", "00", "0" * 32)
    (here / name).unlink() if damage is None else (here / name).write_bytes(damage)
    there = tmp_path / "there"
    (named,) = copied(here, there)
    assert "content of message l1" in named
    assert not (there / name).exists()
    assert not list(there.rglob("*.part"))
    assert differing(here, there) == []
    with closing(DirectorySource(there)) as target:
        assert any("content of message l1" in each for each in faults(target, silent))
    (there / name).write_bytes(b"x" * 200_000)
    with closing(DirectorySource(there)) as target:
        assert not any("l1" in each for each in faults(target, silent) if "content of" in each)
    with closing(DirectorySource(here)) as source:
        found = list(faults(source, silent))
    assert any("content of message l1" in each for each in found)
    assert any("table letters, 'l0'" in each for each in found), "an envelope without anything in it"


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    assert_faults_are_told(tmp_path, DirectorySource)


def assert_faults_are_told(tmp_path: Path, there: Any) -> None:
    """`there` makes a source of a directory."""
    server = one_server()
    waiting = [0.0, 0, None, 0.0, None, "", "", 0, 0, None, "[]"]
    server["deliveries"] = [("lost", 0, "mx.home.test", "a@b", None, "{}", "local", "queued", 1.0, *waiting)]
    to = rows.as_json(Recipient(BOB))
    server["deliveries"].append(
        ("read", 0, "mx.home.test", "a@b", None, to, "local", "queued", 1.0, *waiting[:-1], "[[]]")
    )
    server["entries"].append((2, 2, "gone", 0, 3, 1.5, b"", *UNFLAGGED))
    server["folders"].append(("bob@home.test", "Sent", "bob@home.test/1", "", 1))
    write_server(tmp_path / "broken", server)
    with closing(there(tmp_path / "broken")) as source:
        found = list(faults(source, silent))
    assert "message lost (waiting for a@b) waits for delivery, and its content is missing" in found
    assert "message gone (bob@home.test) is in a mailbox, and its content is missing" in found
    assert "message l2 (bob@home.test) has a content of another size than at acceptance" in found
    assert "message l2 (bob@home.test) has another size in a mailbox" in found
    assert any(each.startswith("table deliveries, ('read', 0)") and "length 4" in each for each in found)
    assert not any(each.startswith("message l0") for each in found)
    assert [each for each in found if each.startswith(("mailbox", "folder"))] == [
        "mailbox bob@home.test: its counters differ from its messages",
        "mailbox bob@home.test: a message has a UID or a mod-sequence that was not given yet",
        "folder bob@home.test: Sent: it has no mailbox",
    ]


def test_every_table_has_a_key(tmp_path: Path) -> None:
    keys: dict[str, Any] = {table.name: table.key for table in tables()}
    assert all(keys.values())
    assert keys["contents"] == ("letter",)
    assert keys["entries"] == ("mailbox", "uid")
    assert tables()[-1].name == "contents", "what can be large comes last"
    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_attempted_is_attempted_soon(tmp_path: Path) -> None:
    """Not only when its claim ends: nobody here has the name that it is claimed by."""
    pump = Pump()
    store = SqliteStore(pump, tmp_path / "here")
    pump.run(store.open())
    arrived = acceptance(BOB, CAROL)
    pump.run(store.queue.accept(arrived))
    (claim,) = pump.run(store.queue.claim(SERVER, "killed", 1000.0, limit=9, lease=7200.0, next_due=lambda *_: 1300.0))
    pump.run(
        store.queue.settle(
            Settlement((Change(claim.deliveries[1], replace(claim.deliveries[1], state=DeliveryState.HELD)),))
        )
    )
    pump.run(store.close())
    assert copied(tmp_path / "here", tmp_path / "there") == []
    assert differing(tmp_path / "here", tmp_path / "there") == []
    store = SqliteStore(pump, tmp_path / "there")
    pump.run(store.open())
    assert pump.run(store.queue.claim(SERVER, "new", 1299.0, limit=9, lease=7200.0, next_due=lambda *_: 9e9)) == []
    (again,) = pump.run(store.queue.claim(SERVER, "new", 1300.0, limit=9, lease=7200.0, next_due=lambda *_: 9e9))
    assert [(each.number, each.attempts) for each in again.deliveries] == [(0, 2)]
    (record,) = pump.run(store.history.records(Filter()))
    assert [(each.state.value, each.claimed_by) for each in record.deliveries] == [("queued", "new"), ("held", None)]
    pump.run(store.close())
