"""Rules for new passwords: what is refused, and what is not."""

from __future__ import annotations

import pytest

from mailstack.accounts.passwords import MIN_LENGTH, PasswordError, check_password, common_passwords

ADDRESS = "anna-maria@home.test"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "empty"),
        ("x", "1 character; choose one of at least 8"),
        ("seven77", "7 characters; choose one of at least 8"),
        ("e\u0301" * 7, "7 characters"),
        ("12345678", "1,000 most common"),
        ("PassWord", "1,000 most common"),
        ("iloveyou", "1,000 most common"),
        (ADDRESS, "own name"),
        ("Anna-Maria", "own name"),
    ],
)
def test_password_that_is_guessed_soon_is_refused_with_its_rule(password: str, reason: str) -> None:
    with pytest.raises(PasswordError, match=reason) as refused:
        check_password(password, ADDRESS)
    assert len(password) < 3 or password not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["corr3ct h0rse", "pässwörd", "été été1", "漢字漢字漢字漢字", "anna-maria7", "x" * 72]
)
def test_other_passwords_are_taken(password: str) -> None:
    check_password(password, ADDRESS)


def test_length_is_a_setting() -> None:
    check_password("xyz", ADDRESS, min_length=3)
    with pytest.raises(PasswordError, match="at least 12"):
        check_password("corr3ct-hor", ADDRESS, min_length=12)


def test_list_has_a_thousand_passwords_that_the_length_alone_would_let_in() -> None:
    listed = common_passwords()
    assert len(listed) == 1000
    assert all(len(each) >= MIN_LENGTH and each == each.casefold() for each in listed)
