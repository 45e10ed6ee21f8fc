"""`mailstack serve` over IMAP, with Python's imaplib beside smtplib, poplib and the commands."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.process import Process, add_accounts, command, serve, server
from tests.waiting import PATIENCE, until

LETTER = "From: alice@home.test\r\nTo: bob@home.test\r\nSubject: {subject}\r\n\r\nAt noon?\r\n"


def imap_server(directory: Path) -> Path:
    config = server(directory)
    text = config.read_text()
    config.write_text(text.replace("[listen]\n", '[listen]\nimap = ["tcp:0:interface=127.0.0.1"]\n', 1))
    return config


class Client(imaplib.IMAP4):
    """Bob's client, logged in."""

    def __init__(self, process: Process, user: str = "bob") -> None:
        super().__init__("127.0.0.1", process.ports["imap"], timeout=PATIENCE)
        self.login(user, user)

    def ask(self, method: str, *arguments: str) -> list[bytes]:
        """The data of a command that succeeds."""
        status, data = getattr(self, method)(*arguments)
        assert status == "OK", data
        return [part for part in data if part is not None]

    def count(self) -> int:
        return int(self.ask("select", "INBOX")[0])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with serve(imap_server(tmp_path), services=4) as process:
        yield process


def submit(process: Process, *subjects: str) -> None:
    with smtplib.SMTP("127.0.0.1", process.ports["submission"], timeout=PATIENCE) as sender:
        sender.login("alice", "alice")
        for subject in subjects:
            sender.sendmail("alice@home.test", ["bob@home.test"], LETTER.format(subject=subject))


def test_letters_are_read_flagged_filed_and_removed(process: Process) -> None:
    """IMAP-40, 60, 64, 65, 66, 69 and 73: the daily work of a client."""
    submit(process, "one", "two", "three")
    with Client(process) as bob:
        until(lambda: bob.count() == 3, "three letters have come")
        folders = b"\n".join(bob.ask("list"))
        for use in (rb"\Drafts", rb"\Sent", rb"\Junk", rb"\Trash", rb"\Archive"):
            assert use in folders
        assert b"At noon?" in bob.ask("fetch", "1", "(BODY[])")[0][1]
        assert rb"\Seen" in bob.ask("fetch", "1", "(FLAGS)")[0]
        assert rb"\Seen" not in bob.ask("fetch", "2", "(FLAGS)")[0]
        assert bob.ask("uid", "SEARCH", "UNSEEN") == [b"2 3"]
        assert bob.ask("uid", "SEARCH", "SUBJECT", "three") == [b"3"]
        bob.ask("copy", "1", "Archive")
        bob.ask("uid", "MOVE", "2", "Trash")
        bob.ask("store", "1", "+FLAGS", r"(\Deleted)")
        bob.ask("expunge")
        assert bob.count() == 1
        bob.ask("append", "Sent", r"(\Seen $Forwarded)", "", LETTER.format(subject="sent").encode())
        assert bob.ask("select", "Sent") == [b"1"]
        assert b"$Forwarded" in bob.ask("fetch", "1", "(FLAGS)")[0]
        assert bob.ask("select", "Trash") == [b"1"]
        assert bob.ask("select", "Archive") == [b"1"]


def test_a_restart_keeps_folders_flags_and_uids(tmp_path: Path) -> None:
    """IMAP-46 and 51: what was answered OK is there after a kill, under its uid."""
    config = imap_server(tmp_path)
    with serve(config, services=4) as process:
        with Client(process) as bob:
            bob.ask("create", "Lists/Twisted")
            bob.ask("append", "Lists/Twisted", r"(\Flagged)", "", LETTER.format(subject="kept").encode())
            before = bob.ask("status", "Lists/Twisted", "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        process.kill()
    with serve(config, services=4) as process, Client(process) as bob:
        assert bob.ask("status", "Lists/Twisted", "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)") == before
        bob.ask("select", "Lists/Twisted")
        assert rb"\Flagged" in bob.ask("fetch", "1", "(FLAGS)")[0]


def test_pop3_and_imap_show_the_same_inbox(process: Process) -> None:
    """IMAP-120 and 121: UIDL is validity and uid, and a message that IMAP removes is gone for the next POP3 session."""
    submit(process, "one", "two")
    with Client(process) as bob:
        until(lambda: bob.count() == 2, "two letters have come")
        (status,) = bob.ask("status", "INBOX", "(UIDVALIDITY)")
        validity = b"%x" % int(re.search(rb"UIDVALIDITY (\d+)", status)[1])  # type: ignore[index]
        assert pop3(process) == [validity + b"-1", validity + b"-2"]
        bob.ask("store", "1", "+FLAGS", r"(\Deleted)")
        assert pop3(process) == [validity + b"-1", validity + b"-2"]
        bob.ask("expunge")
        assert pop3(process) == [validity + b"-2"]
        assert pop3(process, delete=True) == [validity + b"-2"]
        assert bob.count() == 0


def test_idle_reports_what_pop3_deletes(process: Process) -> None:
    """IMAP-113: a session that waits gets EXPUNGE for each message that a POP3 session deletes."""
    submit(process, "one", "two")
    with Client(process) as bob:
        until(lambda: bob.count() == 2, "two letters have come")
        bob.send(b"wait IDLE\r\n")
        assert bob.readline().startswith(b"+ ")
        assert len(pop3(process, delete=True)) == 2
        reported = [bob.readline()]
        while len([line for line in reported if line.endswith(b"EXPUNGE\r\n")]) < 2:
            reported.append(bob.readline())
            assert reported[-1], "the server has closed the connection"
        bob.send(b"DONE\r\n")
        while not (line := bob.readline()).startswith(b"wait "):
            assert line, "the server has closed the connection"
        assert line.startswith(b"wait OK")
        assert bob.count() == 0


@pytest.mark.parametrize("seen_by_pop3", [True, False])
def test_what_pop3_retrieves_is_seen_by_choice(tmp_path: Path, *, seen_by_pop3: bool) -> None:
    r"""IMAP-122: RETR sets \Seen, unless the setting is off, and an open IMAP session is told."""
    config = imap_server(tmp_path)
    config.write_text(f"{config.read_text()}\n[imap]\nseen_by_pop3 = {str(seen_by_pop3).lower()}\n")
    with serve(config, services=4) as process:
        submit(process, "one", "two")
        with Client(process) as bob:
            until(lambda: bob.count() == 2, "two letters have come")
            pop3(process, retrieve=1)
            unseen = [b"2"] if seen_by_pop3 else [b"1 2"]
            assert bob.ask("status", "INBOX", "(UNSEEN)") == [
                b"INBOX (UNSEEN 1)" if seen_by_pop3 else b"INBOX (UNSEEN 2)"
            ]
            until(lambda: bob.ask("uid", "SEARCH", "UNSEEN") == unseen, "the session has its news")


def pop3(process: Process, *, retrieve: int = 0, delete: bool = False) -> list[bytes]:
    """The unique ids that a POP3 client sees; it retrieves a letter, and deletes all letters, on request."""
    reader = poplib.POP3("127.0.0.1", process.ports["pop3"], timeout=PATIENCE)
    reader.user("bob")
    reader.pass_("bob")
    ids = [line.split()[1] for line in reader.uidl()[1]]
    if retrieve:
        reader.retr(retrieve)
    for number in range(1, len(ids) + 1) if delete else ():
        reader.dele(number)
    reader.quit()
    return ids


def test_a_client_in_idle_hears_of_a_new_letter(process: Process) -> None:
    """IMAP-111: EXISTS comes without a question."""
    with socket.create_connection(("127.0.0.1", process.ports["imap"]), timeout=PATIENCE) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"a LOGIN bob bob\r\nb SELECT INBOX\r\nc IDLE\r\n")
        while not lines.readline().startswith(b"+ "):
            pass
        submit(process, "news")
        while lines.readline() != b"* 1 EXISTS\r\n":
            pass
        connection.sendall(b"DONE\r\nd LOGOUT\r\n")
        said = lines.read()
        assert b"c OK" in said
        assert b"* BYE" in said


def test_an_account_that_is_removed_takes_its_folders_along(tmp_path: Path) -> None:
    config = imap_server(tmp_path)
    with serve(config, services=4) as process:
        with Client(process) as bob:
            bob.ask("create", "Work")
            bob.ask("append", "Work", "", "", LETTER.format(subject="old").encode())
        command("user", "remove", "-c", str(config), "--yes", "bob@home.test")
        add_accounts(config, "bob@home.test")
        with Client(process) as bob:
            assert b"Work" not in b"".join(bob.ask("list"))


def test_commands_change_folders_beside_open_sessions(tmp_path: Path) -> None:
    """IMAP-47: a session lists what `mailstack folder` made, and ends when its folder is removed."""
    config = imap_server(tmp_path)
    with serve(config, services=4) as process:
        bob = Client(process)
        command("folder", "create", "-c", str(config), "bob@home.test", "Lists/python")
        assert b"Lists/python" in b"".join(bob.ask("list"))
        command("folder", "rename", "-c", str(config), "bob@home.test", "Lists/python", "Work")
        assert bob.ask("select", "Work") == [b"0"]
        command("folder", "remove", "-c", str(config), "--yes", "bob@home.test", "Work")
        with pytest.raises(imaplib.IMAP4.abort):
            until(lambda: bob.noop()[0] != "OK", "the session ends")
        bob.shutdown()
