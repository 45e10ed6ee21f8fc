"""`mailstack dev` as a process, with the mail clients of Python's library."""

from __future__ import annotations

import email
import json
import poplib
import smtplib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.dev import DevProcess
from tests.journeys.process import Process, lines_of_json
from tests.waiting import until

LETTER = "From: alice@home.test\r\nTo: bob@home.test\r\nSubject: lunch\r\n\r\nAt noon?\r\n"


class Dev(DevProcess):
    def read(self, user: str, wanted: int = 1) -> list[bytes]:
        """The letters of a mailbox whose password is its name, once there are as many as wanted."""
        for _ in range(200):
            reader = poplib.POP3("localhost", self.port("pop3"), timeout=10)
            reader.stls(context=self.trust)
            reader.user(user)
            reader.pass_(user)
            if (count := reader.stat()[0]) >= wanted:
                letters = [b"\r\n".join(reader.retr(number)[1]) for number in range(1, count + 1)]
                reader.quit()
                return letters
            reader.quit()
        raise AssertionError(f"{user} has not got {wanted} letters")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with Dev(tmp_path_factory.mktemp("run")) as dev:
        yield dev


def received(letter: bytes) -> list[str]:
    return [" ".join(str(field).split()) for field in email.message_from_bytes(letter).get_all("Received", [])]


def test_one_letter_to_bob_and_carol(dev: Dev) -> None:
    dev.submit(LETTER.encode(), "bob@home.test", "carol@elsewhere.test")
    (to_bob,) = dev.read("bob")
    (to_carol,) = dev.read("carol@elsewhere.test")
    assert b"At noon?" in to_bob
    assert b"At noon?" in to_carol
    assert len(received(to_bob)) == 2
    assert len(received(to_carol)) == 3
    assert "with ESMTPSA" in received(to_carol)[2]
    assert "with ESMTPS id" in received(to_carol)[1]
    newest = lines_of_json(dev.mailstack("letters", "--json", "--to", "bob@home.test"))[0]
    journey = json.loads(dev.mailstack("journey", newest["id"], "--json"))
    steps = [(step["server"], step["step"]) for step in journey["steps"]]
    assert steps[0] == ("mx.home.test", "submitted")
    assert {("mx.home.test", step) for step in ("routed", "attempted", "relayed", "collected")} <= set(steps)
    assert {("mx.world.test", step) for step in ("exchanged", "delivered", "collected")} <= set(steps)


def test_poplib_fetches_what_came_by_smtputf8_or_was_imported_and_what_is_behind_it(dev: Dev, tmp_path: Path) -> None:
    """POP-25, POP-05: poplib says no UTF8; every size is that of the octets that RETR sends."""
    utf8, latin1 = "Subject: gr\u00fc\u00dfe\r\n\r\n1\r\n".encode(), b"Subject: gr\xfc\xdfe\r\n\r\n2\r\n"
    file = tmp_path / "old.eml"
    file.write_bytes(b"From: ann@shop.test\r\nSubject: gr\xfc\xdfe\r\n\r\n3\r\n")
    with smtplib.SMTP("localhost", dev.port("capture"), timeout=10) as client:
        for content in (utf8, latin1):
            client.sendmail("a@home.test", ["utf8@home.test"], content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    dev.mailstack("import", "utf8@home.test", str(file))
    with smtplib.SMTP("localhost", dev.port("capture"), timeout=10) as client:
        client.sendmail("a@home.test", ["utf8@home.test"], "Subject: plain\r\n\r\n4\r\n")
    dev.read("utf8@home.test", 4)
    reader = dev.reader("utf8@home.test")
    sizes = [int(line.split()[1]) for line in reader.list()[1]]
    assert reader.stat() == (4, sum(sizes))
    letters = []
    for number, size in enumerate(sizes, 1):
        _, lines, octets = reader.retr(number)
        assert octets == size
        assert reader.top(number, 0)[1] == lines[:-1]
        letters.append(b"".join(line + b"\r\n" for line in lines))
    assert letters[0].endswith(utf8)
    assert letters[1].endswith(latin1)
    assert letters[2].endswith(file.read_bytes())
    assert letters[3].endswith(b"4\r\n")
    reader.quit()


def test_the_capture_port_takes_any_letter_without_or_with_any_login(dev: Dev) -> None:
    for login in (False, True):
        with smtplib.SMTP("localhost", dev.port("capture"), timeout=10) as client:
            if login:
                client.login("whoever", "whatever")
            client.sendmail("app@shop.test", [f"customer-{login}@mail.test"], LETTER)
        (letter,) = dev.read(f"customer-{login}@mail.test")
        assert b"At noon?" in letter


BY_LF = b"Subject: by LF\n\n.dots\n.\nlast\n"


def test_the_capture_port_offers_no_starttls(dev: Dev) -> None:
    """Rails, Nodemailer and others use it unasked, and then refuse the certificate."""
    with smtplib.SMTP("localhost", dev.port("capture"), timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.docmd("STARTTLS")[0] in {500, 502, 503}


def test_programs_that_end_lines_in_lf_send_by_both_ports(dev: Dev) -> None:
    """SMUG-02: as `smtplib.sendmail` with bytes does; each dot stays."""
    with smtplib.SMTP("localhost", dev.port("capture"), timeout=10) as client:
        client.sendmail("app@shop.test", ["lf@mail.test"], BY_LF)
    with dev.submission() as client:
        client.sendmail("alice@home.test", ["lf@mail.test"], BY_LF)
    for letter in dev.read("lf@mail.test", wanted=2):
        assert letter.endswith(b"\r\n\r\n.dots\r\n.\r\nlast\r\n")
        assert b"\n" not in letter.replace(b"\r\n", b"")


def test_a_capture_port_can_be_as_strict_as_other_hosts(tmp_path: Path) -> None:
    with Dev(tmp_path, "--strict-newlines") as strict:
        with smtplib.SMTP("localhost", strict.port("capture"), timeout=10) as client:
            with pytest.raises(smtplib.SMTPDataError, match="550"):
                client.sendmail("app@shop.test", ["lf@mail.test"], BY_LF)
            assert client.sock is None or client.sock.recv(1) == b""
        assert strict.stop() == 0


@pytest.mark.parametrize(
    ("mistake", "code", "status"),
    [("password", 535, b"5.7.8"), ("no login", 530, b"5.7.0"), ("unknown", 550, b"5.1.1"), ("size", 552, b"5.3.4")],
)
def test_refusals_say_what_is_wrong(dev: Dev, mistake: str, code: int, status: bytes) -> None:
    """CODE-02, CODE-03, CODE-04, CODE-06"""
    with smtplib.SMTP("localhost", dev.port("submission"), timeout=10) as client:
        client.starttls(context=dev.trust)
        client.ehlo()
        answer = client.noop()
        if mistake == "password":
            with pytest.raises(smtplib.SMTPAuthenticationError) as error:
                client.login("alice", "wrong")
            answer = (error.value.smtp_code, error.value.smtp_error)
        elif mistake == "no login":
            answer = client.mail("alice@home.test")
        else:
            client.login("alice", "alice")
            if mistake == "unknown":
                client.mail("alice@home.test")
                answer = client.rcpt("nobody@home.test")
            else:
                answer = client.mail("alice@home.test", ["SIZE=99999999999"])
        assert (answer[0], bytes(answer[1]).split()[0]) == (code, status)


def test_nothing_ever_leaves_the_machine(dev: Dev) -> None:
    """An address literal names a host directly; it isn't called, and the journey says why."""
    letter = dev.submit(LETTER.encode(), "someone@[192.0.2.1]")
    until(lambda: "loopback" in dev.mailstack("queue", "list", "--json"), "the refusal to call out is in the queue")
    dev.mailstack("queue", "remove", letter, "--yes")
    assert letter not in dev.mailstack("queue", "list", "--json")


def test_the_rest_of_the_world_reports_what_it_is_asked_to(dev: Dev) -> None:
    """DSN-02: Python's smtplib hands the parameters in."""
    had = len(dev.read("bob", 0))
    with dev.submission("bob", "bob") as client:
        client.sendmail("bob@home.test", "dora@world.test", LETTER, ["RET=HDRS", "ENVID=17"], ["NOTIFY=SUCCESS"])
    (octets,) = [each for each in dev.read("bob", had + 1) if b"multipart/report" in each]
    report = email.message_from_bytes(octets)
    about, dora = report.get_payload()[1].get_payload()
    assert about["Original-Envelope-Id"] == "17"
    assert (dora["Final-Recipient"], dora["Action"]) == ("rfc822; dora@world.test", "delivered")


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with Dev(tmp_path) as dev:
        data = Path(dev.facts["data"])
        assert data.is_dir()
        assert dev.stop() == 0
    assert not data.exists()
    assert list(tmp_path.rglob("*.json")) == []


def taken_port() -> socket.socket:
    """A port of ours, low enough for a base below it."""
    for port in range(20587, 30000):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError("every port is taken")


def test_a_port_that_is_taken_is_named_with_the_cure(dev: Dev) -> None:
    with taken_port() as taken:
        port = taken.getsockname()[1]
        # The submission is listened on first.
        trouble = dev.mailstack("dev", "--port-base", str(port - 587), status=1)
    assert f"port {port}" in trouble
    assert "--port-base" in trouble


def answer(url: str, host: str, path: str = "v1/letters") -> tuple[int, str]:
    """Status and body of a request with a Host name."""
    request = urllib.request.Request(url + path, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_ingested_messages_are_found_at_once(tmp_path: Path) -> None:
    line = "From a@b.test Thu Nov 26 22:41:22 2026\n"
    with Dev(tmp_path) as dev:
        for batch in range(1, 4):
            box = tmp_path / f"box{batch}"
            box.write_text(
                "\n".join(f"{line}From: a@b.test\nTo: bob@home.test\nSubject: b{batch} n{n}\n\nx\n" for n in range(100))
            )
            dev.mailstack("ingest", str(box))
            assert dev.api("GET", f"v1/letters?limit=0&query=subject%3Ab{batch}")["total"] == 100
            assert dev.api("GET", "v1/mailboxes")["mailboxes"][0]["letters"] == 100 * batch


def test_an_open_environment_serves_each_host_name_without_a_login(tmp_path: Path) -> None:
    with Dev(tmp_path, "--host", "0.0.0.0", "--open") as dev:
        url = f"http://127.0.0.1:{dev.port('web')}/"
        assert answer(url, "mailpit:8025")[0] == 200
        assert answer(url, "mail.example.test")[0] == 200
        assert dev.web == f"http://localhost:{dev.port('web')}/"


def test_without_it_a_login_and_a_known_name_are_required(tmp_path: Path) -> None:
    with Dev(tmp_path, "--host", "0.0.0.0") as dev:
        url = f"http://127.0.0.1:{dev.port('web')}/"
        assert answer(url, "localhost")[0] == 401
        status, text = answer(url, "mail.example.test")
        assert status == 421
        assert "--web-host NAME" in text
        assert "--open" in text


def test_the_start_says_that_it_is_open(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Process("dev", "--port-base", "0", "--open", environ=environ) as process:
        lines = [process.line() for _ in range(3)]
    assert any("OPEN: each client" in line for line in lines), lines
