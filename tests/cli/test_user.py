"""`mailstack user`: accounts, app passwords (AUTH-18) and tokens (AUTH-16)."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import jwt
import pytest
from click.testing import CliRunner

from mailstack.accounts.passwords import digest
from mailstack.cli import main
from mailstack.cli.target import DATABASE
from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal


def stored_hash(shelf: Shelf, address: str) -> bytes:
    account = shelf.pump.run(shelf.store.accounts.get(address))
    assert account is not None
    return account.password_hash


def test_an_account_is_added_with_the_password_of_a_file(mailstack: Mailstack, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("corr3ct h0rse\nsomething else\n")
    result = mailstack("user", "add", "Alice@Home.Test", "--password-file", str(tmp_path / "password"))
    assert result.exit_code == 0, result.stderr
    assert bcrypt.checkpw(b"corr3ct h0rse", stored_hash(shelf, "alice@home.test"))


def test_the_password_can_come_from_standard_input(mailstack: Mailstack, shelf: Shelf) -> None:
    assert mailstack("user", "add", "bob", "--password-file", "-", input="b4tt3ry+stapl3\r\n").exit_code == 0
    assert bcrypt.checkpw(b"b4tt3ry+stapl3", stored_hash(shelf, "bob@home.test"))


def test_a_password_needs_a_terminal_or_a_file(mailstack: Mailstack) -> None:
    result = refusal(mailstack("user", "add", "bob@home.test"))
    assert "--password-file" in result
    assert result.count("\n") == 1


def test_an_address_of_another_domain_is_refused(mailstack: Mailstack) -> None:
    assert "home.test, other.test" in refusal(
        mailstack("user", "add", "bob@elsewhere.test", "--password-file", "-", input="corr3ct h0rse\n")
    )


def test_what_is_no_address_is_refused_before_anything_is_made(mailstack: Mailstack, tmp_path: Path) -> None:
    assert mailstack("user", "add", "bob@@home.test", "--password-file", "-", input="corr3ct h0rse\n").exit_code == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("password", ["x", "password", "bob@home.test", "7-chars"])
def test_weak_password_is_refused_unless_it_is_said(mailstack: Mailstack, shelf: Shelf, password: str) -> None:
    assert "--weak" in refusal(mailstack("user", "add", "bob", "--password-file", "-", input=f"{password}\n"))
    assert shelf.pump.run(shelf.store.accounts.all()) == []
    assert mailstack("user", "add", "--weak", "bob", "--password-file", "-", input=f"{password}\n").exit_code == 0
    assert mailstack("user", "password", "bob", "--password-file", "-", input="y\n").exit_code == 1
    (bob,) = shelf.pump.run(shelf.store.accounts.all())
    assert bcrypt.checkpw(password.encode(), bob.password_hash)
    assert mailstack("user", "password", "--weak", "bob", "--password-file", "-", input="y\n").exit_code == 0
    (bob,) = shelf.pump.run(shelf.store.accounts.all())
    assert bcrypt.checkpw(b"y", bob.password_hash)


def test_a_password_longer_than_bcrypt_reads_is_refused(mailstack: Mailstack) -> None:
    assert "72" in refusal(mailstack("user", "add", "bob", "--password-file", "-", input="x" * 73 + "\n"))


def test_an_account_that_exists_is_not_added_again(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    assert "mailstack user password alice@home.test" in refusal(
        mailstack("user", "add", "alice", "--password-file", "-", input="corr3ct h0rse\n")
    )


def test_a_password_is_changed(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    assert mailstack("user", "password", "alice", "--password-file", "-", input="another one\n").exit_code == 0
    assert bcrypt.checkpw(b"another one", stored_hash(shelf, "alice@home.test"))


def test_unknown_accounts_are_refused(mailstack: Mailstack) -> None:
    changed = mailstack("user", "password", "nobody", "--password-file", "-", input="corr3ct h0rse\n")
    removed = mailstack("user", "remove", "nobody")
    assert (changed.exit_code, removed.exit_code) == (1, 1)
    assert "user list" in changed.stderr
    assert "user list" in removed.stderr


def test_sessions_of_an_account_are_ended(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    before = shelf.pump.run(shelf.store.accounts.get("alice@home.test"))
    result = mailstack("user", "kick", "alice")
    assert (result.exit_code, result.stdout) == (0, "the sessions of alice@home.test have ended\n")
    assert lines_of(mailstack("user", "kick", "alice@home.test", "--json")) == [
        {"address": "alice@home.test", "ended": True}
    ]
    after = shelf.pump.run(shelf.store.accounts.credentials(["alice@home.test"]))["alice@home.test"]
    assert before is not None
    assert after != before.credentials
    assert "there is no account nobody@home.test" in refusal(mailstack("user", "kick", "nobody@home.test"))


def test_accounts_are_listed_with_their_aliases(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("bob@home.test")
    shelf.add_account("alice@home.test")
    shelf.pump.run(shelf.store.accounts.set_alias("postmaster@home.test", ["alice@home.test"]))
    listed = lines_of(mailstack("user", "list", "--json"))
    assert [line["address"] for line in listed] == ["alice@home.test", "bob@home.test"]
    assert listed[0]["aliases"] == ["postmaster@home.test"]
    assert listed[0]["created"] == "2025-11-25T12:00:00.000000Z"
    assert "postmaster@home.test" in mailstack("user", "list").stdout


def test_a_removed_account_is_gone(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    assert mailstack("user", "remove", "alice", "--yes").exit_code == 0
    assert lines_of(mailstack("user", "list", "--json")) == []


def test_an_account_is_removed_after_a_question(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    unanswered = mailstack("user", "remove", "alice")
    assert unanswered.exit_code == 1
    assert "Remove alice@home.test and every message in its mailbox?" in unanswered.stderr
    assert "add --yes" in unanswered.stderr
    assert mailstack("user", "remove", "alice", input="n\n").exit_code == 1
    assert len(lines_of(mailstack("user", "list", "--json"))) == 1
    assert mailstack("user", "remove", "alice", input="y\n").exit_code == 0
    assert lines_of(mailstack("user", "list", "--json")) == []


def test_a_quota_is_shown_set_and_taken_back(mailstack: Mailstack, shelf: Shelf) -> None:
    """CODE-05"""
    shelf.add_account("alice@home.test")
    assert mailstack("user", "quota", "alice").stdout == "alice@home.test holds 0 octets; quota: default\n"
    assert mailstack("user", "quota", "alice", "1536KiB").stdout == "alice@home.test holds 0 octets; quota: 1.5 MiB\n"
    assert lines_of(mailstack("user", "list", "--json"))[0]["quota"] == 1536 * 1024
    assert mailstack("user", "quota", "alice", "none").stdout.endswith("quota: none\n")
    assert mailstack("user", "quota", "alice", "default").stdout.endswith("quota: default\n")
    assert lines_of(mailstack("user", "list", "--json"))[0]["quota"] is None
    for arguments in (["alice", "a lot"], ["alice", "9" * 30], ["nobody", "1GiB"]):
        assert refusal(mailstack("user", "quota", *arguments)).count("\n") == 1


BOB = "bob@home.test"


@pytest.fixture
def bob(mailstack: Mailstack) -> None:
    assert mailstack("user", "add", "--weak", "bob", "--password-file", "-", input="secret\n").exit_code == 0


@pytest.mark.usefixtures("bob")
def test_an_app_password_is_shown_once(mailstack: Mailstack, shelf: Shelf) -> None:
    """AUTH-18"""
    result = mailstack("user", "app-password", "add", "bob", "phone")
    assert result.exit_code == 0, result.stderr
    (kept,) = shelf.pump.run(shelf.store.accounts.app_passwords(BOB))
    assert (kept.name, kept.digest) == ("phone", digest(BOB, result.stdout.strip()))
    assert lines_of(mailstack("user", "app-password", "list", "bob", "--json"))[0]["name"] == "phone"
    assert result.stdout.strip() not in mailstack("user", "app-password", "list", "bob").stdout


@pytest.mark.usefixtures("bob")
def test_an_app_password_is_removed(mailstack: Mailstack, shelf: Shelf) -> None:
    """AUTH-18"""
    mailstack("user", "app-password", "add", "bob", "phone")
    unanswered = mailstack("user", "app-password", "remove", "bob", "phone")
    assert unanswered.exit_code == 1
    assert "add --yes" in unanswered.stderr
    assert len(shelf.pump.run(shelf.store.accounts.app_passwords(BOB))) == 1
    assert mailstack("user", "app-password", "remove", "bob", "phone", "--yes").exit_code == 0
    assert shelf.pump.run(shelf.store.accounts.app_passwords(BOB)) == []
    again = mailstack("user", "app-password", "remove", "bob", "phone")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("arguments", [("bob", "phone"), ("nobody", "phone"), ("bob", " "), ("bob", "x" * 101)])
def test_an_invalid_app_password_is_refused(mailstack: Mailstack, arguments: tuple[str, str]) -> None:
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


def test_a_server_issues_no_tokens(mailstack: Mailstack) -> None:
    assert "dev environment" in refusal(mailstack("user", "token", "bob"))
