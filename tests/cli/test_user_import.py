"""`mailstack user import`: all or none, and every error with its line."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.output import CommandError
from mailstack.cli.user.import_command import parse
from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def addresses(mailstack: Mailstack) -> list[str]:
    return [line["address"] for line in lines_of(mailstack("user", "list", "--json"))]


def test_every_line_becomes_an_account(mailstack: Mailstack, shelf: Shelf, file: Path) -> None:
    file.write_text("# people\nalice@home.test corr3ct h0rse\n\nbob\tb4tt3ry+stapl3\n")
    result = mailstack("user", "import", str(file))
    assert result.exit_code == 0, result.stderr
    assert addresses(mailstack) == ["alice@home.test", "bob@home.test"]
    account = shelf.pump.run(shelf.store.accounts.get("alice@home.test"))
    assert account is not None
    assert bcrypt.checkpw(b"corr3ct h0rse", account.password_hash)


def test_the_same_file_can_be_imported_again(mailstack: Mailstack, file: Path) -> None:
    file.write_text("alice@home.test one-good-secret\nbob@home.test two-good-secret\n")
    mailstack("user", "import", str(file))
    file.write_text(f"{file.read_text()}dave@home.test three-good-secret\n")
    result = mailstack("user", "import", str(file))
    assert result.exit_code == 0
    assert result.stdout == "1 account added; 2 were there already\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("carol@elsewhere.test secret", "not in a domain of this server"),
        ("alice@home.test", "no password"),
        ("@home.test secret", "not an address"),
        ("bob@home.test again", "users:1"),
        ("dave@home.test " + "x" * 73, "72"),
        ("dave@home.test x", "at least 8, or accept it with --weak"),
        ("dave@home.test password1", "most common"),
    ],
)
def test_one_bad_line_and_nothing_is_imported(mailstack: Mailstack, file: Path, line: str, why: str) -> None:
    file.write_text(f"bob@home.test two-good-secret\nerin@home.test three-good-secret\n{line}\n")
    result = refusal(mailstack("user", "import", str(file)))
    assert f"{file}:3: " in result
    assert why in result
    assert addresses(mailstack) == []


def test_weak_passwords_are_imported_when_that_is_said(mailstack: Mailstack, file: Path) -> None:
    file.write_text("alice@home.test x\nbob@home.test password\n")
    assert mailstack("user", "import", "--weak", str(file)).exit_code == 0
    assert addresses(mailstack) == ["alice@home.test", "bob@home.test"]
    assert mailstack("user", "import", str(file)).exit_code == 0, "what is there already is not judged again"


def test_an_account_with_another_password_is_named_with_its_line(mailstack: Mailstack, file: Path) -> None:
    file.write_text("alice@home.test one-good-secret\n")
    mailstack("user", "import", str(file))
    file.write_text("bob@home.test two-good-secret\nalice@home.test other-good-secret\n")
    assert f"{file}:2: alice@home.test" in refusal(mailstack("user", "import", str(file)))
    assert addresses(mailstack) == ["alice@home.test"]


def test_a_file_that_is_not_there_is_named(mailstack: Mailstack, file: Path) -> None:
    assert str(file) in refusal(mailstack("user", "import", str(file)))


def test_standard_input_is_a_file_too(mailstack: Mailstack) -> None:
    assert mailstack("user", "import", "-", input="alice@home.test one-good-secret\n").exit_code == 0
    assert addresses(mailstack) == ["alice@home.test"]


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=40), max_size=5))
def test_whatever_stands_in_the_file_gives_entries_or_one_refusal(lines: list[str]) -> None:
    try:
        entries = list(parse([line + "\n" for line in lines], "users", ["home.test"]))
    except CommandError:
        return
    assert len({entry.address for entry in entries}) == len(entries)
    assert all(entry.password and entry.address.endswith("@home.test") for entry in entries)
