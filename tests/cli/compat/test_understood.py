"""The options, variables and ports of Mailpit, MailHog and GreenMail: each is honoured, or a line says what to do instead."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from mailstack.cli.compat import mailhog, mailpit
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.understood import understood
from mailstack.cli.errors import CommandError
from mailstack.letter.connection import HostPort
from mailstack.mailbox.index.tags import Tagging
from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.mailhog.monkey import Jim
from mailstack.sandbox.dev import DevSettings


def wish(peer: str, *words: str, **environ: str) -> DevOverrides:
    return understood(peer, DevSettings(), words, environ)


def settings(peer: str, *words: str, **environ: str) -> DevSettings:
    return wish(peer, *words, **environ).settings(own_ports=False)


def test_a_socket_stands_beside_a_free_port_and_an_address_takes_its_place(tmp_path: Path) -> None:
    found = settings("mailpit", "--smtp", f"unix:{tmp_path}/s", MP_UI_BIND_ADDR=f"unix:{tmp_path}/w")
    assert found.sockets == {"capture": tmp_path / "s", "web": tmp_path / "w"}
    assert (found.at["capture"].port, found.at["web"].port) == (0, 0)
    assert settings("mailpit", "--listen", "127.0.0.1:9", MP_UI_BIND_ADDR=f"unix:{tmp_path}/w").sockets == {}


@pytest.mark.parametrize("path", ["", "/nowhere/at/all", "{}/" + "x" * 100, "{}/file"])
def test_what_can_be_no_socket_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="socket"):
        settings("mailpit", "--smtp", f"unix:{path.format(tmp_path)}")


def test_mailpits_ports_are_taken_and_the_rest_finds_free_ones() -> None:
    found = settings("mailpit")
    assert found.at["capture"] == HostPort("127.0.0.1", 1025)
    assert found.at["web"] == HostPort("127.0.0.1", 8025)
    assert found.at["pop3"] == HostPort("127.0.0.1", 1110)
    assert found.at["submission"].port == 0
    assert (found.max_letters, found.clear_logins, found.compat, found.web_hosts) == (
        500,
        True,
        "mailpit",
        ("mailpit",),
    )
    assert "submission" not in wish("mailpit").settings(own_ports=True).at


def test_mailpits_options_in_every_form() -> None:
    found = settings(
        "mailpit", "--smtp", "0.0.0.0:2025", "--listen=[::]:9025", "-m", "10", "--max-age", "3d", "--label", "QA",
        "--max-message-size=1", "--smtp-max-recipients", "5", "--api-cors", "http://a.test, http://b.test", "-v",
    )  # fmt: skip
    assert found.at["capture"] == HostPort("0.0.0.0", 2025)
    assert found.at["web"] == HostPort("::", 9025)
    assert (found.max_letters, found.max_age, found.label) == (10, 259200.0, "QA")
    assert (found.max_size, found.max_recipients) == (1048576, 5)
    assert found.cors == ("http://a.test", "http://b.test")


def test_options_count_more_than_variables() -> None:
    assert settings("mailpit", "--max", "7", MP_MAX_MESSAGES="9", MP_LABEL="x").max_letters == 7
    assert settings("mailpit", MP_MAX_MESSAGES="9").max_letters == 9
    assert settings("mailpit", MP_MAX_MESSAGES="0").max_letters is None
    assert settings("mailhog", MH_SMTP_BIND_ADDR=":25").at["capture"] == HostPort("0.0.0.0", 25)


@pytest.mark.parametrize(
    "flag",
    [flag for flag in mailpit.FLAGS if not re.search("-[st][sl][sl]-|^(smtp-)?(relay|forward)", flag.name)],
    ids=lambda flag: flag.name,
)
def test_every_option_of_mailpit_is_honoured_or_answered(flag: mailpit.Flag, tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text("filters: [{match: x, tags: y}]\n")
    (tmp_path / "passwords").write_text("ann:x\n")
    _honoured_or_answered("mailpit", f"--{flag.name}", flag, tmp_path / "passwords")


@pytest.mark.parametrize(
    "flag", [flag for flag in mailhog.FLAGS if not flag.name.startswith("jim-")], ids=lambda flag: flag.name
)
def test_every_option_of_mailhog_is_honoured_or_answered(flag: mailpit.Flag, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("ann:x\n")
    _honoured_or_answered("mailhog", f"-{flag.name}", flag, tmp_path / "passwords")


def test_jim_is_told_at_the_start_what_he_does_once_he_is_invited() -> None:
    assert settings("mailhog", "-jim-accept", "1").jim is None
    jim = settings("mailhog", "-invite-jim", "-jim-accept=1", "-jim-linkspeed-min", "500", MH_JIM_DISCONNECT="0").jim
    assert jim == Jim(accept_chance=1, link_speed_min=500, disconnect_chance=0)


def test_tags_come_from_filters_in_words_and_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text("filters:\n  - match: 'to:qa@x.test'\n    tags: QA, tests\n")
    found = settings(
        "mailpit",
        "--tag",
        'spam,junk="subject:special offer" big=larger:1M',
        "--tags-config",
        str(tmp_path / "tags.yaml"),
    )
    filters = found.tagging.filters
    assert [(each.tags, each.text) for each in filters] == [
        (("spam", "junk"), b"subject:special offer"), (("big",), b"larger:1m"), (("QA", "tests"), b"to:qa@x.test")
    ]  # fmt: skip
    assert [len(each.terms) for each in filters] == [2, 1, 1]
    found = settings(
        "mailpit", "--tags-disable=x-tags, plus-addressing", MP_TAGS_TITLE_CASE="1", MP_TAGS_USERNAME="true"
    )
    assert found.tagging == Tagging(x_tags=False, plus_addresses=False, title_case=True, account=True)
    assert settings("mailpit").tagging == Tagging()


def test_certificates_are_files_or_names_and_go_with_their_service(tmp_path: Path) -> None:
    made = private_ca(tmp_path, "mail.test", time.time())
    given = (str(made.certificate), str(made.key))
    found = settings("mailpit", "--smtp-tls-cert", given[0], MP_SMTP_TLS_KEY=given[1], MP_UI_SSL_CERT="sans:A.test, b.test", MP_UI_SSL_KEY="sans:a.test,b.test")  # fmt: skip
    assert found.certificates == {"capture": CertificateFiles(made.certificate, made.key), "web": ("a.test", "b.test")}
    found = settings(
        "mailpit", "--pop3-tls-cert=sans:a.test", "--pop3-tls-key=sans:a.test", "--pop3=:110", "--smtp-require-tls"
    )
    assert (found.at["pop3s"].port, found.at["pop3"].port) == (110, 0)
    assert (found.at["captures"].port, found.at["capture"].port) == (1025, 0)
    assert settings("mailpit", MP_SMTP_TLS_REQUIRED="1").capture_tls


def test_servers_outside_are_described_by_variables_and_by_a_file_that_counts_more(tmp_path: Path) -> None:
    (tmp_path / "relay.yaml").write_text(
        "host: relay.test\nport: 2525\nauth: cram-md5\nusername: us\nsecret: s\ntls: true\nreturn-path: b@c.test\n"
    )
    found = wish("mailpit", "--smtp-relay-config", str(tmp_path / "relay.yaml"), "--smtp-relay-matching", "@x$", MP_SMTP_RELAY_HOST="other.test",
                 MP_SMTP_RELAY_PRESERVE_MESSAGE_IDS="true", MP_SMTP_RELAY_BLOCKED_RECIPIENTS="^no")  # fmt: skip
    told = found.settings(own_ports=False)
    assert told.relay == ExternalRelay(
        "relay.test",
        2525,
        "implicit",
        username="us",
        password="s",
        return_path="b@c.test",
        blocked="^no",
        keeps_message_id=True,
    )
    assert "'s'" not in repr(told.relay), "no log shows the secret"
    assert (told.relay_matching, told.relay_all, told.forward) == ("@x$", False, None)
    assert any(line.startswith("LETTERS LEAVE THIS MACHINE: what is captured") for line in found.said)
    assert settings(
        "mailpit", "--smtp-relay-all", MP_SMTP_RELAY_HOST="::1", MP_SMTP_RELAY_PORT="26"
    ).relay == ExternalRelay("::1", 26)
    told = settings(
        "mailpit",
        MP_SMTP_FORWARD_HOST="f.test",
        MP_SMTP_FORWARD_TO="a@b.test, C <c@d.test>",
        MP_SMTP_FORWARD_STARTTLS="1",
    )
    assert (told.forward, told.forward_to) == (ExternalRelay("f.test", 25, "starttls"), ("a@b.test", "c@d.test"))
    assert settings("mailpit", MP_SMTP_RELAY_USERNAME="us").relay is None, "without a host there is none"


@pytest.mark.parametrize(
    "environ",
    [
        {"MP_SMTP_RELAY_ALL": "1"},
        {"MP_SMTP_RELAY_HOST": "a b"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_PORT": "none"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_TLS": "1", "MP_SMTP_RELAY_STARTTLS": "1"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "plain", "MP_SMTP_RELAY_USERNAME": "us"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "ntlm"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_AUTH": "login", "MP_SMTP_RELAY_USERNAME": "us", "MP_SMTP_RELAY_PASSWORD": "p"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_ALLOWED_RECIPIENTS": "("},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_OVERRIDE_FROM": "nobody"},
        {"MP_SMTP_RELAY_HOST": "r.test", "MP_SMTP_RELAY_MATCHING": "("},
        {"MP_SMTP_RELAY_CONFIG": __file__},
        {"MP_SMTP_FORWARD_HOST": "f.test"},
    ],
)  # fmt: skip
def test_a_server_that_can_not_be_called_stops_the_start(environ: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        settings("mailpit", **environ)


VALUES = {
    "database": "new", "db-file": "new", "max": "1", "max-age": "1h", "max-message-size": "1", "listen": ":1", "smtp": ":1",
    "pop3": ":1", "smtp-max-recipients": "1", "chaos-triggers": "Sender:451:5", "smtp-bind-addr": ":1", "ui-bind-addr": ":1",
    "api-bind-addr": ":1", "storage": "mongodb", "maildir-path": "new", "label": "x", "api-cors": "http://a.test",
    "webhook-url": "http://127.0.0.1:1/", "cors-origin": "http://a.test", "compression": "1", "log-file": "new.log", "ui-auth": "ann:x", "smtp-auth": "ann:x",
    "auth-file": "PASSWORDS", "ui-auth-file": "PASSWORDS", "smtp-auth-file": "PASSWORDS", "enable-spamassassin": "127.0.0.1:783", "tag": "a=b", "send-api-auth-file": "PASSWORDS", "pop3-auth-file": "PASSWORDS", "pop3-auth": "ann:x", "webroot": "mail", "ui-web-path": "mail", "send-api-auth": "ann:x", "enable-prometheus": ":9090", "tags-disable": "x-tags", "tags-config": "TAGS",
}  # fmt: skip
ALREADY = {
    "disable-version-check", "verbose", "block-remote-css-and-fonts", "allow-internal-http-requests", "disable-http-compression",
    "disable-link-check-rate-limit", "send-api-auth-accept-any", "smtp-auth-accept-any", "smtp-auth-allow-insecure",
    "smtp-disable-rdns", "enable-chaos", "disable-html-check", "smtp-strict-rfc-headers", "strict-rfc-headers",
}  # fmt: skip
"""They ask for what is so anyway."""


BCRYPT = "$2b$04$" + "." * 53


def _honoured_or_answered(peer: str, option: str, flag: mailpit.Flag, passwords: Path) -> None:
    value = (
        []
        if flag.kind == "switch"
        else [
            VALUES.get(flag.name, "x")
            .replace("PASSWORDS", str(passwords))
            .replace("TAGS", str(passwords.with_name("tags.yaml")))
        ]
    )
    given, plain = wish(peer, option, *value), wish(peer)
    changed = given.settings(own_ports=False) != plain.settings(own_ports=False)
    honoured = changed or given.quiet or given.triggers or given.log or flag.name in ALREADY
    assert honoured or [line for line in given.said if line.startswith(option)]


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
        ("mailpit", ["--quiet=maybe"]),
        ("mailpit", ["--log-file", "/nowhere/at/all.log"]),
        ("mailpit", ["--chaos-triggers", "Sender:200:5"]),
        ("mailpit", ["--tag", "nothing to find"]),
        ("mailpit", ["--ui-tls-cert", "cert.pem"]),
        ("mailpit", ["--ui-tls-cert", __file__, "--ui-tls-key", __file__]),
        ("mailpit", ["--smtp-tls-cert=sans:", "--smtp-tls-key=sans:"]),
        ("mailpit", ["--smtp-require-tls", "--smtp-require-starttls"]),
        ("mailpit", ["--smtp-require-tls", "--smtp-auth-allow-insecure"]),
        ("mailpit", ["--send-api-auth-accept-any", "--send-api-auth", "ann:x"]),
        ("mailpit", ["--tag", ",=x"]),
        ("mailpit", ["--tags-config", "/nowhere.yaml"]),
        ("mailpit", ["--tags-config", __file__]),
        ("mailpit", ["--tags-disable", "everything"]),
        ("mailpit", ["--database", __file__]),
        ("mailpit", ["--webhook-url", "ftp://x"]),
        ("mailhog", ["--smtp", ":1"]),
        ("mailhog", ["-jim-accept", "often"]),
        ("mailhog", ["-jim-accept", "2"]),
        ("mailhog", ["-jim-accept", "nan"]),
        ("greenmail", ["-Dother=1"]),
        ("greenmail", ["-Dgreenmail.nonsense=1"]),
        ("greenmail", ["-Dgreenmail.setup.xmpp"]),
        ("greenmail", ["-Dgreenmail.users=bob"]),
        ("greenmail", ["-Dgreenmail.preload.dir=/nowhere/letters"]),
    ],
)
def test_what_is_no_option_of_theirs_stops_the_start(peer: str, words: list[str]) -> None:
    with pytest.raises(CommandError):
        wish(peer, *words)


def test_a_variable_that_nobody_knows_is_told() -> None:
    assert wish("mailpit", MP_NEW="1").said == ["MP_NEW is not honoured: no such variable is known of mailpit"]
    assert wish("mailpit", HOME="x").said == []


def test_a_spam_filter_is_one_of_this_machine() -> None:
    assert settings("mailpit", MP_ENABLE_SPAMASSASSIN="localhost:783").spam_filter is not None
    for elsewhere in ("192.0.2.1:783", "postmark"):
        given = wish("mailpit", "--enable-spamassassin", elsewhere)
        assert given.settings(own_ports=False).spam_filter is None
        assert given.said[0].startswith("--enable-spamassassin is not honoured: ")


def test_logins_are_taken_from_files_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"# made with htpasswd -B\nann:{BCRYPT}\nbob:two words\n")
    found = settings("mailpit", "--ui-auth-file", str(file), MP_SMTP_AUTH="ann:x bob:y")
    assert found.web_logins == {"ann": BCRYPT, "bob": "two words"}
    assert found.smtp_logins == {"ann": "x", "bob": "y"}
    everywhere = wish("mailpit", "--listen", "0.0.0.0:1", MP_UI_AUTH="ann:x")
    everywhere.settings(own_ports=False)
    assert everywhere.said == []


@pytest.mark.parametrize(
    "words",
    [
        ("--ui-auth-file", "/nowhere/passwords"),
        ("--ui-auth", "ann"),
        ("--ui-auth", "ann:{SHA}secret"),
        ("--smtp-auth", "ann:$apr1$secret"),
        ("--smtp-auth", "ann:secret", "--smtp-auth-accept-any"),
        ("--smtp-allowed-recipients", "secret("),
    ],
)
def test_what_lets_nobody_in_stops_the_start(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        wish("mailpit", *words)
    if "allowed" not in words[0]:
        assert "secret" not in str(refused.value)


def test_a_file_of_logins_that_is_too_large_is_not_read_in_part(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("ann:x\n" + "#" * 1_000_000 + "\nbob:y\n")
    with pytest.raises(CommandError, match="more than 1000000 characters"):
        wish("mailpit", "--ui-auth-file", str(file))


def test_a_secret_is_never_shown() -> None:
    assert "secret" not in " ".join(wish("mailpit", MP_POP3_AUTH="user:secret", MP_SMTP_RELAY_PASSWORD="secret").said)


def test_a_directory_is_kept(tmp_path: Path) -> None:
    assert settings("mailhog", "-maildir-path", str(tmp_path / "new")).data == tmp_path / "new"


def test_mailhogs_api_and_pages_are_at_one_port() -> None:
    assert settings("mailhog", "-api-bind-addr", ":9025").at["web"].port == 9025
    both = wish("mailhog", "-ui-bind-addr", ":8025", "-api-bind-addr", ":9025")
    assert both.at["web"].port == 8025
    assert any("8025" in line for line in both.said)


def test_greenmails_ports() -> None:
    found = wish("greenmail", "-Dgreenmail.setup.test.all", "-Dgreenmail.hostname=0.0.0.0")
    ports = {name: at.port for name, at in found.at.items()}
    assert ports == {"capture": 3025, "captures": 3465, "pop3": 3110, "pop3s": 3995, "web": 8080}
    assert found.at["capture"].host == "0.0.0.0"
    assert any("no IMAP" in line for line in found.said)
    assert {name: at.port for name, at in wish("greenmail").at.items()} == ports
    assert wish("greenmail", "-Dgreenmail.setup.smtp", "-Dgreenmail.smtp.port=0").at["capture"].port == 0
    assert wish("greenmail", "-Dgreenmail.setup.pop3").at["pop3"].port == 110


def test_greenmails_users_and_its_containers_variables() -> None:
    found = settings(
        "greenmail",
        "-Dgreenmail.auth.disabled",
        GREENMAIL_OPTS="-Dgreenmail.setup.test.smtp -Dgreenmail.users=bob:pw@x.test,eve:e",
    )
    assert found.users == (("bob@x.test", "pw"), ("eve@home.test", "e"))
    assert found.any_password
    assert "pop3" not in {name for name, at in found.at.items() if at.port}
