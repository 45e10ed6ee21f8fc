"""Mailpit's options and logins in a real process."""

from __future__ import annotations

import poplib
import smtplib
from pathlib import Path

import bcrypt
import pytest

from mailstack.web.api.serialize import BARE_NEWLINES
from tests.journeys.dev import DevProcess
from tests.journeys.mailpit import LETTER, GreenMail, Mailpit
from tests.journeys.process import command


@pytest.mark.parametrize(
    ("options", "login", "status"),
    [
        (("--send-api-auth-file", "SENDERS"), "robot:beep", 200),
        (("--send-api-auth-file", "SENDERS"), "robot:boop", 401),
        (("--send-api-auth-file", "SENDERS"), "ann:secret", 401),
        (("--send-api-auth-accept-any",), "", 200),
        ((), "", 401),
        ((), "ann:secret", 200),
    ],
)
def test_logins_for_the_send_api(tmp_path: Path, options: tuple[str, ...], login: str, status: int) -> None:
    (tmp_path / "senders").write_text("robot:beep\n")
    named = [str(tmp_path / "senders") if each == "SENDERS" else each for each in options]
    with Mailpit(tmp_path, *named, MP_UI_AUTH="ann:secret") as mailpit:
        body = {"From": {"Email": "a@b.test"}, "To": [{"Email": "c@d.test"}], "Subject": "x"}
        found, _ = mailpit.ask("api/v1/send", body, login=login)
        assert found == status
        assert mailpit.ask("api/v1/messages", login="robot:beep")[0] == 401
        assert mailpit.stop() == 0


def test_pop3_login_reads_all_letters_and_mailboxes_their_own(tmp_path: Path) -> None:
    with Mailpit(tmp_path, MP_POP3_AUTH="ann:secret") as mailpit:
        for number, to in enumerate(("c@d.test", "alice@home.test", "e@f.test"), 1):
            mailpit.send(to, subject=to, number=number)
        reader, second = (read(mailpit, "ann", "secret") for _ in range(2))
        assert reader.stat()[0] == second.stat()[0] == 3, "two at a time, as there"
        assert b"Subject: alice@home.test" in reader.retr(2)[1]
        reader.dele(1)
        reader.quit()
        second.quit()
        subjects = [each["Subject"] for each in mailpit.get("api/v1/messages")["messages"]]
        assert subjects == ["e@f.test", "alice@home.test"]
        again = read(mailpit, "ann", "secret")
        assert again.stat()[0] == 2
        again.quit()
        with pytest.raises(poplib.error_proto):
            read(mailpit, "ann", "wrong")
        own = read(mailpit, "c@d.test", "c@d.test")
        assert own.stat()[0] == 1, "a mailbox keeps what is deleted from the list"
        own.quit()
        assert mailpit.stop() == 0


def read(dev: DevProcess, user: str, password: str) -> poplib.POP3:
    reader = poplib.POP3(*dev.at("pop3"), timeout=20)
    reader.user(user)
    reader.pass_(password)
    return reader


def test_a_removed_option_is_answered_and_the_environment_runs(tmp_path: Path) -> None:
    with Mailpit(tmp_path, "--webhook-url", "http://127.0.0.1:1/", "--label=QA") as mailpit:
        mailpit.send("c@d.test")
        assert mailpit.get("api/v1/messages")["total"] == 1
        assert "--webhook-url is not supported: " in mailpit.complaint()
        assert mailpit.stop() == 0


def test_commands_count_ages_by_the_clock_of_the_environment(tmp_path: Path) -> None:
    with Mailpit(tmp_path) as mailpit:
        mailpit.send("c@d.test", subject="old")
        command("clock", "advance", "5d", environ=mailpit.environ)
        mailpit.send("c@d.test", subject="new", number=2)

        def found(since: str) -> int:
            return len(command("letters", "--json", "--since", since, environ=mailpit.environ).splitlines())

        assert (found("1d"), found("6d")) == (1, 2)
        assert mailpit.stop() == 0


def test_lines_that_end_in_lf_are_mended_with_a_warning(tmp_path: Path) -> None:
    """SMUG-02: at the capture port, and for a user who is logged in."""
    octets = LETTER.format("by LF", 1).replace("\r\n", "\n").encode() + b".\n..two\n"
    with Mailpit(tmp_path) as mailpit:
        with smtplib.SMTP(*mailpit.at("capture"), timeout=20) as client:
            client.sendmail("a@b.test", ["c@d.test"], octets)
        letter = mailpit.get("v1/letters/latest")
        assert letter["text"].split("\n")[:3] == ["Hello.", ".", "..two"]
        assert letter["warnings"] == [BARE_NEWLINES]
        assert "lines that end in LF alone" in command("journey", letter["id"], environ=mailpit.environ)
        with smtplib.SMTP(*mailpit.at("submission"), timeout=20) as client:
            client.starttls(context=mailpit.trust)
            client.login("alice", "alice")
            client.sendmail("alice@home.test", ["c@d.test"], octets.replace(b"by LF", b"by LF as well"))
        letter = mailpit.get("v1/letters/latest")
        assert (letter["subject"], letter["warnings"]) == ("by LF as well", [BARE_NEWLINES])
        assert letter["text"].split("\n")[:3] == ["Hello.", ".", "..two"]
        mailpit.send("c@d.test")
        assert mailpit.get("v1/letters/latest")["warnings"] == []
        assert mailpit.stop() == 0


def test_logins_are_required_to_read_and_to_send(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    (tmp_path / "passwords").write_text(f"ann:{hashed}\n")
    environ = {"MP_SMTP_AUTH": "robot:beep", "MP_SMTP_ALLOWED_RECIPIENTS": r"@allowed\.test$"}
    with Mailpit(tmp_path, "--ui-auth-file", str(tmp_path / "passwords"), **environ) as mailpit:
        with smtplib.SMTP(*mailpit.at("capture"), timeout=20) as client:
            client.ehlo()
            assert client.mail("a@b.test")[0] == 530
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("robot", "boop")
            client.login("robot", "beep")
            refused = client.sendmail("a@b.test", ["c@allowed.test", "d@other.test"], "Subject: x\r\n\r\nx\r\n")
            assert {to: code for to, (code, _) in refused.items()} == {"d@other.test": 550}
        for path in ("api/v1/messages", "v1/letters", "view/latest.txt"):
            for login in ("", "ann:wrong", "alice@home.test:alice"):
                assert mailpit.ask(path, login=login)[0] == 401, (path, login)
            assert mailpit.ask(path, login="ann:secret")[0] == 200, path
        assert mailpit.ask("livez")[0] == 200, "as Mailpit's, it says nothing"
        login = {"username": "ann", "password": "secret"}
        assert mailpit.ask("v1/login", login)[0] == 200, "a browser's session"


def test_greenmails_users_log_in_by_their_names(tmp_path: Path) -> None:
    """By the local part, whatever their domain, or as the API was told; by their addresses too."""
    ports = [f"-Dgreenmail.{protocol}.port=0" for protocol in ("smtp", "pop3", "api")]
    users = "-Dgreenmail.users=test1:pw1@localhost,test1:pw2@elsewhere.test"
    setup = [f"-Dgreenmail.setup.test.{protocol}" for protocol in ("smtp", "pop3", "api")]
    with GreenMail(tmp_path, *setup, *ports, users) as greenmail:
        greenmail.api("POST", "api/user", {"email": "foo@bar.test", "login": "some id", "password": "pw3"})

        def letters(login: str, password: str) -> int:
            reader = read(greenmail, login, password)
            found = reader.stat()[0]
            reader.quit()
            return found

        with smtplib.SMTP(*greenmail.at("capture"), timeout=20) as client:
            client.login("test1", "pw1")
            client.sendmail("a@b.test", ["test1@localhost", "foo@bar.test"], "Subject: x\r\n\r\nx\r\n")
        assert letters("test1", "pw1") == letters("test1@localhost", "pw1") == letters("some id", "pw3") == 1
        assert letters("test1@elsewhere.test", "pw2") == 0
        with pytest.raises(poplib.error_proto):
            letters("test1", "pw2")
        assert greenmail.stop() == 0
