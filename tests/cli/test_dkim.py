"""`mailstack dkim`: a key, what to publish for it, and what `check` says of both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailstack.cli.checks.examination import check_keys
from mailstack.config import load
from mailstack.policy.authentication.keys import load_private
from tests.cli.conftest import Mailstack, lines_of, refusal


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_made_and_what_to_do_is_said(mailstack: Mailstack, config: Path, kind: str) -> None:
    """DKIM-02: the record that is printed is that of the key, in strings that fit (RFC 1035 §3.3.14)."""
    made = mailstack("dkim", "generate", "S1", "--kind", kind)
    assert made.exit_code == 0, made.stderr
    file = config.parent / "data" / "dkim" / "s1.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    strings = [re.findall(r'"([^"]*)"', line) for line in made.stdout.splitlines() if "_domainkey" in line]
    assert ["".join(each) for each in strings] == [load_private(file).record()] * 2
    assert all(len(each) <= 255 for each in strings[0])
    assert "s1._domainkey.home.test. IN TXT (" in made.stdout
    assert "s1._domainkey.other.test. IN TXT (" in made.stdout
    config.write_text(
        config.read_text() + made.stdout.partition("[[dkim.keys]]")[1] + made.stdout.partition("[[dkim.keys]]")[2]
    )
    published = [line for line in lines_of(mailstack("dns", "--json")) if "_domainkey" in line["name"]]
    assert [line["data"] for line in published] == [load_private(file).record()] * 2


def test_a_key_is_never_written_over(mailstack: Mailstack) -> None:
    assert mailstack("dkim", "generate", "s1").exit_code == 0
    assert "exists already" in refusal(mailstack("dkim", "generate", "s1"))
    assert mailstack("dkim", "generate", "no selector").exit_code == 1


def test_check_looks_at_keys(mailstack: Mailstack, config: Path) -> None:
    mailstack("dkim", "generate", "s1")
    file = config.parent / "data" / "dkim" / "s1.pem"
    config.write_text(f'{config.read_text()}[[dkim.keys]]\nselector = "s1"\nfile = "{file}"\n')
    settings = load(config, {})
    assert [each.verdict for each in check_keys(settings)] == ["good"]
    file.chmod(0o644)
    assert [each.verdict for each in check_keys(settings)] == ["warning", "good"]
    file.write_text("nonsense")
    assert [each.verdict for each in check_keys(settings)] == ["broken"]
