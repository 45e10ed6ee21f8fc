"""`mailstack check`: what would not work, and why."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mailstack.cli import main
from mailstack.cli.checks import Finding
from mailstack.cli.checks.dns import check_names, is_private
from mailstack.cli.checks.examination import check_certificate, check_from_header, check_keys
from mailstack.cli.checks.resources import check_open_files, check_ports, check_storage
from mailstack.config import Config, load
from mailstack.net.certificates import private_ca
from mailstack.policy.authentication.keys import generate
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from tests.aid import run
from tests.cli.conftest import NOON, Shelf


def configured(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "mailstack.toml"
    file.write_text('hostname = "mx.example.org"\ndomains = ["example.org"]\n' + text)
    return load(file, {})


def verdicts(findings: Iterable[Finding]) -> list[str]:
    return [finding.verdict for finding in findings]


def examine(file: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(main, ["check", "-c", str(file), "--no-dns", "--json", *options])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_a_server_that_can_start_is_good(tmp_path: Path) -> None:
    configured(tmp_path, '[listen]\nmx = ["tcp:0"]\n')
    status, findings = examine(tmp_path / "mailstack.toml")
    assert status == 0
    assert {finding["verdict"] for finding in findings} == {"good"}
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        ("", "good", "only their own addresses"),
        ('[submission]\ncheck_from = "sender"\n', "warning", 'check_from is "sender". Set it to "refuse"'),
        (
            '[submission]\ncheck_from = "allow"\n[[dkim.keys]]\nselector = "s1"\nfile = "key.pem"\n',
            "warning",
            "Such messages are not signed.",
        ),
    ],
)
def test_a_from_of_anybody_is_warned_of(tmp_path: Path, text: str, verdict: str, said: str) -> None:
    (tmp_path / "key.pem").write_bytes(generate("rsa", 1024).pem())
    finding = check_from_header(configured(tmp_path, text))
    assert finding.verdict == verdict
    assert said in finding.text


def test_keys_that_sign_for_machines_are_warned_of(tmp_path: Path) -> None:
    """Any From of the keys' domains is signed there."""
    (tmp_path / "key.pem").write_bytes(generate("rsa", 1024).pem())
    (tmp_path / "key.pem").chmod(0o600)
    keys = '[dkim]\nsign_relayed = true\n[[dkim.keys]]\nselector = "s1"\nfile = "key.pem"\n'
    config = configured(tmp_path, f'{keys}[relay]\nfrom = ["192.0.2.0/24"]\n')
    (warned,) = [finding for finding in check_keys(config) if "sign_relayed" in finding.text]
    assert warned.verdict == "warning"
    assert "192.0.2.0/24" in warned.text
    assert {finding.verdict for finding in check_keys(configured(tmp_path, keys))} == {"good"}


def test_every_error_of_the_configuration_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mailstack.toml"
    file.write_text('hostnam = "x"\nrelay = 7\n')
    status, findings = examine(file)
    assert status == 1
    assert len(findings) >= 2
    assert all(finding["part"] == "configuration" for finding in findings)


def test_people_are_told_how_many_things_are_broken(tmp_path: Path) -> None:
    configured(tmp_path, "")
    result = CliRunner().invoke(main, ["check", "-c", str(tmp_path / "mailstack.toml"), "--no-dns"])
    assert result.exit_code == 1
    assert "BROKEN" in result.stdout
    assert result.stderr.startswith("mailstack: 1 of ")


def test_a_port_that_another_program_has_is_broken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = configured(tmp_path, f'[listen]\nmx = ["tcp:{port}:interface=127.0.0.1"]\n')
        other.settimeout(5)
        (finding,) = check_ports(config, timeout=0.05)
    assert finding.verdict == "broken"
    assert "another program" in finding.text


def test_an_address_of_another_machine_is_broken(tmp_path: Path) -> None:
    config = configured(tmp_path, '[listen]\nmx = ["tcp:2525:interface=192.0.2.1"]\n')
    (finding,) = check_ports(config)
    assert finding.verdict == "broken"
    assert "192.0.2.1" in finding.text


def test_a_web_page_in_clear_for_other_machines_is_a_warning(tmp_path: Path) -> None:
    config = configured(tmp_path, '[listen]\nweb = ["tcp:8025"]\nhttps = ["tcp:8026"]\n')
    found = [finding for finding in check_ports(config) if finding.part == "listen.web"]
    assert found[0].verdict == "warning"
    assert "interface=127.0.0.1" in found[0].text
    loopback = configured(tmp_path, '[listen]\nweb = ["tcp:8025:interface=127.0.0.1"]\n')
    assert not [finding for finding in check_ports(loopback) if finding.verdict == "warning"]


def test_listening_nowhere_is_broken(tmp_path: Path) -> None:
    assert verdicts(check_ports(configured(tmp_path, ""))) == ["broken"]


def with_certificate(tmp_path: Path, hostname: str) -> Config:
    files = private_ca(tmp_path / "given", hostname, NOON)
    return configured(tmp_path, f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n')


@pytest.mark.parametrize(
    ("hostname", "days", "expected"),
    [
        ("mx.example.org", 0, ["good"]),
        ("mx.elsewhere.org", 0, ["good", "broken"]),
        ("mx.example.org", 800, ["warning"]),
        ("mx.example.org", 900, ["broken"]),
        ("mx.example.org", -5, ["broken"]),
    ],
    ids=["good", "of another host", "expires soon", "expired", "not yet valid"],
)
def test_certificate_of_a_host_at_a_time(tmp_path: Path, hostname: str, days: int, expected: list[str]) -> None:
    assert verdicts(check_certificate(with_certificate(tmp_path, hostname), NOON + days * 86400)) == expected


def test_a_certificate_without_the_names_that_clients_call_is_a_warning(tmp_path: Path) -> None:
    """RFC 8461 §3.3, RFC 8314 §3.3: the name that is called is the name that is compared."""
    files = private_ca(tmp_path / "given", "mx.example.org", NOON)
    tls = f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
    config = configured(tmp_path, '[listen]\nhttps = ["tcp:443"]\n[clients]\nhost = "mail.example.org"\n' + tls)
    *_, finding = check_certificate(config, NOON)
    assert finding.verdict == "warning"
    for name in ("mail", "mta-sts", "autoconfig", "autodiscover"):
        assert f"{name}.example.org" in finding.text


def test_a_key_of_another_certificate_is_broken(tmp_path: Path) -> None:
    config = with_certificate(tmp_path, "mx.example.org")
    other = private_ca(tmp_path / "other", "mx.example.org", NOON)
    assert config.tls.key is not None
    config.tls.key.write_bytes(other.key.read_bytes())
    assert verdicts(check_certificate(config, NOON)) == ["broken"]


def test_a_key_that_everybody_can_read_is_a_warning(tmp_path: Path) -> None:
    config = with_certificate(tmp_path, "mx.example.org")
    assert config.tls.key is not None
    config.tls.key.chmod(0o644)
    assert verdicts(check_certificate(config, NOON)) == ["good", "warning"]


def test_a_store_without_accounts_is_a_warning(tmp_path: Path, shelf: Shelf) -> None:
    assert shelf.store is not None
    assert verdicts(check_storage(configured(tmp_path, ""))) == ["good", "warning"]


def test_a_data_directory_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    assert verdicts(check_storage(configured(tmp_path, ""))) == ["warning", "good", "warning"]


def test_an_account_whose_domain_is_gone_is_a_warning(tmp_path: Path, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    *_, finding = check_storage(configured(tmp_path, ""))
    assert finding.verdict == "warning"
    assert "home.test" in finding.text


def test_a_database_that_is_none_is_broken(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mailstack.sqlite3").write_bytes(b"no database" * 1000)
    assert "broken" in verdicts(check_storage(configured(tmp_path, "")))


class Records:
    """A domain name system with what a test says."""

    def __init__(self, mx: dict[str, list[str]], addresses: dict[str, list[str]], *, up: bool = True) -> None:
        self._mx, self._addresses, self._up = mx, addresses, up

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        return tuple(MailExchange(10, host) for host in self._find(self._mx, domain))

    async def addresses(self, host: str) -> tuple[str, ...]:
        return tuple(self._find(self._addresses, host))

    async def pointers(self, address: str) -> tuple[str, ...]:
        return tuple(self._find(self._addresses, address))

    def _find(self, records: dict[str, list[str]], name: str) -> list[str]:
        if not self._up:
            raise DnsUnavailable("no name server answered in time")
        if name not in records:
            raise NoSuchDomain(name)
        return records[name]


BACK = {"192.0.2.1": ["other.example.org", "MX.Example.org"]}
"""RLY-26: the PTR record of our address."""


@pytest.mark.parametrize(
    ("mx", "addresses", "expected"),
    [
        ({"example.org": ["MX.example.org"]}, {"mx.example.org": ["192.0.2.1"], **BACK}, ["good", "good"]),
        ({"example.org": ["mx.other.org"]}, {"mx.example.org": ["192.0.2.1"], **BACK}, ["good", "warning"]),
        ({"example.org": ["mx.example.org"]}, {"mx.example.org": ["192.0.2.1"]}, ["warning", "good"]),
        ({"example.org": []}, {"mx.example.org": []}, ["warning", "warning"]),
        ({}, {}, ["warning", "warning"]),
    ],
)
def test_what_the_dns_says_is_never_worse_than_a_warning(
    tmp_path: Path, mx: dict[str, list[str]], addresses: dict[str, list[str]], expected: list[str]
) -> None:
    config = configured(tmp_path, '[listen]\nmx = ["tcp:25"]\n')
    assert verdicts(run(check_names(config, Records(mx, addresses)))) == expected


def test_a_machine_that_is_offline_hears_one_warning(tmp_path: Path) -> None:
    config = configured(tmp_path, '[listen]\nmx = ["tcp:25"]\n')
    assert verdicts(run(check_names(config, Records({}, {}, up=False)))) == ["warning"]


def test_a_server_that_takes_no_letters_from_outside_needs_no_records(tmp_path: Path) -> None:
    assert run(check_names(configured(tmp_path, ""), Records({}, {}, up=False))) == []


@pytest.mark.parametrize(("name", "private"), [("home.test", True), ("mx.local", True), ("localhost", True), ("example.org", False), ("contest", True), ("contest.org", False)])  # fmt: skip
def test_names_that_are_not_in_the_public_dns(name: str, private: bool) -> None:
    assert is_private(name) is private


def test_limits_that_the_system_does_not_allow_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 20_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, limit))
    too_many = check_open_files(configured(tmp_path, f"[limits]\nconnections = {limit}\n"))
    assert (too_many.part, too_many.verdict) == ("open files", "warning")
    assert f"the limit of open files is {limit}" in too_many.text
    few = check_open_files(configured(tmp_path, "[limits]\nconnections = 10\n[relay]\nconcurrency = 20\n"))
    assert few.verdict == "good"


def test_a_server_is_checked_without_the_driver_of_postgresql(tmp_path: Path) -> None:
    """psycopg is an extra: `pip install mailstack` does not install it."""
    config = tmp_path / "mailstack.toml"
    config.write_text('hostname = "mx.home.test"\ndomains = ["home.test"]\n')
    program = (
        "import sys\nsys.modules['psycopg'] = None\nfrom mailstack.cli import main\n"
        f"main(['check', '-c', {str(config)!r}, '--json'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert "listen" in {each["part"] for each in found}, done.stderr
