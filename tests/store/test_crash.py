"""A process that is killed at any moment has lost nothing that it answered for (SMTP-29, RLY-14)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from mailstack.letter.delivery import DeliveryState
from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, HEADERS
from tests.store.crash_child import octets_for

ROOT = Path(__file__).parents[2]
KILLS = 10


def run_and_kill(directory: Path, lines: int) -> list[tuple[str, str, int]]:
    """What the child said before it was killed, at least `lines` of it."""
    command = [sys.executable, "-m", "tests.store.crash_child", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert all(said), "the child ended by itself"
    return [(what, letter, int(number)) for what, letter, number in (line.decode().split() for line in said)]


def check(directory: Path, said: list[tuple[str, str, int]]) -> None:
    """All that was accepted is there; all that was settled rests in its mailbox, and nothing is half done."""
    pump = Pump()
    store = SqliteStore(pump, directory, settings=StoreSettings(orphan_age=0.0))
    pump.run(store.open())
    records = {record.letter.id: record for record in pump.run(store.history.records(Filter(limit=10**6)))}
    drop = pump.run(store.mailboxes.open(BOB.key, "check"))
    placed = {entry.letter: entry.uid for entry in drop.entries}
    assert len(placed) == len(drop.entries), "a letter rests in its mailbox twice"
    assert [entry.uid for entry in drop.entries] == list(range(1, len(placed) + 1))
    for what, letter, number in said:
        assert letter in records, f"{letter} was {what} and is lost"
        if what == "settled":
            assert letter in placed
        assert pump.run(read_all(records[letter].letter.content)) == octets_for(number)
    for letter, record in records.items():
        (delivery,) = record.deliveries
        assert (delivery.state is DeliveryState.DELIVERED) == (letter in placed)
        steps = sorted(step.step for step in pump.run(store.history.steps(letter)))
        assert steps == (["delivered", "submitted"] if letter in placed else ["submitted"])
        octets = pump.run(read_all(record.letter.content))
        if letter in placed:
            assert pump.run(read_all(pump.run(store.mailboxes.read(BOB.key, placed[letter])))) == HEADERS + octets
    files = {file.name for file in (directory / "contents").glob("*/*")}
    assert len(files) == sum(record.letter.content.size > 65536 for record in records.values()), "an orphan was left"
    claimed = sum(record.deliveries[0].claimed_by == "child" for record in records.values())
    assert pump.run(store.queue.recover(["child"], 1.0)) == claimed
    pump.run(store.mailboxes.release(BOB.key, "check"))
    pump.run(store.close())


def test_what_was_answered_for_survives_being_killed(tmp_path: Path) -> None:
    moments = random.Random(20)
    for kill in range(KILLS):
        directory = tmp_path / str(kill // 5)
        said = run_and_kill(directory, moments.randint(1, 250))
        check(directory, said)
