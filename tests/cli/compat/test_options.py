"""Options, variables and ports of Mailpit, MailHog and GreenMail: each is supported, or a line says what to use instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.cli.compat import mailhog, mailpit, overrides_for
from mailstack.cli.compat.options import REMOVED, DevOverrides, Option
from mailstack.cli.output import CommandError
from mailstack.letter.envelope import HostPort
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.dev import DevSettings

BCRYPT = "$2b$04$" + "." * 53


def overrides(peer: str, *words: str, **environ: str) -> DevOverrides:
    return overrides_for(peer, DevSettings(), words, environ)


def settings(peer: str, *words: str, **environ: str) -> DevSettings:
    return overrides(peer, *words, **environ).settings(own_ports=False)


def test_mailpits_ports_are_taken_and_the_rest_finds_free_ones() -> None:
    found = settings("mailpit")
    assert found.at["capture"] == HostPort("127.0.0.1", 1025)
    assert found.at["web"] == HostPort("127.0.0.1", 8025)
    assert found.at["pop3"] == HostPort("127.0.0.1", 1110)
    assert found.at["submission"].port == 0
    assert (found.max_letters, found.clear_logins, found.compat) == (500, True, "mailpit")
    assert found.web_hosts == ("mailpit",)
    assert "submission" not in overrides("mailpit").settings(own_ports=True).at


def test_mailpits_options_in_every_form() -> None:
    found = settings(
        "mailpit", "--smtp", "0.0.0.0:2025", "--listen=[::]:9025", "-m", "10", "--max-age", "3d",
        "--max-message-size=1", "--smtp-max-recipients", "5", "--api-cors", "http://a.test, http://b.test", "-v",
    )  # fmt: skip
    assert found.at["capture"] == HostPort("0.0.0.0", 2025)
    assert found.at["web"] == HostPort("::", 9025)
    assert (found.max_letters, found.max_age) == (10, 259200.0)
    assert (found.max_size, found.max_recipients) == (1048576, 5)
    assert found.cors == ("http://a.test", "http://b.test")


def test_options_count_more_than_variables() -> None:
    assert settings("mailpit", "--max", "7", MP_MAX_MESSAGES="9").max_letters == 7
    assert settings("mailpit", MP_MAX_MESSAGES="9").max_letters == 9
    assert settings("mailpit", MP_MAX_MESSAGES="0").max_letters is None
    assert settings("mailhog", MH_SMTP_BIND_ADDR=":25").at["capture"] == HostPort("0.0.0.0", 25)


VALUES = {
    "max-age": "1h",
    "smtp": ":1",
    "listen": ":1",
    "pop3": ":1",
    "api-cors": "http://a.test",
    "cors-origin": "http://a.test",
}
SUFFIXES = {"file": "PASSWORDS", "auth": "ann:x", "addr": ":1"}


@pytest.mark.parametrize(
    ("peer", "option"),
    [
        *(("mailpit", each) for each in mailpit.OPTIONS if not each.name.startswith("smtp-relay")),
        *(("mailhog", each) for each in mailhog.OPTIONS),
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_every_supported_option_changes_the_settings(peer: str, option: Option, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("ann:x\n")
    value = VALUES.get(option.name) or SUFFIXES.get(option.name.rpartition("-")[2], "1")
    value = value.replace("PASSWORDS", str(tmp_path / "passwords"))
    given = overrides(peer, f"--{option.name}", *([] if option.kind == "switch" else [value]))
    assert given.any_login or given.settings(own_ports=False) != settings(peer)
    assert not [line for line in given.messages if "not supported" in line]


@pytest.mark.parametrize(
    ("peer", "names", "advice"),
    [(peer, names, advice) for peer, table in REMOVED.items() for names, advice in table.items()],
)
def test_every_removed_option_says_what_to_use_instead(peer: str, names: str, advice: str) -> None:
    for name in names.rstrip("=").replace("*", "x").split():
        given = f"-Dgreenmail.{name}" if peer == "greenmail" else f"-{name}"
        said = overrides(peer, given + ("=1" if names.endswith("=") else "")).messages
        line = [f"{given} is not supported: {advice}"] if advice else []
        assert [each for each in said if each.startswith(given)] == line
        assert settings(peer, given + "=1") == settings(peer)


def test_removed_variables_say_so_too() -> None:
    assert overrides("mailpit", MP_WEBHOOK_URL="http://a.test", MP_QUIET="false").messages == [
        f"MP_WEBHOOK_URL is not supported: {REMOVED['mailpit']['webhook-*=']}"
    ]
    assert overrides("mailhog", MH_JIM_ACCEPT="1").messages == [
        f"MH_JIM_ACCEPT is not supported: {REMOVED['mailhog']['jim-*=']}"
    ]
    assert overrides("mailpit", MP_NEW="1").messages == ["MP_NEW is not supported: mailpit has no such variable"]
    assert overrides("mailpit", HOME="x").messages == []
    assert (
        overrides("mailpit", "--api-cors", "*").messages[0].startswith("--api-cors is not supported: name the origins")
    )


def test_the_relay_is_described_by_variables() -> None:
    found = overrides(
        "mailpit", "--smtp-relay-matching", "@x$", MP_SMTP_RELAY_HOST="relay.test", MP_SMTP_RELAY_PORT="2525",
        MP_SMTP_RELAY_AUTH="cram-md5", MP_SMTP_RELAY_USERNAME="us", MP_SMTP_RELAY_SECRET="s", MP_SMTP_RELAY_TLS="true",
        MP_SMTP_RELAY_RETURN_PATH="b@c.test", MP_SMTP_RELAY_PRESERVE_MESSAGE_IDS="true",
        MP_SMTP_RELAY_BLOCKED_RECIPIENTS="^no", MP_SMTP_RELAY_STARTTLS="false",
    )  # fmt: skip
    made = found.settings(own_ports=False)
    assert made.relay == ExternalRelay(
        "relay.test",
        2525,
        "implicit",
        username="us",
        password="s",
        return_path="b@c.test",
        blocked="^no",
        keep_message_id=True,
    )
    assert "'s'" not in repr(made.relay), "no log shows the secret"
    assert (made.relay_matching, made.relay_all) == ("@x$", False)
    assert any(
        line.startswith("MESSAGES LEAVE THIS MACHINE: released messages, and captured") for line in found.messages
    )
    everything = settings("mailpit", "--smtp-relay-all", MP_SMTP_RELAY_HOST="::1", MP_SMTP_RELAY_PORT="26")
    assert (everything.relay, everything.relay_all) == (ExternalRelay("::1", 26), True)
    assert settings("mailpit", MP_SMTP_RELAY_USERNAME="us").relay is None, "without a host there is none"


@pytest.mark.parametrize(
    "environ",
    [
        {"MP_SMTP_RELAY_ALL": "1"},
        {"MP_SMTP_RELAY_HOST": "a b"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_PORT": "none"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_TLS": "1", "MP_SMTP_RELAY_STARTTLS": "1"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_TLS": "maybe"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "plain", "MP_SMTP_RELAY_USERNAME": "us"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "ntlm"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "login", "MP_SMTP_RELAY_USERNAME": "us", "MP_SMTP_RELAY_PASSWORD": "p"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_ALLOWED_RECIPIENTS": "("},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_OVERRIDE_FROM": "nobody"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_MATCHING": "("},
    ],
)  # fmt: skip
def test_a_relay_that_can_not_be_used_stops_the_start(environ: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        settings("mailpit", **environ)


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        ("mailpit", ["--nonsense"]),
        ("mailpit", ["word"]),
        ("mailpit", ["--max"]),
        ("mailpit", ["--max", "-1"]),
        ("mailpit", ["--max-age", "soon"]),
        ("mailpit", ["--smtp", "1025x"]),
        ("mailpit", ["--smtp", "127.0.0.1:99999"]),
        ("mailpit", ["--smtp", "unix:/run/smtp"]),
        ("mailpit", ["--smtp-relay-all=maybe"]),
        ("mailpit", ["--send-api-auth-accept-any", "--send-api-auth", "ann:x"]),
        ("mailpit", ["--smtp-auth", "ann:secret", "--smtp-auth-accept-any"]),
        ("mailpit", ["--smtp-allowed-recipients", "secret("]),
        ("mailpit", ["--ui-auth-file", "/nowhere/passwords"]),
        ("mailhog", ["--smtp", ":1"]),
        ("greenmail", ["-Dother=1"]),
        ("greenmail", ["-Dgreenmail.nonsense=1"]),
        ("greenmail", ["-Dgreenmail.setup.xmpp"]),
        ("greenmail", ["-Dgreenmail.users=bob"]),
        ("greenmail", ["-Dgreenmail.users.login=name"]),
        ("greenmail", ["-Dgreenmail.preload.dir=/nowhere/letters"]),
    ],
)
def test_an_unknown_option_or_an_invalid_value_stops_the_start(peer: str, words: list[str]) -> None:
    with pytest.raises(CommandError):
        overrides(peer, *words)


def test_logins_are_taken_from_files_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"# made with htpasswd -B\nann:{BCRYPT}\nbob:two words\n")
    found = settings("mailpit", "--ui-auth-file", str(file), MP_SMTP_AUTH="ann:x bob:y")
    assert found.web_logins == {"ann": BCRYPT, "bob": "two words"}
    assert found.smtp_logins == {"ann": "x", "bob": "y"}
    everywhere = overrides("mailpit", "--listen", "0.0.0.0:1", MP_UI_AUTH="ann:x")
    everywhere.settings(own_ports=False)
    assert everywhere.messages == []


@pytest.mark.parametrize("login", ["ann", "ann:{SHA}secret", "ann:$apr1$secret"])
def test_a_login_that_can_not_be_checked_is_refused_without_its_secret(login: str) -> None:
    with pytest.raises(CommandError) as refused:
        overrides("mailpit", "--smtp-auth", login)
    assert "secret" not in str(refused.value)


def test_a_file_of_logins_that_is_too_large_is_not_read_in_part(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("ann:x\n" + "#" * 1_000_000 + "\nbob:y\n")
    with pytest.raises(CommandError, match="more than 1000000 characters"):
        overrides("mailpit", "--ui-auth-file", str(file))


def test_a_secret_is_never_shown() -> None:
    given = overrides("mailpit", MP_POP3_AUTH="user:secret", MP_SMTP_RELAY_PASSWORD="secret")
    assert "secret" not in " ".join(given.messages)


def test_mailhogs_api_and_pages_are_at_one_port() -> None:
    assert settings("mailhog", "-api-bind-addr", ":9025").at["web"].port == 9025
    both = overrides("mailhog", "-ui-bind-addr", ":8025", "-api-bind-addr", ":9025")
    assert both.at["web"].port == 8025
    assert any("8025" in line for line in both.messages)


def test_greenmails_ports() -> None:
    found = overrides("greenmail", "-Dgreenmail.setup.test.all", "-Dgreenmail.hostname=0.0.0.0")
    ports = {name: at.port for name, at in found.at.items()}
    assert ports == {
        "capture": 3025,
        "captures": 3465,
        "pop3": 3110,
        "pop3s": 3995,
        "imap": 3143,
        "imaps": 3993,
        "web": 8080,
    }
    assert found.at["capture"].host == "0.0.0.0"
    assert {name: at.port for name, at in overrides("greenmail").at.items()} == ports
    assert overrides("greenmail", "-Dgreenmail.setup.smtp", "-Dgreenmail.smtp.port=0").at["capture"].port == 0
    assert overrides("greenmail", "-Dgreenmail.setup.pop3").at["pop3"].port == 110


def test_greenmails_users_and_its_containers_variables() -> None:
    found = settings(
        "greenmail",
        "-Dgreenmail.auth.disabled",
        GREENMAIL_OPTS="-Dgreenmail.setup.test.smtp -Dgreenmail.users=bob:pw@x.test,eve:e",
    )
    assert found.users == (("bob@x.test", "pw"), ("eve@home.test", "e"))
    assert found.login_names == {"bob": "bob@x.test", "eve": "eve@home.test"}
    assert found.any_password
    assert "pop3" not in {name for name, at in found.at.items() if at.port}
    by_address = settings("greenmail", "-Dgreenmail.users=bob:pw@x.test", "-Dgreenmail.users.login=email")
    assert by_address.login_names == {}
