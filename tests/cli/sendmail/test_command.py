"""`mailstack sendmail`, `mailq`: real processes on a real store, the server running or not."""

from __future__ import annotations

import contextlib
import os
import poplib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailstack.letter.delivery import DeliveryState
from tests.cli.conftest import DEFERRED, Mailstack, Shelf, lines_of
from tests.journeys.process import PATIENCE, command, lines_of_json, serve
from tests.journeys.process import server as mail_server
from tests.waiting import until

PROGRAM = "import sys; sys.argv[0] = sys.argv.pop(1); from mailstack.cli.sendmail.command import main; main()"


def called(name: str, config: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """The program by the name that a link gives it."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, f"/usr/sbin/{name}", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "MAILSTACK_CONFIG": str(config)},
    )


def read(port: int, count: int) -> list[str]:
    """Bob's letters, once there are so many."""

    def look() -> list[str]:
        reader = poplib.POP3("127.0.0.1", port, timeout=20)
        with contextlib.closing(reader):
            reader.user("bob")
            reader.pass_("bob")
            there = reader.stat()[0] >= count
            found = [b"\n".join(reader.retr(number + 1)[1]).decode() for number in range(count)] if there else []
            reader.quit()
        return found

    return until(look, f"bob has {count} letters")


def test_a_letter_of_a_cron_job_is_in_its_mailbox_whether_the_server_runs_or_not(tmp_path: Path) -> None:
    config = mail_server(tmp_path)
    text = "To: bob\nBcc: carol@elsewhere.test\nSubject: cron\n\nhello\n.\nmore\n"
    assert called("sendmail", config, "-t", "-oi", "-FCron", text=text).returncode == 0
    with serve(config) as server:
        done = called("sendmail", config, "-i", "-v", "-f", "alice", "bob", "carol@elsewhere.test", text=text)
        assert done.returncode == 0, done.stderr
        letter = done.stdout.split()[-1]
        first, second = read(server.ports["pop3"], 2)
        for seen in (first, second):
            assert "Bcc" not in seen
            assert "\nmore" in seen
        assert "From: Cron <" in first
        assert "Return-Path: <alice@home.test>" in second

        def steps() -> list[str]:
            (told,) = lines_of_json(command("journey", "-c", str(config), letter, "--json"))
            return [step["step"] for step in told["steps"]]

        until(lambda: "deferred" in steps(), "what nobody takes is deferred")
        waiting = called("mailq", config).stdout
        assert "carol@elsewhere.test" in waiting
        assert "in 2 Requests." in waiting
        server.stop()
    (told,) = lines_of_json(command("journey", "-c", str(config), letter, "--json"))
    submitted = told["steps"][0]
    assert (submitted["step"], submitted["protocol"]) == ("submitted", "LOCAL")
    assert submitted["by"]


TO_ALICE = "Subject: x\n\nx\n"


@pytest.mark.parametrize(
    ("arguments", "text", "status"),
    [
        (("-i", "alice"), TO_ALICE, 0),
        (("-i", "nobody"), TO_ALICE, 67),
        (("-i", "alice", "nobody"), TO_ALICE, 67),
        (("-i", "<a b>"), TO_ALICE, 67),
        (("-t",), TO_ALICE, 64),
        ((), TO_ALICE, 64),
        (("-k", "alice"), TO_ALICE, 64),
        (("-i", "alice"), "", 65),
        (("-i", "alice"), "x" * 20_000, 69),
        (("-bi",), "", 0),
        (("-bp",), "", 0),
        (("-q",), "", 0),
        (("-qRa..b",), "", 64),
    ],
)
def test_exit_status_as_in_sysexits(
    config: Path, mailstack: Mailstack, shelf: Shelf, *, arguments: tuple[str, ...], text: str, status: int
) -> None:
    with config.open("a") as more:
        more.write("[submission]\nmax_size = 10000\n")
    shelf.add_account("alice@home.test")
    done = mailstack("sendmail", "-c", str(config), *arguments, input=text)
    assert done.exit_code == status, done.stderr
    assert done.stderr.count("\n") == (1 if status else 0)
    assert len(lines_of(mailstack("letters", "--json"))) == (1 if status == 0 and text else 0)


def test_what_can_not_be_read_is_told_and_tried_again(config: Path, mailstack: Mailstack) -> None:
    config.write_text("hostname = 7\n")
    assert mailstack("sendmail", "alice", input=TO_ALICE).exit_code == 78
    assert mailstack("sendmail", "-c", str(config.with_name("none.toml")), "alice", input=TO_ALICE).exit_code == 78


def test_mailq_marks_what_is_held_and_says_why_the_rest_waits(mailstack: Mailstack, shelf: Shelf) -> None:
    assert mailstack("sendmail", "-bp").stdout == "Mail queue is empty\n"
    waits = shelf.accept(**DEFERRED)
    held = shelf.accept("", **{**DEFERRED, "state": DeliveryState.HELD})
    told = mailstack("sendmail", "-bp").stdout
    assert told.startswith("-Queue ID-")
    assert f"{waits} " in told
    assert f"{held}! " in told
    assert "MAILER-DAEMON" in told
    assert "450 4.2.1 mailbox busy)" in told


def test_q_tries_what_waits_now(mailstack: Mailstack, shelf: Shelf) -> None:
    later = time.time() + 3600
    letter = shelf.accept(**{**DEFERRED, "due": later})
    other = shelf.accept(**{**DEFERRED, "due": later, "destination": "third.test"}, recipients=("x@third.test",))
    assert mailstack("sendmail", "-qRthird.test").exit_code == 0
    dues = {line["id"]: line["deliveries"][0]["next_attempt"] for line in lines_of(mailstack("letters", "--json"))}
    assert dues[other] < dues[letter]
    assert mailstack("sendmail", "-q").exit_code == 0
    assert mailstack("sendmail", "-qI", letter).exit_code == 64


def test_a_rule_holds_what_is_handed_in_here_too(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    assert mailstack("queue", "rule", "add", "--to", "alice@*").exit_code == 0
    assert mailstack("sendmail", "alice", input=TO_ALICE).exit_code == 0
    assert [line["state"] for line in lines_of(mailstack("letters", "--json"))] == ["held"]
