"""A process that is killed while IMAP clients write has lost nothing that it answered for (IMAP-129)."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mailstack.letter.letter import read_all
from mailstack.store.mailboxes import DELETED, SEEN
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB
from tests.store.crash_child import octets_for
from tests.store.imap_crash_child import prepare, stages_of

ROOT = Path(__file__).parents[2]
KILLS = 6
Said = dict[str, tuple[int, int]]
"""Number of each letter, and how many of its calls were answered."""


def run_and_kill(directory: Path, lines: int) -> tuple[Said, int]:
    """What the child said before it was killed, at least `lines` of it; and the highest mod-sequence of INBOX."""
    command = [sys.executable, "-m", "tests.store.imap_crash_child", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert all(said), "the child ended by itself"
    done: Said = {}
    highest = 0
    for line in said:
        _, letter, number, modseq = line.decode().split()
        done[letter] = (int(number), done.get(letter, (0, 0))[1] + 1)
        highest = max(highest, int(modseq))
    return done, highest


def check(directory: Path, said: Said, highest: int) -> None:
    """Each letter is where its last answered call, or the one that was under way, has put it."""
    pump = Pump()
    store = SqliteStore(pump, directory, settings=StoreSettings(orphan_age=0.0))
    pump.run(store.open())
    places: list[Counter[str]] = []
    for mailbox in (BOB.key, pump.run(prepare(store))):
        found = pump.run(store.mailboxes.messages(mailbox, limit=10**6))
        status = pump.run(store.mailboxes.status(mailbox))
        assert status.messages == len(found)
        assert status.unseen == sum(not each.flags.system & SEEN for each in found)
        assert status.deleted == sum(bool(each.flags.system & DELETED) for each in found)
        assert status.octets == sum(each.size for each in found)
        uids = {each.uid for each in found}
        removals = pump.run(store.mailboxes.removals(mailbox, 1))
        gone = {uid for first, last in removals.uids for uid in range(first, last + 1)}
        assert removals.is_complete
        assert uids | gone == set(range(1, status.next_uid))
        assert not uids & gone
        if mailbox == BOB.key:
            assert status.modseq >= highest, "the mod-sequence went back"
        places.append(Counter(each.letter for each in found))
    inbox, trash = places
    for letter, (number, answered) in said.items():
        states = [state for _, state in stages_of(number)][answered - 1 : answered + 1]
        assert (inbox[letter], trash[letter]) in states, f"{number}: {answered} calls were answered"
        if inbox[letter] + trash[letter]:
            assert pump.run(read_all(pump.run(store.contents.get(letter)))) == octets_for(number)
    pump.run(store.close())


def test_what_imap_answered_for_survives_being_killed(tmp_path: Path) -> None:
    """IMAP-65, IMAP-129."""
    moments = random.Random(21)
    for kill in range(KILLS):
        directory = tmp_path / str(kill // 3)
        said, highest = run_and_kill(directory, moments.randint(1, 300))
        check(directory, said, highest)
