"""Mailpit's options in a real process: logins of POP3 and of `send`, ages, and lines of LF."""

from __future__ import annotations

import poplib
import smtplib
import ssl
from pathlib import Path

import pytest

from mailstack.web.api.serialize import BARE_NEWLINES
from tests.journeys.mailpit import LETTER, Mailpit
from tests.journeys.process import command


def trusting(ca_file: object) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


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
def test_who_may_send_by_the_api_need_not_be_who_may_look(
    tmp_path: Path, options: tuple[str, ...], login: str, status: int
) -> None:
    (tmp_path / "senders").write_text("robot:beep\n")
    named = [str(tmp_path / "senders") if each == "SENDERS" else each for each in options]
    with Mailpit(tmp_path, *named, MP_UI_AUTH="ann:secret") as mailpit:
        body = {"From": {"Email": "a@b.test"}, "To": [{"Email": "c@d.test"}], "Subject": "x"}
        found, _ = mailpit.ask("api/v1/send", body, login=login)
        assert found == status
        assert mailpit.ask("api/v1/messages", login="robot:beep")[0] == 401
        assert mailpit.stop() == 0


def test_who_is_named_reads_all_letters_by_pop3_and_others_their_own(tmp_path: Path) -> None:
    with Mailpit(tmp_path, MP_POP3_AUTH="ann:secret") as mailpit:
        for number, to in enumerate(("c@d.test", "alice@home.test", "e@f.test"), 1):
            mailpit.send(to, subject=to, number=number)
        reader, second = (read(mailpit, "ann", "secret") for _ in range(2))
        assert reader.stat()[0] == second.stat()[0] == 3, "two at a time, as there"
        assert b"Subject: alice@home.test" in reader.retr(2)[1]
        reader.dele(1)
        reader.quit()
        second.quit()
        assert [each["Subject"] for each in mailpit.get("api/v1/messages")["messages"]] == [
            "e@f.test",
            "alice@home.test",
        ]
        again = read(mailpit, "ann", "secret")
        assert again.stat()[0] == 2
        again.quit()
        with pytest.raises(poplib.error_proto):
            read(mailpit, "ann", "wrong")
        own = read(mailpit, "c@d.test", "c@d.test")
        assert own.stat()[0] == 1, "a mailbox keeps what is deleted from the list"
        own.quit()
        assert mailpit.stop() == 0


def read(mailpit: Mailpit, user: str, password: str) -> poplib.POP3:
    reader = poplib.POP3(*mailpit.at("pop3"), timeout=20)
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
            client.starttls(context=trusting(mailpit.facts["ca_file"]))
            client.login("alice", "alice")
            client.sendmail("alice@home.test", ["c@d.test"], octets.replace(b"by LF", b"by LF as well"))
        letter = mailpit.get("v1/letters/latest")
        assert (letter["subject"], letter["warnings"]) == ("by LF as well", [BARE_NEWLINES])
        assert letter["text"].split("\n")[:3] == ["Hello.", ".", "..two"]
        mailpit.send("c@d.test")
        assert mailpit.get("v1/letters/latest")["warnings"] == []
        assert mailpit.stop() == 0
