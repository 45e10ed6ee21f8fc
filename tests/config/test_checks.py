"""Contradictions between settings, and files named by settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.config import load
from mailstack.relay.routes import SmartHost
from mailstack.server.wiring.store import database_address
from tests.config.test_load import problems, written

BASE = 'hostname = "mx.home.test"\ndomains = ["home.test"]\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[postgresql]\nlost_after = "1s"\n', "4: postgresql.lost_after: is so short that a process would be taken"),
        ('[postgresql]\ntimeout = "0"\n', "4: postgresql.timeout: is less than a second"),
        ('[imap]\nidle_timeout = "0"\n', "4: imap.idle_timeout: must be longer than 0"),
        (
            '[imap]\nfolders = ["Sent:send"]\n',
            "4: imap.folders[0]: expected a folder name with one of the uses archive",
        ),
        ('[imap]\nfolders = ["a//b"]\n', "4: imap.folders[0]: expected a folder name and its special use"),
        ('[listen]\nlmtp = ["tcp:25"]\n', "4: listen.lmtp[0]: LMTP must never be on port 25"),
        ('[web]\nrequest_timeout = "0"\n', "4: web.request_timeout: must be longer than 0"),
        ('[listen]\nmx = ["tcp:25"]\npop3 = ["tcp:25"]\n', '5: listen.pop3[0]: "tcp:25" is listened on by mx too'),
        ('[tls]\ncertificate = "mailstack.toml"\n', "4: tls.certificate: needs tls.key as well"),
        ('[tls]\nkey = "mailstack.toml"\n', "4: tls.key: needs tls.certificate as well"),
        ('[tls]\ncertificate = "mailstack.toml"\nkey = "absent"\n', "5: tls.key: there is no file"),
        ('[[tls.certificates]]\nkey = "mailstack.toml"\n', "3: tls.certificates[0]: needs certificate"),
        ('[[tls.certificates]]\nkey = "x"\ncertificate = "mailstack.toml"\n', "3: tls.certificates: there is no file"),
        ('[[tls.certificates]]\nkeys = "x"\n', '4: tls.certificates.keys: unknown key; did you mean "key"?'),
        ("[tls]\ncertificates = [7]\n", "4: tls.certificates[0]: expected a table, got 7"),
        ('[tls]\nclient_ca = "absent.pem"\n', "4: tls.client_ca: there is no file"),
        ('[tls]\nwarn_before = "1d"\n', "3: tls.urgent_before: must not be longer than warn_before"),
        ('[proxy]\ntimeout = "0"\n', "4: proxy.timeout: must be longer than 0"),
        (
            '[listen]\nmx = ["haproxy:tcp:25"]\n',
            '4: listen.mx[0]: "haproxy:tcp:25" accepts no client, since proxy.networks is empty',
        ),
        ('[relay]\nsmart_host = "smtp://user@h.test"\n', "4: relay.smart_host: the password of user is missing"),
        ('[relay]\nsmart_host_password_file = "x"\n', "4: relay.smart_host_password_file: needs a smart_host"),
        ('[relay]\nca_file = "absent.pem"\n', "4: relay.ca_file: there is no file"),
        ("[relay]\ndane = true\n", "4: relay.dane: needs a resolver that validates DNSSEC"),
        ('[relay]\nkey = "mailstack.toml"\n', "4: relay.key: needs relay.certificate as well"),
        ('[relay]\nsource_address = "::1"\n', "4: relay.source_address: is an address of the other family"),
        (
            '[[relay.sources]]\nsource_address = "::1"\n',
            "relay.sources[0]: source_address is for IPv4, and source_address6 for IPv6",
        ),
        ('[[relay.sources]]\nsenders = ["*@a.test"]\n', "relay.sources[0]: says nothing"),
        ('[relay]\nsmart_host_token_file = "t"\n', "relay.smart_host_token_file: needs a smart_host with a user"),
        (
            '[relay]\nsmart_host = "smtp://a@b.test"\nsmart_host_token_file = "gone"\n',
            "relay.smart_host_token_file: there is no file",
        ),
        ('[tls_reports]\nsend = "on"\n', "tls_reports.send: needs a key in [[dkim.keys]], and domains"),
        ('[tls_reports]\nauthor = "a@b.test"\n', "tls_reports.author: a@b.test is in none of `domains`"),
        ('[relay]\nsource_address6 = "192.0.2.1"\n', "4: relay.source_address6: is an address of the other"),
        ('[relay.tls_policy]\n"x.test" = "always"\n', '4: relay.tls_policy."x.test": expected "never" or'),
        ('[relay.tls_policy]\n"*.[::1]" = "never"\n', "4: relay.tls_policy"),
        ("[relay]\ntls_policy = 5\n", "4: relay.tls_policy: expected a table, got 5"),
        ('[relay.schedule]\nfirst = "0"\n', "4: relay.schedule.first: must be longer than 0"),
        ('[relay.schedule]\nfirst = "5h"\n', "3: relay.schedule.longest: must not be shorter than first"),
        ('[relay.schedule]\ngive_up_after = "0"\n', "4: relay.schedule.give_up_after: must be longer than 0"),
        ("[relay]\nper_destination = 160\n", "4: relay.per_destination: must not be greater than concurrency"),
        ("[workers]\ncount = 21\n", "4: workers.count: 21 workers can't share relay.per_destination = 20"),
        ("[relay]\nper_destination = 4\n", "3: relay.first_per_destination: must not be greater than per_dest"),
        (
            '[relay]\nhost_backoff_first = "1h"\n',
            "3: relay.host_backoff_longest: must not be shorter than host_backoff_first",
        ),
        ('[relay]\nsmart_host = ["smtp://a.test", "b.test"]\n', "4: relay.smart_host[1]: expected a URL such as"),
        ('[relay.sender_routes]\n"x@" = "smtp://a.test"\n', '4: relay.sender_routes."x@": expected an address'),
        ('[relay.sender_routes]\n"x.test" = []\n', '4: relay.sender_routes."x.test": expected a URL such as'),
        ('[accounts]\nlongest_delay = "0"\n', "4: accounts.longest_delay: must not be shorter than"),
        ('[limits]\ncommand_timeout = "0"\n', "4: limits.command_timeout: must be longer than 0"),
    ],
)
def test_a_contradiction_stops_the_start(tmp_path: Path, text: str, told: str) -> None:
    [problem] = problems(tmp_path, BASE + text)
    assert told in problem
    assert "pw" not in problem


def test_mx_without_domains_stops_the_start(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, 'hostname = "a.test"\n[listen]\nmx = ["tcp:25"]\n')
    assert "domains: is empty, so that mx could accept no message" in problem


def test_services_may_take_free_ports_each(tmp_path: Path) -> None:
    load(written(tmp_path, BASE + '[listen]\nmx = ["tcp:0"]\npop3 = ["tcp:0"]\n'), {})


def test_the_url_of_a_database_never_shows_its_password(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, BASE + 'store = "mysql://u:hush@h/db"\n')
    assert problem.startswith("mailstack.toml:3: store: expected")
    assert "hush" not in problem
    file = tmp_path / "mailstack.toml"
    file.write_text(BASE + 'store = "postgresql://u:hush@h/db"\n')
    config = load(file, {})
    assert config.store.url == "postgresql://u:hush@h/db"
    assert "hush" not in repr(config)
    assert "hush" not in repr(database_address(config))


def test_the_password_of_the_smart_host_may_come_from_a_file(tmp_path: Path) -> None:
    text = BASE + '[relay]\nsmart_host = "smtp://user@h.test"\nsmart_host_password_file = "secret"\n'
    [problem] = problems(tmp_path, text)
    assert "5: relay.smart_host_password_file: cannot be read: " in problem
    (tmp_path / "secret").write_text("\n")
    [problem] = problems(tmp_path, text)
    assert "5: relay.smart_host_password_file: " in problem
    assert "is empty" in problem
    (tmp_path / "secret").write_text("hunter2\n")
    config = load(written(tmp_path, text), {})
    assert config.relay.smart_host == (SmartHost.parse("smtp://user:hunter2@h.test"),)
    assert "hunter2" not in repr(config)
    [problem] = problems(tmp_path, text.replace("user@", "user:pw@"))
    assert "remove one of the two" in problem


def test_more_certificates_are_tables_with_paths_relative_to_the_file(tmp_path: Path) -> None:
    for name in ("a.pem", "b.pem"):
        (tmp_path / name).touch()
    file = tmp_path / "mailstack.toml"
    file.write_text(BASE + '[[tls.certificates]]\ncertificate = "a.pem"\nkey = "b.pem"\n')
    (identity,) = load(file, {}).tls.certificates
    assert (identity.certificate, identity.key) == (tmp_path / "a.pem", tmp_path / "b.pem")


@pytest.mark.parametrize(
    ("relay", "key"),
    [
        ('allowed_domains = ["ours.test"]\nwhen_not_allowed = "capture"', "when_not_allowed"),
        ('capture_to = "bob@else.test"', "capture_to"),
        ('allowed_domains = ["a..b"]', "allowed_domains"),
        ('when_not_allowed = "lose"', "when_not_allowed"),
    ],
)
def test_what_a_staging_system_can_not_do_stops_the_start(tmp_path: Path, relay: str, key: str) -> None:
    (problem,) = problems(tmp_path, f'domains = ["home.test"]\n[relay]\n{relay}\n')
    assert key in problem
