"""Files of names and passwords: what htpasswd -B writes, or plain words; and who comes in by them."""

from __future__ import annotations

import bcrypt
import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred

from mailstack.accounts.checker import FileChecker, parse_passwords
from mailstack.accounts.passwords import Passwords
from tests.accounts.fakes import HandClock
from tests.aid import Pump

HASH = bcrypt.hashpw(b"secret", b"$2b$04$" + b"." * 22).decode().replace("$2b$", "$2y$")


def test_lines_are_names_with_a_hash_or_a_word() -> None:
    text = f"# people\n\nann:{HASH}\r\n bob:two: words \nann.b:$money\n"
    assert parse_passwords(text) == {"ann": HASH, "bob": "two: words", "ann.b": "$money"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no NAME:PASSWORD"),
        ("# nobody", "no NAME:PASSWORD"),
        ("ann", "line 1 is no NAME"),
        ("a:b\nann:", "line 2 is no NAME"),
        (":secret", "line 1 is no NAME"),
        ("ann:" + "x" * 321, "line 1 is no NAME"),
        ("ann:$apr1$x$secret", "line 1 is hashed in a way"),
        ("ann:{SHA}secret", "line 1 is hashed in a way"),
        (f"ann:{HASH[:-1]}", "line 1 is hashed in a way"),
        (f"ann:{HASH.replace('$04$', '$31$')}", "31 rounds"),
        ("\n".join(f"u{number}:x" for number in range(10_001)), "more than 10000"),
    ],
)
def test_what_is_none_is_refused_without_its_secret(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse_passwords(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "password", "comes_in"),
    [
        (b"ann", b"secret", True),
        (b"ann", b"Secret", False),
        (b"ann", HASH.encode(), False),
        (b"bob", "grün".encode(), True),
        (b"bob", b"", False),
        (b"eve", b"secret", False),
        (b"ANN", b"secret", False),
        (b"ann", b"\xff", False),
    ],
)
def test_who_is_in_the_file_comes_in(name: bytes, password: bytes, *, comes_in: bool) -> None:
    pump = Pump()
    passwords = Passwords(pump, HandClock(), rounds=4)
    checker = FileChecker({"ann": HASH, "bob": "grün"}, passwords)

    async def login() -> bool:
        asked: Deferred[bytes | tuple[()]] = checker.requestAvatarId(UsernamePassword(name, password))
        try:
            return await asked == name
        except UnauthorizedLogin:
            return False

    try:
        assert pump.run(login()) is comes_in
    finally:
        passwords.close()
