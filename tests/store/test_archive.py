"""Archive of all accepted letters, without a login."""

from __future__ import annotations

from pathlib import Path

from mailstack.accounts.checker import account_key
from mailstack.store import Settlement
from mailstack.store.archive import ARCHIVE
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import acceptance


def test_letters_and_reports_enter_the_archive_with_their_acceptance(tmp_path: Path) -> None:
    pump = Pump()
    store = SqliteStore(pump, tmp_path, StoreSettings(archiving=True))
    pump.run(store.open())
    first, report = acceptance(), acceptance(at=1001.0)
    pump.run(store.queue.accept(first))
    pump.run(store.queue.settle(Settlement((), acceptances=(report,))))
    third = acceptance(at=1002.0)
    assert pump.run(store.queue.settle_together([Settlement((), acceptances=(third,))])) == [None]
    kept = pump.run(store.mailboxes.entries(ARCHIVE, 0, 10))
    assert [entry.letter for entry in kept] == [first.letter.id, report.letter.id, third.letter.id]
    assert kept[0].size == first.letter.content.size
    pump.run(store.mailboxes.update(ARCHIVE, collected=(), deleted=[kept[0].uid], steps=()))
    left = [entry.letter for entry in pump.run(store.mailboxes.entries(ARCHIVE, 0, 10))]
    assert left == [report.letter.id, third.letter.id]
    pump.run(store.close())


def test_no_login_leads_to_the_archive() -> None:
    assert account_key(ARCHIVE.encode()) is None
