"""`mailstack import` and `export`, `ingest` and `dump`: letters enter once, stay as they are, and come out again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailstack.cli import main
from mailstack.cli.target import DATABASE
from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.archive import ARCHIVE
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal

LETTER = "From: Ann <ann@shop.test>\nTo: bob@home.test, carol@elsewhere.test\nDate: {date}\nSubject: {n}\n\nHello\n"
DATE = "Thu, 26 Nov 2026 10:00:00 +0000"


def letter(n: int, date: str = DATE) -> str:
    return LETTER.format(n=n, date=date)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Three letters, the last of them twice."""
    file = tmp_path / "old.mbox"
    file.write_text("\n".join(f"From x\n{letter(n)}" for n in (1, 2, 3, 3)))
    return file


def states(result: Result) -> dict[str, int]:
    done = lines_of(result)[-1]
    return {state: count for state, count in done.items() if state != "state" and count}


def dev(*arguments: str) -> Result:
    """A command about a dev environment that does not run."""
    return CliRunner().invoke(main, list(arguments), prog_name="mailstack")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / DATABASE).touch()
    return tmp_path / "dev"


def test_a_repeated_import_adds_nothing(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    shelf.add_account("bob@home.test")
    assert states(mailstack("import", "bob@home.test", str(box), "--json")) == {"imported": 3, "known": 1}
    assert states(mailstack("import", "bob@home.test", str(box), "--json")) == {"known": 4}
    entries = shelf.pump.run(shelf.store.mailboxes.entries("bob@home.test", 0, 10))
    assert [entry.uid for entry in entries] == [1, 2, 3]
    content = shelf.pump.run(read_all(shelf.pump.run(shelf.store.mailboxes.read("bob@home.test", 1))))
    assert content == letter(1).encode().replace(b"\n", b"\r\n")


def test_its_journey_says_where_it_came_from(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    shelf.add_account("bob@home.test")
    (line, *_) = lines_of(mailstack("import", "bob@home.test", str(box), "--json"))
    steps = shelf.pump.run(shelf.store.history.steps(line["id"]))
    assert [step.step for step in steps] == ["submitted", "routed", "delivered"]
    assert steps[0].facts["file"] == "old.mbox:1"
    (record,) = shelf.pump.run(shelf.store.history.records(Filter(ids=(line["id"],))))
    assert str(record.letter.envelope.sender) == "ann@shop.test"


def test_a_deleted_letter_is_imported_again(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    shelf.add_account("bob@home.test")
    mailstack("import", "bob@home.test", str(box))
    shelf.pump.run(shelf.store.mailboxes.update("bob@home.test", collected=(), deleted=(1, 2), steps=()))
    assert states(mailstack("import", "bob@home.test", str(box), "--json")) == {"imported": 2, "known": 2}
    assert states(mailstack("import", "bob@home.test", str(box), "--json")) == {"known": 4}


def test_an_export_is_known_to_an_import(mailstack: Mailstack, shelf: Shelf, box: Path, tmp_path: Path) -> None:
    shelf.add_account("bob@home.test")
    mailstack("import", "bob@home.test", str(box))
    for name in ("there", "there.mbox"):
        there = str(tmp_path / name)
        assert states(mailstack("export", "bob@home.test", there, "--json")) == {"exported": 3}
        assert states(mailstack("import", "bob@home.test", there, "--json")) == {"known": 3}
    assert states(mailstack("export", "bob@home.test", str(tmp_path / "there"), "--json")) == {"known": 3}
    assert "exists already; choose a new file" in refusal(
        mailstack("export", "bob@home.test", str(tmp_path / "there.mbox"))
    )


def test_import_and_export_need_an_account(mailstack: Mailstack, shelf: Shelf, box: Path, tmp_path: Path) -> None:
    for command in (("import", "eve@home.test", str(box)), ("export", "eve@home.test", str(tmp_path / "there"))):
        result = mailstack(*command)
        assert (result.exit_code, "eve@home.test is not an account of this server" in result.stderr) == (1, True)
    assert not (tmp_path / "there").exists()
    del shelf


def test_a_full_mailbox_takes_no_more_and_says_so(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    shelf.add_account("bob@home.test")
    mailstack("user", "quota", "bob@home.test", "200")
    result = mailstack("import", "bob@home.test", str(box), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["refused"] >= 1
    assert "the mailbox is full" in result.stderr


def test_a_file_without_a_letter_is_refused(mailstack: Mailstack, shelf: Shelf, tmp_path: Path) -> None:
    shelf.add_account("bob@home.test")
    (tmp_path / "notes.txt").write_text("nothing\n")
    result = refusal(mailstack("import", "bob@home.test", str(tmp_path / "notes.txt")))
    assert "notes.txt has no message" in result
    assert "supported are mbox, Maildir and .eml files" in result


def test_invalid_letters_of_an_mbox_are_refused(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    shelf.add_account("bob@home.test")
    box.write_text(box.read_text() + "\nFrom x\n\nFrom y\nno header\n\nFrom z\n")
    result = mailstack("import", "bob@home.test", str(box))
    assert (result.exit_code, result.stdout) == (1, "3 imported, 1 already there\n")
    assert result.stderr.count("it is not a message") == 3 + 1, "each, and the first once more at the end"


def test_a_file_may_have_any_name(mailstack: Mailstack, shelf: Shelf, tmp_path: Path) -> None:
    shelf.add_account("bob@home.test")
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"\xff.eml", b"\x1b[31m.eml"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(letter(len(name)))
    assert states(mailstack("import", "bob@home.test", str(folder), "--json")) == {"imported": 2}
    told = mailstack("import", "bob@home.test", str(folder))
    assert "\x1b" not in told.stdout + told.stderr


def test_the_inbox_takes_letters_for_those_whom_they_name(data: Path, box: Path) -> None:
    assert states(dev("ingest", "--data", str(data), str(box), "--json")) == {"imported": 3, "known": 1}
    assert states(dev("ingest", "--data", str(data), str(box), "--json")) == {"known": 4}
    pump = Pump()
    store = SqliteStore(pump, data, StoreSettings(archiving=True))
    pump.run(store.open())
    found = {name: len(pump.run(store.mailboxes.entries(name, 0, 10))) for name in pump.run(store.mailboxes.sizes())}
    pump.run(store.close())
    assert found == {ARCHIVE: 3, "bob@home.test": 3, "carol@elsewhere.test": 3}


def test_a_dump_has_what_was_taken_and_is_known_again(data: Path, box: Path, tmp_path: Path) -> None:
    dev("ingest", "--data", str(data), str(box))
    there = tmp_path / "there"
    assert states(dev("dump", "--data", str(data), str(there), "--json")) == {"exported": 3}
    assert states(dev("dump", "--data", str(data), str(there), "--json")) == {"known": 3}
    assert {file.read_text() for file in there.iterdir()} == {letter(n) for n in (1, 2, 3)}
    assert states(dev("ingest", "--data", str(data), str(there), "--json")) == {"known": 3}


def test_only_new_files_if_that_is_asked_for(data: Path, box: Path) -> None:
    os.utime(box, (0, 0))
    assert states(dev("ingest", "--data", str(data), "--recent", "3", str(box), "--json")) == {}


def test_a_letter_that_names_nobody_is_refused_and_the_others_enter(data: Path, box: Path, tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_text("Subject: x\n\nx\n")
    result = dev("ingest", "--data", str(data), str(box), str(tmp_path / "x.eml"))
    assert result.exit_code == 1
    assert "3 imported, 1 already there" in result.stdout
    assert "x.eml: it has no address" in result.stderr


def test_a_server_without_an_inbox_says_what_to_do(mailstack: Mailstack, shelf: Shelf, box: Path) -> None:
    assert "use `mailstack import ADDRESS PATH` for a mailbox" in mailstack("ingest", str(box)).stderr
    assert "use `mailstack export` for a mailbox" in mailstack("dump", "there").stderr
    del shelf


@contextmanager
def served(answers: dict[str, bytes]) -> Iterator[str]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            octets = answers.get(self.path)
            self.send_response(200 if octets is not None else 404)
            self.end_headers()
            self.wfile.write(octets or b"")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def listed(*names: str) -> bytes:
    messages = [{"ID": name, "From": {"Address": "a@b.test"}, "Created": "2026-11-26T10:00:00Z"} for name in names]
    return json.dumps({"messages": messages}).encode()


LIST = "/api/v1/messages?start=0&limit=500"


def test_letters_come_from_a_mailpit(tmp_path: Path) -> None:
    with served({LIST: listed("aBc1"), "/api/v1/message/aBc1/raw": b"A: b\r\n\r\nx\r\n"}) as url:
        assert states(dev("dump", "--http", url, str(tmp_path / "there"), "--json")) == {"exported": 1}
        assert states(dev("dump", "--http", f"{url}/", str(tmp_path / "there"), "--json")) == {"known": 1}
    assert (tmp_path / "there" / "aBc1.eml").read_bytes() == b"A: b\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, "404"),
        ({LIST: b"<html>"}, "returned no messages"),
        ({LIST: b'{"messages": [7]}'}, "returned no messages"),
        ({LIST: listed("../../x")}, "is not a message id"),
    ],
)
def test_what_is_no_mailpit_leaves_nothing(answers: dict[str, bytes], why: str, tmp_path: Path) -> None:
    with served(answers) as url:
        result = dev("dump", "--http", url, str(tmp_path / "there"))
    assert (result.exit_code, why in result.stderr) == (1, True)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_url_that_is_none_is_refused(tmp_path: Path) -> None:
    assert dev("dump", "--http", "file:///etc/passwd", str(tmp_path / "there")).exit_code == 1
