"""App passwords (AUTH-18)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.passwords import digest, new_app_password
from mailstack.accounts.throttle import Throttle
from mailstack.protocols.sasl import Credentials, Denied
from mailstack.store.accounts import AppPassword
from tests.accounts.fakes import HERE, Logins

BOB, ALICE = "bob@home.test", "alice@home.test"


class Ground(Logins):
    def __init__(self) -> None:
        super().__init__(BOB, ALICE)
        checker = StoreChecker(self.store, self.passwords)
        self.door = self.authenticator(checker, throttle=Throttle(self.clock, free=100))

    def add(self, name: str) -> str:
        password = new_app_password()
        made = digest(BOB, password)
        assert made is not None
        self.store.app_rows.append(AppPassword(BOB, name, made, 1.0))
        return password

    def login(self, password: str, user: str = "bob") -> str:
        proof = Credentials(username=user, password=password, mechanism="PLAIN")
        return self.pump.run(self.door.login(proof, HERE)).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    with closing(Ground()) as made:
        yield made


def test_each_app_password_logs_in_and_is_named_in_the_log(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """AUTH-18"""
    phone, laptop = ground.add("phone"), ground.add("laptop")
    with caplog.at_level(logging.INFO):
        assert ground.login(phone) == BOB
        assert ground.login(laptop.replace("-", " ").upper()) == BOB
    assert ground.login("secret") == BOB
    assert [record.getMessage() for record in caplog.records] == [
        "bob@home.test logged in with app password 'phone'",
        "bob@home.test logged in with app password 'laptop'",
    ]


def test_removed_app_password_is_denied_at_once(ground: Ground) -> None:
    """AUTH-18: and the others stay."""
    phone, laptop = ground.add("phone"), ground.add("laptop")
    assert ground.login(phone) == BOB
    del ground.store.app_rows[0]
    with pytest.raises(Denied):
        ground.login(phone)
    assert ground.login(laptop) == BOB


def test_app_password_works_for_its_account_only(ground: Ground) -> None:
    phone = ground.add("phone")
    for user in ("alice", "nobody"):
        with pytest.raises(Denied):
            ground.login(phone, user)


def test_app_passwords_are_long_and_unique() -> None:
    made = {new_app_password() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) == 24 for password in made)


@pytest.mark.parametrize("password", ["", "secret", "abcd-efgh", "l" * 20, "a" * 21, "é" * 20, "a" * 10_000])
def test_malformed_app_password_has_no_digest(password: str) -> None:
    assert digest(BOB, password) is None
