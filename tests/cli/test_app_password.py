"""`mailstack user app-password` (AUTH-18) and `mailstack user token` (AUTH-16)."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from mailstack.accounts.passwords import digest
from mailstack.cli import main
from mailstack.cli.target import DATABASE
from tests.cli.conftest import Mailstack, Shelf, lines_of

BOB = "bob@home.test"


@pytest.fixture
def bob(mailstack: Mailstack) -> None:
    assert mailstack("user", "add", "--weak", "bob", "--password-file", "-", input="secret\n").exit_code == 0


@pytest.mark.usefixtures("bob")
def test_one_is_made_and_shown_once(mailstack: Mailstack, shelf: Shelf) -> None:
    """AUTH-18"""
    result = mailstack("user", "app-password", "add", "bob", "phone")
    assert result.exit_code == 0, result.stderr
    (kept,) = shelf.pump.run(shelf.store.accounts.app_passwords(BOB))
    assert (kept.name, kept.digest) == ("phone", digest(BOB, result.stdout.strip()))
    assert lines_of(mailstack("user", "app-password", "list", "bob", "--json"))[0]["name"] == "phone"
    assert result.stdout.strip() not in mailstack("user", "app-password", "list", "bob").stdout


@pytest.mark.usefixtures("bob")
def test_one_is_taken_away(mailstack: Mailstack, shelf: Shelf) -> None:
    """AUTH-18"""
    mailstack("user", "app-password", "add", "bob", "phone")
    assert mailstack("user", "app-password", "remove", "bob", "phone").exit_code == 0
    assert shelf.pump.run(shelf.store.accounts.app_passwords(BOB)) == []
    again = mailstack("user", "app-password", "remove", "bob", "phone")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("arguments", [("bob", "phone"), ("nobody", "phone"), ("bob", " "), ("bob", "x" * 101)])
def test_what_can_not_be_made_is_refused(mailstack: Mailstack, arguments: tuple[str, str]) -> None:
    assert mailstack("user", "app-password", "add", "bob", "phone").exit_code == 0
    result = mailstack("user", "app-password", "add", *arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.usefixtures("bob")
def test_a_new_account_has_scram_keys(mailstack: Mailstack, shelf: Shelf) -> None:
    """AUTH-07"""
    account = shelf.pump.run(shelf.store.accounts.get(BOB))
    assert account is not None
    assert account.scram.startswith("SCRAM-SHA-256$65536:")


def test_a_dev_environment_issues_tokens(tmp_path: Path) -> None:
    """AUTH-16"""
    (tmp_path / DATABASE).touch()
    run = CliRunner().invoke(main, ["user", "token", "alice", "--data", str(tmp_path), "--scope", "x", "--expired"])
    assert run.exit_code == 0, run.stderr
    claims = jwt.decode(run.stdout.strip(), options={"verify_signature": False})
    assert (claims["email"], claims["scope"], claims["aud"]) == ("alice@home.test", "x", "mailstack")
    assert claims["exp"] - claims["iat"] == 3600


def test_a_real_server_issues_none(mailstack: Mailstack) -> None:
    result = mailstack("user", "token", "bob")
    assert result.exit_code == 1
    assert "dev environment" in result.stderr
