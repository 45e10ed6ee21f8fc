"""Login to IMAP: TLS, mechanisms, failures and limits."""

from __future__ import annotations

import base64

import pytest

from tests.mailbox.imap.sessions import ImapServer
from tests.mailbox.pop3.sessions import plain


def test_before_tls_no_password_is_accepted() -> None:
    """IMAP-20"""
    telnet = ImapServer().connect(tls=None)
    assert " STARTTLS LOGINDISABLED]" in telnet.greeting
    assert "AUTH=" not in telnet.greeting
    for command in ('LOGIN bob "secret word"', "AUTHENTICATE PLAIN"):
        assert telnet.ask(command).startswith("NO [PRIVACYREQUIRED]")


def test_starttls_discards_what_was_sent_before() -> None:
    """IMAP-21"""
    telnet = ImapServer().connect(tls=None)
    assert telnet.send("a STARTTLS\r\nb NOOP\r\n") == "a OK begin TLS negotiation now\r\n"
    assert "AUTH=PLAIN" in telnet.ask("CAPABILITY")
    assert telnet.ask("STARTTLS").startswith("BAD ")
    assert telnet.ask('LOGIN bob "secret word"').startswith("OK ")


def test_starttls_without_a_certificate() -> None:
    """IMAP-21"""
    telnet = ImapServer().connect(tls=None, certificate=False)
    assert "STARTTLS" not in telnet.greeting
    assert telnet.ask("STARTTLS").startswith("NO ")


@pytest.mark.parametrize(
    "command", ["LOGIN bob wrong", "LOGIN nobody wrong", f"AUTHENTICATE PLAIN {plain(chr(0) + 'bob' + chr(0) + 'x')}"]
)
def test_wrong_passwords_and_unknown_users_get_the_same_answer_after_the_same_time(command: str) -> None:
    """IMAP-23"""
    server = ImapServer()
    telnet = server.connect()
    assert telnet.ask(command) == ""
    server.clock.advance(1.9)
    assert telnet.read() == ""
    server.clock.advance(0.2)
    assert telnet.read() == "a1 NO [AUTHENTICATIONFAILED] wrong user name or password\r\n"


def test_three_wrong_passwords_end_the_connection() -> None:
    """IMAP-23"""
    server = ImapServer()
    telnet = server.connect()
    for _ in range(3):
        assert not telnet.closed
        telnet.ask("LOGIN bob wrong")
        server.clock.advance(2.1)
    assert "* BYE " in telnet.read()
    assert telnet.closed


def test_authenticate_with_and_without_initial_response() -> None:
    """IMAP-23"""
    response = base64.b64encode(b"\0bob\0secret word").decode()
    assert ImapServer().connect().ask(f"AUTHENTICATE PLAIN {response}").startswith("OK ")
    telnet = ImapServer().connect()
    assert telnet.ask("AUTHENTICATE PLAIN") == "+ \r\n"
    assert telnet.send(f"{response}\r\n").startswith("a1 OK [CAPABILITY ")


def test_authenticate_is_cancelled_and_malformed() -> None:
    """IMAP-23"""
    telnet = ImapServer().connect()
    for response in ("*", "???"):
        telnet.send("x AUTHENTICATE PLAIN\r\n")
        assert telnet.send(f"{response}\r\n").startswith("x BAD ")
    assert telnet.ask("AUTHENTICATE NONSENSE").startswith("NO ")
    assert telnet.ask('LOGIN bob "secret word"').startswith("OK ")


def test_login_takes_literals_and_utf8_in_quotes() -> None:
    """IMAP-24"""
    telnet = ImapServer().connect()
    assert telnet.send("a LOGIN {3}\r\n") == "+ OK\r\n"
    assert telnet.send("bob {11}\r\n") == "+ OK\r\n"
    assert telnet.send("secret word\r\n").startswith("a OK ")


def test_accounts_in_trouble_and_too_many_sessions() -> None:
    """IMAP-14, IMAP-27"""
    server = ImapServer(sessions_per_account=2)
    assert server.connect().ask("LOGIN trouble x").startswith("NO [UNAVAILABLE]")
    one, _ = server.logged_in(), server.logged_in()
    telnet = server.connect()
    assert telnet.ask('LOGIN bob "secret word"').startswith("NO [LIMIT]")
    one.ask("LOGOUT")
    assert telnet.ask('LOGIN bob "secret word"').startswith("OK ")


def test_commands_of_another_state_are_bad() -> None:
    """IMAP-25"""
    telnet = ImapServer().connect()
    for command in ("SELECT INBOX", 'LIST "" *', "FETCH 1 FLAGS", "IDLE"):
        assert telnet.ask(command).startswith("BAD "), command
    telnet.ask('LOGIN bob "secret word"')
    for command in ('LOGIN bob "secret word"', "STARTTLS", "FETCH 1 FLAGS", "CLOSE"):
        assert telnet.ask(command).startswith("BAD "), command


def test_id_in_every_state(caplog: pytest.LogCaptureFixture, log_propagates: None) -> None:
    """IMAP-28"""
    caplog.set_level("INFO", "mailstack.mailbox.imap.authorization")
    telnet = ImapServer(version="1.2").connect()
    for _ in range(2):
        assert telnet.lines('ID ("name" "Thunderbird" "x" NIL)')[0] == '* ID ("name" "mailstack" "version" "1.2")'
        assert telnet.ask("ID NIL").startswith("* ID (")
        telnet.ask('LOGIN bob "secret word"')
    assert "Thunderbird" in caplog.text


def test_enable_lists_what_is_new() -> None:
    """IMAP-30"""
    telnet = ImapServer().logged_in()
    assert telnet.lines("ENABLE QRESYNC X-UNKNOWN")[0] == "* ENABLED CONDSTORE QRESYNC"
    assert telnet.lines("ENABLE CONDSTORE")[0] == "* ENABLED"
