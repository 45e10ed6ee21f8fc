"""Mailpit's options in a real process: certificates, what is dropped, and who may send by the API."""

from __future__ import annotations

import json
import poplib
import re
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.web.api.serialize import BARE_NEWLINES
from tests.journeys.mailpit import LETTER, Mailpit
from tests.journeys.process import command


@pytest.fixture
def identity(tmp_path: Path) -> CertificateFiles:
    return private_ca(tmp_path / "given", "mail.test", time.time())


def trusting(ca_file: object) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


def test_each_service_shows_its_own_certificate_and_the_capture_port_wants_tls(
    tmp_path: Path, identity: CertificateFiles
) -> None:
    given = (str(identity.certificate), str(identity.key))
    options = ("--smtp-tls-cert", given[0], "--smtp-tls-key", given[1], "--smtp-require-starttls")
    options += ("--pop3-tls-cert", given[0], "--pop3-tls-key", given[1], "--ui-tls-cert=sans:page.test,other.test")
    options += ("--ui-tls-key=sans:page.test,other.test", "--ui-auth-file", str(tmp_path / "passwords"))
    (tmp_path / "passwords").write_text("ann:secret\n")
    with Mailpit(tmp_path, *options) as mailpit:
        with smtplib.SMTP(*mailpit.at("capture"), timeout=20) as client:
            client.ehlo()
            assert client.mail("a@b.test")[0] == 530
            client.starttls(context=trusting(identity.ca))
            client.sendmail("a@b.test", ["c@d.test"], LETTER.format("under TLS", 1))
        reader = poplib.POP3_SSL(*mailpit.at("pop3s"), context=trusting(identity.ca), timeout=20)
        reader.user("c@d.test")
        reader.pass_("c@d.test")
        assert reader.stat()[0] == 1
        reader.quit()
        assert mailpit.facts["web"].startswith("https://127.0.0.1:")
        ours = trusting(mailpit.facts["ca_file"])
        assert mailpit.get("api/v1/messages", context=ours, login="ann:secret")["total"] == 1
        assert ("DNS", "other.test") in _names(mailpit.at("web"), ours)
        # Commands know the way in, though nobody told them a password, and the page is for another name.
        assert command("fault", "list", "--json", environ=mailpit.environ).strip() == ""
        assert "now" in json.loads(command("clock", "show", "--json", environ=mailpit.environ))
        assert mailpit.stop() == 0


def _names(at: tuple[str, int], context: ssl.SSLContext) -> list[tuple[str, str]]:
    import socket

    with (
        socket.create_connection(at, timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="page.test") as tls,
    ):
        return list((tls.getpeercert() or {})["subjectAltName"])  # type: ignore[arg-type]


def test_tls_may_be_wanted_from_the_first_octet_on(tmp_path: Path, identity: CertificateFiles) -> None:
    options = ("--smtp-tls-cert", str(identity.certificate), "--smtp-tls-key", str(identity.key), "--smtp-require-tls")
    with Mailpit(tmp_path, *options) as mailpit:
        with smtplib.SMTP_SSL(*mailpit.at("captures"), context=trusting(identity.ca), timeout=20) as client:
            client.sendmail("a@b.test", ["c@d.test"], LETTER.format("under TLS", 1))
        assert mailpit.get("api/v1/messages")["total"] == 1
        assert mailpit.stop() == 0


def test_what_is_to_be_dropped_is_taken_and_dropped(tmp_path: Path) -> None:
    options = ("--smtp-allowed-recipients", r"@allowed\.test$", "--smtp-ignore-rejected-recipients")
    with Mailpit(tmp_path, *options, "--ignore-duplicate-ids", "--smtp-strict-rfc-headers") as mailpit:
        with smtplib.SMTP(*mailpit.at("capture"), timeout=20) as client:
            assert client.sendmail("a@b.test", ["c@allowed.test", "d@other.test"], LETTER.format("one", 1)) == {}
            assert client.sendmail("a@b.test", ["d@other.test"], LETTER.format("nobody's", 2)) == {}
            assert client.sendmail("a@b.test", ["c@allowed.test"], LETTER.format("again", 1)) == {}
            assert client.sendmail("a@b.test", ["c@allowed.test"], LETTER.format("two", 11)) == {}
            for line in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@allowed.test>", b"DATA"):
                client.docmd(line.decode())
            client.send(b"Subject: stray\r\r\nX: y\r\n\r\nx\r\n.\r\n")
            assert client.getreply()[0] == 550, "a stray CR is never taken"
        found = mailpit.get("api/v1/messages")["messages"]
        assert [each["Subject"] for each in found] == ["two", "one"]
        assert [to["Address"] for each in found for to in (*each["To"], *each["Bcc"])] == ["c@allowed.test"] * 2
        assert mailpit.stop() == 0


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


def test_everything_of_the_web_stands_below_its_root(tmp_path: Path) -> None:
    with Mailpit(tmp_path, "--webroot", "team/mail") as mailpit:
        assert mailpit.facts["web"].endswith("/team/mail/")
        mailpit.send("c@d.test", subject="found")
        assert mailpit.get("api/v1/messages")["messages"][0]["Subject"] == "found"
        status, page = mailpit.ask("")
        assert status == 200
        for link in re.findall(rb'(?:src|href)="([^"#]+)"', page):
            assert not link.startswith(b"/"), "a link that leads out of the root"
            assert mailpit.ask(link.decode())[0] == 200, link
        base = mailpit.facts["web"].removesuffix("team/mail/")
        with urllib.request.urlopen(base + "team/mail", timeout=20) as answer:
            assert answer.url == mailpit.facts["web"], "who forgets the last slash is led there"
        for outside in ("", "api/v1/messages", "team/", "team/mail2/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(base + outside, timeout=20)
        assert "now" in json.loads(command("clock", "show", "--json", environ=mailpit.environ))
        assert (
            mailpit.ask(
                "api/v1/send", {"From": {"Email": "a@b.test"}, "To": [{"Email": "c@d.test"}], "Text": "x" * 100_000}
            )[0]
            == 200
        )
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
