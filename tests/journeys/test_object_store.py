"""Servers with large contents in an object store, and failures of that store."""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstack.store.objects.bucket import Bucket
from tests.journeys.clients import log_in
from tests.journeys.process import PATIENCE, add_accounts, command, lines_of_json, run, serve
from tests.journeys.process import server as mail_server
from tests.objects.between import Between, Trouble, between
from tests.objects.server import Server, keys_in
from tests.waiting import until

LARGE = "Subject: large\r\n\r\n" + "".join(f"line {number}\r\n" for number in range(30_000))


@pytest.fixture
def proxied(object_store: Server) -> Iterator[tuple[Between, str]]:
    with between(object_store.endpoint) as both:
        yield both


def submit(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        client.login("alice", "alice")
        client.sendmail("alice@home.test", recipient, LARGE)


def fetch(port: int, user: str, *, delete: bool = False) -> list[str]:
    """The letters of a mailbox."""
    client = log_in(port, user)
    found = []
    for number in range(1, client.stat()[0] + 1):
        found.append("\r\n".join(line.decode() for line in client.retr(number)[1]) + "\r\n")
        if delete:
            client.dele(number)
    client.quit()
    return found


def configured(tmp_path: Path, bucket: Bucket, endpoint: str, mx: int) -> Path:
    """The server of home.test; elsewhere.test is at port `mx`."""
    config = mail_server(tmp_path)
    secret = tmp_path / "s3.secret"
    secret.write_text(f"{bucket.place.secret_key}\n")
    text = config.read_text().replace("127.0.0.1:1", f"127.0.0.1:{mx}")
    config.write_text(f"""{text}
[relay.schedule]
first = "1s"
longest = "2s"
[contents]
bucket = "{bucket.place.bucket}"
endpoint = "{endpoint}"
access_key = "{bucket.place.access_key}"
secret_key_file = "s3.secret"
above = "1KiB"
timeout = "2s"
attempts = 1
""")
    return config


@contextlib.contextmanager
def elsewhere(tmp_path: Path) -> Iterator[dict[str, int]]:
    """The ports of a server for elsewhere.test, with bob's mailbox."""
    (tmp_path / "elsewhere").mkdir()
    config = mail_server(tmp_path / "elsewhere")
    config.write_text(
        config.read_text().replace("home.test", "elsewhere.test").replace('"elsewhere.test" =', '"x.test" =')
    )
    add_accounts(config, "bob@elsewhere.test")
    with serve(config) as server:
        yield server.ports
        assert server.stop() == 0


def test_large_letters_go_by_the_object_store(tmp_path: Path, bucket: Bucket, proxied: tuple[Between, str]) -> None:
    """In and out; with a store that fails, clients hear 451 and the queue waits, and nothing is lost."""
    state, endpoint = proxied
    with elsewhere(tmp_path) as there:
        config = configured(tmp_path, bucket, endpoint, there["mx"])
        with serve(config) as server:
            submit(server.ports["submission"], "bob@home.test")
            assert len(keys_in(bucket)) == 1
            (letter,) = fetch(server.ports["pop3"], "bob")
            assert letter.endswith(LARGE.partition("\r\n\r\n")[2])
            fetch(server.ports["pop3"], "bob", delete=True)
            until(lambda: not keys_in(bucket), "the object is removed")

            state.then = Trouble("status", 503)
            with pytest.raises(smtplib.SMTPDataError, match="451"):
                submit(server.ports["submission"], "bob@home.test")
            assert fetch(server.ports["pop3"], "bob") == []

            state.methods = frozenset({"GET"})
            submit(server.ports["submission"], "bob@elsewhere.test")
            until(lambda: waiting(config)["attempts"] > 1, "it is tried again")
            assert fetch(there["pop3"], "bob") == []
            state.then = Trouble("none")
            until(lambda: fetch(there["pop3"], "bob"), "the letter comes")
            assert fetch(there["pop3"], "bob")[0].endswith(LARGE.partition("\r\n\r\n")[2])
            until(lambda: not keys_in(bucket), "the object is removed")
            assert server.stop() == 0
        assert "can be written, read and deleted" in checked(config)
        state.then, state.methods = Trouble("status", 403), frozenset({"PUT"})
        assert "AccessDenied" in checked(config)


def checked(config: Path) -> str:
    """What `mailstack check` says, of whatever else it finds."""
    return run("check", "-c", str(config), "--no-dns").stdout


def waiting(config: Path) -> dict[str, int]:
    """The one delivery in the queue."""
    (letter,) = lines_of_json(command("queue", "list", "-c", str(config), "--json"))
    delivery: dict[str, int] = letter["deliveries"][0]
    return delivery
