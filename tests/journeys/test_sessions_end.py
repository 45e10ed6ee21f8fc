"""Changed credentials end sessions, streams and waits in each worker and node."""

from __future__ import annotations

import json
import poplib
import smtplib
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.journeys.process import WEB_CONFIG, command, serve
from tests.waiting import PATIENCE, until

WITHIN = 1.0
"""Seconds from the end of the change to the end of the last session."""
NOISE = 1.0
"""Seconds by which a busy machine may be late."""
USERS = ("ann", "ben", "cat", "dan", "eve", "fay")
WEB = """
[index]
enabled = true
[web]
admins = ["root@home.test"]
streams_per_client = 100
[limits]
connections_per_address = 1000
"""


def password(user: str) -> str:
    return f"{user}-keeps-her-secret"


class Open:
    """One connection of a user, and what comes on it."""

    def __init__(self, kind: str, port: int) -> None:
        self.kind = kind
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def say(self, text: str) -> None:
        self.socket.sendall(text.replace("\n", "\r\n").encode())

    def line(self) -> bytes:
        return self.file.readline()

    def ask(self, text: str) -> bytes:
        """The last line of the answer."""
        self.say(text + "\n")
        line = self.line()
        while line[3:4] == b"-" and line[:3].isdigit():
            line = self.line()
        return line

    def rest(self, until: float) -> bytes | None:
        """All that comes before the end of the connection; None when it is still open at `until`."""
        self.socket.settimeout(max(0.01, until - time.monotonic()))
        try:
            return self.file.read()
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Site:
    """A running server, by the ports of one of its nodes."""

    def __init__(self, config: Path, ports: dict[str, int]) -> None:
        self.config = config
        self.ports = ports
        self.keep = ExitStack()

    def open(self, kind: str, service: str) -> Open:
        found = Open(kind, self.ports[service])
        self.keep.callback(found.close)
        return found

    def http(self, kind: str, path: str, *fields: str) -> Open:
        found = self.open(kind, "web")
        found.say("\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""]))
        return found

    def stream(self, kind: str, *fields: str) -> Open:
        found = self.http(kind, "/v1/events", *fields)
        assert b"200" in found.line(), kind
        until(lambda: found.line().startswith(b"retry:"), "the stream has begun")
        return found

    def cookie(self, user: str, secret: str) -> str:
        """The session of a browser."""
        connection = HTTPConnection("127.0.0.1", self.ports["web"], timeout=PATIENCE)
        body = json.dumps({"username": f"{user}@home.test", "password": secret})
        connection.request("POST", "/v1/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()
        return (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def status(self, *fields: str) -> bytes:
        return self.http("me", "/v1/me", *fields).line().split()[1]

    def smtp(self, user: str, secret: str) -> Open:
        found = self.open("smtp", "submission")
        found.line()
        found.ask("EHLO client.test")
        said = b64encode(f"\0{user}@home.test\0{secret}".encode()).decode()
        assert found.ask(f"AUTH PLAIN {said}").startswith(b"235")
        return found

    def letter_under_way(self, user: str, secret: str) -> Open:
        found = self.smtp(user, secret)
        found.ask(f"MAIL FROM:<{user}@home.test>")
        found.ask("RCPT TO:<root@home.test>")
        assert found.ask("DATA").startswith(b"354")
        found.say("Subject: never accepted\n\nHalf a letter\n")
        found.kind = "smtp data"
        return found

    def pop3(self, user: str, secret: str) -> Open:
        """A session that has marked its only letter as deleted."""
        found = self.open("pop3", "pop3")
        found.line()
        found.ask(f"USER {user}@home.test")
        assert found.ask(f"PASS {secret}").startswith(b"+OK"), "the maildrop is free"
        assert found.ask("DELE 1").startswith(b"+OK")
        return found

    def send(self, user: str, subject: str = "hello") -> None:
        with smtplib.SMTP("127.0.0.1", self.ports["mx"], timeout=PATIENCE) as client:
            client.sendmail("zoe@far.test", f"{user}@home.test", f"Subject: {subject}\r\n\r\nHi\r\n".encode())

    def everything(self, user: str, secret: str, count: int = 4) -> list[Open]:
        """Sessions of every kind, so many that some are at each worker."""
        basic = "Authorization: Basic " + b64encode(f"{user}@home.test:{secret}".encode()).decode()
        cookie = f"Cookie: {self.cookie(user, secret)}"
        opened: list[Open] = []
        for _ in range(count):
            opened += [
                self.stream("stream", basic),
                self.stream("stream of a browser", cookie),
                self.http("wait", "/v1/wait?query=nothing&timeout=600", basic),
                self.smtp(user, secret),
                self.letter_under_way(user, secret),
            ]
        return opened


def letters(site: Site, user: str, secret: str) -> int:
    """In a mailbox; an account that was changed is believed for a second more."""

    def log_in() -> poplib.POP3 | None:
        reader = poplib.POP3("127.0.0.1", site.ports["pop3"], timeout=PATIENCE)
        reader.user(f"{user}@home.test")
        try:
            reader.pass_(secret)
        except poplib.error_proto:
            reader.close()
            return None
        return reader

    reader = until(log_in, "the password is right")
    assert reader is not None
    count = reader.stat()[0]
    reader.quit()
    return count


def ends(opened: list[Open], change: Callable[[], object]) -> dict[str, list[bytes]]:
    """What each kind of session heard before its end, which comes in time."""
    change()
    begun = time.monotonic()
    heard: dict[str, list[bytes]] = {}
    still: list[str] = []
    for each in opened:
        rest = each.rest(begun + WITHIN + NOISE)
        if rest is None:
            still.append(each.kind)
        else:
            heard.setdefault(each.kind, []).append(rest)
    assert not still, f"still open after {WITHIN + NOISE:g} s: {sorted(set(still))} ({len(still)} of {len(opened)})"
    return heard


def mail_server(directory: Path, more: str = "") -> Path:
    config = directory / "mailstack.toml"
    config.write_text(more + WEB_CONFIG + WEB)
    return config


def populate(config: Path) -> None:
    users = config.with_name("users")
    users.write_text("".join(f"{user}@home.test {password(user)}\n" for user in (*USERS, "root")))
    command("user", "import", "-c", str(config), str(users))


def log_out(site: Site, cookie: str) -> None:
    connection = HTTPConnection("127.0.0.1", site.ports["web"], timeout=PATIENCE)
    connection.request("DELETE", "/v1/login", headers={"Cookie": cookie.removeprefix("Cookie: ")})
    assert connection.getresponse().status == 200
    connection.close()


def new_password(config: Path, user: str, secret: str) -> None:
    file = config.with_name(f"{user}.new")
    file.write_text(secret)
    command("user", "password", "-c", str(config), f"{user}@home.test", "--password-file", str(file))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two workers over SQLite; commands are processes of their own."""
    config = mail_server(tmp_path_factory.mktemp("server"))
    populate(config)
    with serve(config, workers=2, services=4) as server:
        yield Site(config, server.ports)
        assert server.stop() == 0


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    with running.keep:
        yield running


def test_new_password_ends_every_session_of_the_account(site: Site) -> None:
    site.send("ann")
    cookie = f"Cookie: {site.cookie('ann', password('ann'))}"
    until(lambda: site.status(cookie) == b"200", "the session holds")
    others = site.stream("stream of another user", f"Cookie: {site.cookie('ben', password('ben'))}")
    opened = [*site.everything("ann", password("ann")), site.pop3("ann", password("ann"))]
    heard = ends(opened, lambda: new_password(site.config, "ann", "another-good-secret"))
    assert {each[:4] for each in heard["smtp"]} == {b"421 "}
    assert {each[:4] for each in heard["smtp data"]} == {b"421 "}
    assert heard["pop3"][0].startswith(b"-ERR ")
    assert site.status(cookie) == b"401"
    assert letters(site, "ann", "another-good-secret") == 1, "a session that was cut deletes nothing"
    assert others.rest(time.monotonic() + 0.2) is None


def test_removed_account_ends_its_sessions_and_the_next_holder_is_not_overheard(site: Site) -> None:
    secret = password("cat")
    opened = site.everything("cat", secret)
    streams = [each for each in opened if "stream" in each.kind]

    def remove() -> None:
        command("user", "remove", "-c", str(site.config), "cat@home.test", "--yes")
        file = site.config.with_name("next")
        file.write_text("the-next-holder-of-it")
        command("user", "add", "-c", str(site.config), "cat@home.test", "--password-file", str(file))
        site.send("cat", "for the next holder")

    heard = ends(opened, remove)
    assert not any(b"for the next holder" in each for kind in heard.values() for each in kind)
    assert streams


def test_app_password_that_is_taken_away_ends_what_it_opened(site: Site) -> None:
    made = command("user", "app-password", "add", "-c", str(site.config), "dan@home.test", "phone").strip()
    opened = site.everything("dan", made, 2)
    cookie = f"Cookie: {site.cookie('dan', made)}"
    remove = ("user", "app-password", "remove", "-c", str(site.config), "dan@home.test", "phone", "--yes")
    ends(opened, lambda: command(*remove))
    assert site.status(cookie) == b"401"


def test_kick_ends_sessions_and_leaves_the_password(site: Site) -> None:
    opened = site.everything("eve", password("eve"))
    cookie = f"Cookie: {site.cookie('eve', password('eve'))}"
    said: list[str] = []
    ends(opened, lambda: said.append(command("user", "kick", "-c", str(site.config), "eve@home.test", "--json")))
    assert json.loads(said[0]) == {"address": "eve@home.test", "ended": True}
    assert site.status(cookie) == b"401"
    site.smtp("eve", password("eve"))
    assert "no account" in command("user", "kick", "-c", str(site.config), "eva@home.test", status=1)


def test_logout_ends_what_that_session_opened_and_nothing_else(site: Site) -> None:
    mine, other = (f"Cookie: {site.cookie('fay', password('fay'))}" for _ in range(2))
    opened = [site.stream("stream", mine) for _ in range(4)]
    stays = site.stream("stream of another browser", other)

    ends(opened, lambda: log_out(site, mine))
    assert site.status(mine) == b"401"
    assert site.status(other) == b"200"
    assert stays.rest(time.monotonic() + 0.2) is None


def test_two_nodes_hear_of_a_change_at_either(tmp_path: Path, postgresql_url: str) -> None:
    pytest.importorskip("psycopg", exc_type=ImportError)
    nodes: list[Site] = []
    with ExitStack() as keep:
        for name in ("one", "two"):
            directory = tmp_path / name
            directory.mkdir()
            config = mail_server(directory, f'store = "{postgresql_url}"\n')
            if nodes:
                # docs/howto/many-nodes.md: all nodes have one secret.
                first = nodes[0].config.parent / "data"
                (directory / "data").mkdir()
                (directory / "data" / "secret").write_bytes((first / "secret").read_bytes())
            else:
                populate(config)
            server = keep.enter_context(serve(config, services=4))
            nodes.append(Site(config, server.ports))
            keep.enter_context(nodes[-1].keep)
        here, there = nodes
        opened = [each for site in (here, there) for each in site.everything("ann", password("ann"), 1)]
        ends(opened, lambda: new_password(here.config, "ann", "another-good-secret"))
        opened = [each for site in (here, there) for each in site.everything("ben", password("ben"), 1)]
        ends(opened, lambda: command("user", "kick", "-c", str(there.config), "ben@home.test"))
        cookie = f"Cookie: {here.cookie('cat', password('cat'))}"
        opened = [there.stream("stream", cookie)]
        ends(opened, lambda: log_out(here, cookie))
        assert there.status(cookie) == b"401"
