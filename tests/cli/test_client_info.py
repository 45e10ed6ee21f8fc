"""`mailstack dns` and `mailstack setup`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailstack.cli import main
from mailstack.cli.registry import register
from mailstack.cli.target import DATABASE
from tests.cli.conftest import Mailstack, lines_of, refusal

LISTENING = """\
hostname = "mx.home.test"
domains = ["home.test", "other.test"]
[listen]
mx = ["tcp:25"]
submissions = ["tcp:465"]
pop3s = ["tcp:995"]
"""


@pytest.fixture
def server(config: Path) -> Path:
    config.write_text(LISTENING)
    return config


def dev(*arguments: str) -> Result:
    """A command about a dev environment."""
    return CliRunner().invoke(main, arguments, prog_name="mailstack")


def said(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_dns_says_what_to_publish_and_why(mailstack: Mailstack, server: Path) -> None:
    """AC-01, AC-06"""
    table = said(mailstack("dns"))
    for needed in ("MX", "v=spf1 mx ~all", "_submissions._tcp.other.test.", "v=DMARC1", "RFC 6186", "DKIM", "PTR"):
        assert needed in table


def test_dns_as_json_has_a_record_a_line(mailstack: Mailstack, server: Path) -> None:
    """AC-06"""
    records = lines_of(mailstack("dns", "--json", "--domain", "home.test", "--address", "192.0.2.1"))
    assert {record["domain"] for record in records} == {"", "home.test"}
    (srv,) = [record for record in records if record["name"] == "_pop3s._tcp.home.test."]
    assert srv == {**srv, "type": "SRV", "ttl": 3600, "data": "0 1 995 mx.home.test."}


def test_dns_as_a_zone_to_include_and_as_a_whole_one(mailstack: Mailstack, server: Path) -> None:
    """AC-06"""
    included = said(mailstack("dns", "--zone"))
    assert " IN SOA " not in included
    assert all(line.startswith(";") or " 3600 IN " in line for line in included.splitlines() if line)
    zone = said(mailstack("dns", "--zone", "--domain", "home.test", "--nameserver", "ns.home.test"))
    assert zone.count(" IN SOA ") == 1
    assert "other.test. " not in zone


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("dns", "--domain", "far.test"), 1),
        (("dns", "--zone", "--nameserver", "ns.home.test"), 1),
        (("dns", "--nameserver", "ns.home.test"), 2),
        (("dns", "--address", "here"), 2),
        (("setup", "pine", "alice@home.test"), 1),
        (("setup", "thunderbird"), 2),
        (("setup", "thunderbird", "alice@far.test"), 1),
        (("setup", "thunderbird", "@"), 1),
    ],
)
def test_invalid_arguments_are_refused(
    mailstack: Mailstack, server: Path, arguments: tuple[str, ...], status: int
) -> None:
    result = mailstack(*arguments)
    assert result.exit_code == status
    assert result.stderr


def test_setup_alone_lists_the_clients(mailstack: Mailstack) -> None:
    listed = said(mailstack("setup"))
    assert "outlook-classic" in listed
    assert "msmtp+mpop" in listed
    assert {"client": "ios", "title": "iPhone and iPad"} in lines_of(mailstack("setup", "--json"))


def test_setup_tells_the_steps_with_our_ports(mailstack: Mailstack, server: Path) -> None:
    steps = said(mailstack("setup", "thunderbird", "alice"))
    for needed in ("alice@home.test", "mx.home.test", "465", "995", "requires authentication", "ca.pem"):
        assert needed in steps
    document = json.loads(said(mailstack("setup", "mutt", "alice@home.test", "--json")))
    assert document["client"] == "mutt"
    assert [service["name"] for service in document["services"]] == ["submissions", "pop3s"]
    assert "smtps://alice%40home.test@mx.home.test:465/" in document["steps"][0]["text"]


def test_setup_tells_of_the_dev_environment_that_runs(tmp_path: Path) -> None:
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    runtime.mkdir(mode=0o700)
    services = {"submissions": {"host": "127.0.0.1", "port": 40465}, "pop3s": {"host": "127.0.0.1", "port": 40995}}
    register(tmp_path / "data", {"services": services, "domains": ["home.test"], "ca_file": "/x/ca.pem"})
    for arguments in (("setup", "msmtp+mpop", "alice"), ("dns",)):
        assert "40465" in said(dev(*arguments))
    assert "localhost" in said(dev("setup", "k9", "bob"))


def test_a_dev_environment_that_does_not_run_has_no_ports_to_tell(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    assert "is not running" in refusal(dev("setup", "k9", "bob", "--data", str(tmp_path)))
