"""App passwords (AUTH-18)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import bcrypt
import pytest
from msgspec.structs import replace
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.passwords import Passwords, digest, new_app_password
from mailstack.accounts.realm import Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import Credentials, Denied
from mailstack.store.accounts import AppPassword
from tests.accounts.fakes import MemoryAccounts
from tests.aid import Pump
from tests.clock import HandClock

HERE = HostPort("192.0.2.1", 4000)
BOB, ALICE = "bob@home.test", "alice@home.test"


class Ground:
    def __init__(self) -> None:
        self.pump = Pump()
        self.store = MemoryAccounts(BOB, ALICE)
        secret = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
        self.store.rows = {key: replace(row, password_hash=secret) for key, row in self.store.rows.items()}
        clock = HandClock()
        self.passwords = Passwords(self.pump, clock, rounds=4)
        portal = Portal(Realm(), [StoreChecker(self.store, self.passwords)])
        self.door = CredAuthenticator(portal, clock, Throttle(clock, free=100), ["home.test"])

    def add(self, name: str) -> str:
        password = new_app_password()
        made = digest(BOB, password)
        assert made is not None
        self.store.app_rows.append(AppPassword(BOB, name, made, 1.0))
        return password

    def login(self, password: str, user: str = "bob") -> str:
        return self.pump.run(
            self.door.login(Credentials(username=user, password=password, mechanism="PLAIN"), HERE)
        ).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground()
    yield made
    made.passwords.close()


def test_each_of_them_logs_in_and_the_log_says_which(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
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


def test_one_that_is_taken_away_is_wrong_at_once(ground: Ground) -> None:
    """AUTH-18: and the others stay."""
    phone, laptop = ground.add("phone"), ground.add("laptop")
    assert ground.login(phone) == BOB
    del ground.store.app_rows[0]
    with pytest.raises(Denied):
        ground.login(phone)
    assert ground.login(laptop) == BOB


def test_it_is_of_its_account_alone(ground: Ground) -> None:
    phone = ground.add("phone")
    with pytest.raises(Denied):
        ground.login(phone, "alice")
    with pytest.raises(Denied):
        ground.login(phone, "nobody")


def test_they_are_long_and_differ() -> None:
    made = {new_app_password() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) == 24 for password in made)


@pytest.mark.parametrize("password", ["", "secret", "abcd-efgh", "l" * 20, "a" * 21, "é" * 20, "a" * 10_000])
def test_what_can_not_be_one_is_not_looked_for(password: str) -> None:
    assert digest(BOB, password) is None
