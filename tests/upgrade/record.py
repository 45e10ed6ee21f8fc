"""Records what the program that is installed keeps, once for each release: `python -m tests.upgrade.record DIRECTORY`.

It fills a server with accounts, an alias, and letters in every state; then the database as SQL, its content files and
what the program itself says of all that go into DIRECTORY.
"""

from __future__ import annotations

import hashlib
import json
import poplib
import shutil
import smtplib
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.journeys.process import command, lines_of_json, serve
from tests.journeys.process import server as mail_server

SCHEDULE = '[relay.schedule]\nfirst = "1h"\nlongest = "4h"\ngive_up_after = "3650d"\nwarn_after = "0"\n'
"""What is queued stays queued, whenever the test is run."""
QUESTIONS = {
    "letters": ("letters", "--json", "--limit", "1000"),
    "queue": ("queue", "list", "--json", "--limit", "1000"),
    "users": ("user", "list", "--json"),
    "aliases": ("alias", "list", "--json"),
}


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        config = mail_server(Path(directory))
        config.write_text(config.read_text() + SCHEDULE)
        command("alias", "add", "-c", str(config), "team@home.test", "alice@home.test", "carol@elsewhere.test")
        fill(config)
        said = {"mailboxes": mailboxes(config)}  # first, for it is told as a collection
        said |= answers(config)
        keep(Path(directory) / "data", target)
    target.joinpath("said.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


def fill(config: Path) -> None:
    """Letters that were delivered, collected, deferred, held, bounced and removed."""
    with serve(config) as server:
        ports = server.ports
        submit(ports, "bob@home.test", text="small")
        submit(ports, "bob@home.test", text="large " + f"{'x' * 70} " * 1000)
        submit(ports, "alice@home.test", "bob@home.test", text="to two")
        submit(ports, "team@home.test", text="to an alias")
        for text in ("deferred", "held", "bounced", "removed"):
            submit(ports, "carol@elsewhere.test", text=text)
        collect_one(ports)
        time.sleep(2)
        ids = {each["id"]: each for each in lines_of_json(command("queue", "list", "-c", str(config), "--json"))}
        held, bounced, removed = sorted(ids)[-3:]
        command("queue", "hold", "-c", str(config), held)
        command("queue", "remove", "-c", str(config), "--yes", "--bounce", bounced)
        command("queue", "remove", "-c", str(config), "--yes", removed)
        time.sleep(2)
        assert server.stop() == 0


def submit(ports: dict[str, int], *recipients: str, text: str) -> None:
    with smtplib.SMTP("127.0.0.1", ports["submission"], timeout=20) as client:
        client.login("alice", "alice")
        letter = f"From: alice@home.test\r\nSubject: {text[:40]}\r\n\r\n" + "\r\n".join(text.split()) + "\r\n"
        client.sendmail("alice@home.test", recipients, letter)


def collect_one(ports: dict[str, int]) -> None:
    """Read one letter and leave it; delete another."""
    client = poplib.POP3("127.0.0.1", ports["pop3"], timeout=20)
    client.user("bob")
    client.pass_("bob")
    client.retr(1)
    client.retr(3)
    client.dele(3)
    client.quit()


def answers(config: Path) -> dict[str, Any]:
    """What the commands say, and every letter's journey."""
    said: dict[str, Any] = {}
    for name, (*words, last) in QUESTIONS.items():
        said[name] = lines_of_json(command(*words, last, "-c", str(config)))
    said["journeys"] = {
        each["id"]: json.loads(command("journey", each["id"], "--json", "-c", str(config))) for each in said["letters"]
    }
    return said


def mailboxes(config: Path) -> dict[str, dict[str, str]]:
    """Unique id to SHA-256 of each letter in each mailbox, over POP3, with the passwords of old."""
    found = {}
    with serve(config) as server:
        for user in ("alice", "bob"):
            client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=20)
            client.user(user)
            client.pass_(user)
            uids = [line.decode().split()[1] for line in client.uidl()[1]]
            texts = [b"\r\n".join(client.retr(number)[1]) for number in range(1, len(uids) + 1)]
            client.quit()
            digests = [hashlib.sha256(text).hexdigest() for text in texts]
            found[user] = dict(zip(uids, digests, strict=True))
        assert server.stop() == 0
    return found


def keep(data: Path, target: Path) -> None:
    """The database as text, so that it can be read and compared, and the content files."""
    target.mkdir(parents=True)
    connection = sqlite3.connect(data / "mailstack.sqlite3")
    target.joinpath("database.sql").write_text("\n".join(connection.iterdump()) + "\n")
    connection.close()
    shutil.copytree(data / "contents", target / "contents")


if __name__ == "__main__":
    main()
