"""Passwords: bcrypt off the reactor (AUTH-08), rules for new ones, and password files."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred

from mailstack.accounts.checker import FileChecker, parse_passwords
from mailstack.accounts.passwords import MIN_LENGTH, PasswordError, Passwords, check_password, common_passwords
from mailstack.protocols.sasl import Unavailable
from tests.aid import Pump
from tests.clock import HandClock

STORED = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))


class Ground:
    """Passwords with rounds 4, on a pump, with bcrypt's own checks counted and, if need be, held up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pump = Pump()
        self.clock = HandClock()
        self.checked: list[bytes] = []
        self.gate = Event()
        self.gate.set()
        real = bcrypt.checkpw

        def check(password: bytes, stored: bytes) -> bool:
            self.gate.wait(20)
            self.checked.append(stored)
            return real(password, stored)

        monkeypatch.setattr(bcrypt, "checkpw", check)
        self.passwords = Passwords(self.pump, self.clock, rounds=4, queue_limit=3, remember=300, capacity=2)

    def verify(self, password: str, stored: bytes | None = STORED, user: str = "alice@home.test") -> bool:
        return self.pump.run(self.passwords.verify(user, password, stored))

    def begin(self, password: str, stored: bytes | None = STORED) -> list[Any]:
        return self.pump.start(self.passwords.verify("alice@home.test", password, stored))

    def finish(self, *results: list[Any]) -> None:
        self.gate.set()
        while not all(results):
            self.pump._calls.get(timeout=20)()


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    made = Ground(monkeypatch)
    yield made
    made.gate.set()
    made.passwords.close()


def test_what_was_hashed_is_verified_and_nothing_else(ground: Ground) -> None:
    stored = ground.pump.run(ground.passwords.hash("corr3ct-h0rse")).password_hash
    assert stored.startswith(b"$2b$04$")
    assert ground.verify("corr3ct-h0rse", stored)
    assert not ground.verify("corr3ct-h0rs", stored)
    assert not ground.verify("", stored)


def test_a_password_is_composed_so_that_every_keyboard_sends_the_same(ground: Ground) -> None:
    stored = ground.pump.run(ground.passwords.hash("cafe\u0301")).password_hash
    assert ground.verify("caf\u00e9", stored)


def test_a_password_over_72_octets_is_refused_when_set_and_wrong_when_checked(ground: Ground) -> None:
    longest = "é" * 36
    stored = ground.pump.run(ground.passwords.hash(longest)).password_hash
    assert ground.verify(longest, stored)
    with pytest.raises(PasswordError, match=r"73 octets.*at most 72"):
        ground.pump.run(ground.passwords.hash(longest + "x"))
    assert not ground.verify(longest + "x", stored)


@pytest.mark.parametrize("password", ["", "a\0b", "\ud800"])
def test_a_password_that_no_client_can_send_is_refused_when_set(ground: Ground, password: str) -> None:
    with pytest.raises(PasswordError, match="choose"):
        ground.pump.run(ground.passwords.hash(password))
    assert not ground.verify(password)


def test_a_right_password_costs_one_hash_in_five_minutes(ground: Ground) -> None:
    assert ground.verify("secret")
    assert ground.verify("secret")
    assert len(ground.checked) == 1
    ground.clock.advance(300)
    assert ground.verify("secret")
    assert len(ground.checked) == 2


def test_a_wrong_password_is_not_remembered(ground: Ground) -> None:
    assert not ground.verify("guess")
    assert not ground.verify("guess")
    assert len(ground.checked) == 2


def test_the_memory_is_of_that_user_and_that_stored_hash_only(ground: Ground) -> None:
    assert ground.verify("secret")
    assert not ground.verify("secret", bcrypt.hashpw(b"changed", bcrypt.gensalt(4)))
    assert ground.verify("secret", user="bob@home.test")
    assert len(ground.checked) == 3


def test_the_memory_is_bounded(ground: Ground) -> None:
    for number in range(5):
        assert ground.verify("secret", user=f"u{number}@home.test")
    assert len(ground.passwords._right) == 2


def test_an_unknown_user_costs_a_hash_of_the_same_rounds(ground: Ground) -> None:
    """AUTH-08"""
    assert not ground.verify("secret", None)
    assert [stored[:7] for stored in ground.checked] == [b"$2b$04$"]


@pytest.mark.parametrize("stored", [b"", b"!", b"\xff", b"$2b$04$short"])
def test_a_stored_hash_that_is_none_fits_no_password_and_takes_as_long(ground: Ground, stored: bytes) -> None:
    assert not ground.verify("secret", stored)
    assert ground.checked[-1].startswith(b"$2b$04$")


def test_the_same_login_at_the_same_time_is_checked_once(ground: Ground) -> None:
    ground.gate.clear()
    both = [ground.begin("secret"), ground.begin("secret")]
    ground.finish(*both)
    assert both == [[True], [True]]
    assert len(ground.checked) == 1


def test_beyond_the_queue_a_login_is_unavailable_and_not_wrong(ground: Ground) -> None:
    ground.gate.clear()
    waiting = [ground.begin(f"guess {number}") for number in range(3)]
    refused = ground.begin("one more")
    assert refused[0].check(Unavailable)
    assert "3 logins wait" in refused[0].getErrorMessage()
    ground.finish(*waiting)
    assert waiting == [[False]] * 3
    assert ground.verify("secret")


def test_waiting_login_is_unavailable_when_the_server_closes(ground: Ground) -> None:
    ground.gate.clear()
    waiting = ground.begin("secret")
    ground.gate.set()
    ground.passwords.close()
    assert waiting[0].check(Unavailable)
    with pytest.raises(Unavailable):
        ground.verify("secret")
    ground.passwords.close()


def test_cancelled_check_does_not_disturb_the_others(ground: Ground) -> None:
    from twisted.internet.defer import CancelledError, Deferred

    ground.gate.clear()
    first: list[Any] = []
    waiting = Deferred.fromCoroutine(ground.passwords.verify("alice@home.test", "secret", STORED))
    waiting.addBoth(first.append)
    second = ground.begin("secret")
    waiting.cancel()
    ground.finish(second)
    assert first[0].check(CancelledError)
    assert second == [True]


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_two_digests_are_equal_only_for_equal_parts(one: list[bytes], other: list[bytes]) -> None:
    passwords = Passwords(Pump(), HandClock(), rounds=4)
    assert (passwords._digest(*one) == passwords._digest(*other)) == (one == other)
    passwords.close()


def test_a_forgotten_close_does_not_keep_the_process_from_ending(ground: Ground) -> None:
    assert ground.verify("secret")
    assert ground.passwords._pool.threads
    assert all(thread.daemon for thread in ground.passwords._pool.threads)


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
def test_users_of_the_file_log_in(name: bytes, password: bytes, *, comes_in: bool) -> None:
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
