"""What an earlier program kept is all there when the newest one opens it, from every schema that there ever was."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mailstack.letter import LetterId
from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.schema import migrate, migrations
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.journeys.process import server
from tests.upgrade.record import SCHEDULE, answers, mailboxes

RECORDED = sorted(file.parent for file in Path(__file__).parent.glob("*/database.sql"))
"""Named after the newest migration that each program knew."""
SCHEMAS = [(old, known) for old in RECORDED for known in migrations() if known.version >= int(old.name)]


def restore(old: Path, data: Path) -> sqlite3.Connection:
    data.mkdir(mode=0o700, exist_ok=True)
    (data / DATABASE).unlink(missing_ok=True)
    shutil.copytree(old / "contents", data / "contents", dirs_exist_ok=True)
    connection = sqlite3.connect(data / DATABASE, isolation_level=None)
    connection.executescript((old / "database.sql").read_text())
    return connection


def without_what_is_new(newer: Any, older: Any) -> Any:
    """`newer`, less the keys of objects that `older` doesn't have."""
    if isinstance(older, dict) and isinstance(newer, dict):
        return {key: without_what_is_new(newer.get(key), value) for key, value in older.items()}
    if isinstance(older, list) and isinstance(newer, list):
        return [without_what_is_new(*each) for each in zip(newer, older, strict=False)]
    return newer


def test_there_is_a_record_of_the_first_schema() -> None:
    assert int(RECORDED[0].name) == migrations()[0].version == 1


@pytest.mark.parametrize("old", RECORDED, ids=lambda old: old.name)
def test_an_older_store_opens_with_all_its_data(old: Path, tmp_path: Path) -> None:
    """Commands, journeys, logins and mailboxes say of everything what they said then; what they say more is theirs."""
    config = server(tmp_path)
    config.write_text(config.read_text() + SCHEDULE)
    restore(old, tmp_path / "data").close()
    said = json.loads((old / "said.json").read_text())
    now = answers(config)
    for name, before in said.items():
        if name != "mailboxes":
            assert without_what_is_new(now[name], before) == before, name
    assert len(now["letters"]) == len(said["letters"])
    assert len(now["queue"]) == len(said["queue"])
    assert mailboxes(config) == said["mailboxes"]


@pytest.mark.parametrize(("old", "known"), SCHEMAS, ids=[f"{old.name}-{known.version:04}" for old, known in SCHEMAS])
def test_every_schema_on_the_way_leads_to_the_newest(old: Path, known: Any, tmp_path: Path) -> None:
    """A server may have stopped at any of them: letters, deliveries, contents, journeys, mailboxes, people are there."""
    said = json.loads((old / "said.json").read_text())
    connection = restore(old, tmp_path)
    migrate(connection, [each for each in migrations() if each.version <= known.version])
    connection.close()
    pump = Pump()
    store = SqliteStore(pump, tmp_path)
    pump.run(store.open())
    records = {record.letter.id: record for record in pump.run(store.history.records(Filter(limit=1000)))}
    assert set(records) == {LetterId(each["id"]) for each in said["letters"]}
    for letter, journey in said["journeys"].items():
        assert [step.step for step in pump.run(store.history.steps(LetterId(letter)))] == [
            each["step"] for each in journey["steps"]
        ]
    owed = [
        record
        for record in records.values()
        if any(each.state.value in ("queued", "held") for each in record.deliveries)
    ]
    assert sorted(record.letter.id for record in owed) == sorted(each["id"] for each in said["queue"])
    for record in owed:
        assert len(pump.run(read_all(record.letter.content))) == record.letter.content.size
    for user, letters in said["mailboxes"].items():
        drop = pump.run(store.mailboxes.open(f"{user}@home.test", "test"))
        assert len(drop.entries) == len(letters)
        pump.run(store.mailboxes.release(f"{user}@home.test", "test"))
    assert {account.address for account in pump.run(store.accounts.all())} == {
        each["address"] for each in said["users"]
    }
    pump.run(store.close())
