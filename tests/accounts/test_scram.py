"""SCRAM through a Portal: keys of accounts, and invented ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.scram_checker import ScramChecker, server_secret
from mailstack.protocols.sasl import Credentials, Denied, ScramKeys, ScramProof, Unavailable
from mailstack.protocols.sasl.scram_keys import client_proof, salted
from tests.accounts.fakes import HERE, Logins, MemoryAccounts
from tests.aid import run

BOB, ALICE = "bob@home.test", "alice@home.test"
MESSAGE = b"the three messages"


class Ground(Logins):
    def __init__(self) -> None:
        super().__init__(BOB, ALICE, scram_iterations=4096)
        kept = self.pump.run(self.passwords.hash("secret"))
        self.store.rows[BOB] = replace(self.store.rows[BOB], password_hash=kept.password_hash, scram=kept.scram)
        self.checker = ScramChecker(self.store, b"k" * 32, 4096)
        self.door = self.authenticator(StoreChecker(self.store, self.passwords), self.checker, key_source=self.checker)

    def keys(self, user: str) -> ScramKeys:
        return self.pump.run(self.door.scram_keys(user))

    def login(self, user: str, password: str = "secret", authzid: str = "") -> str:
        keys = self.keys(user)
        proof = client_proof(salted(password, keys.salt, keys.iterations), MESSAGE)
        evidence = ScramProof(username=user, mechanism="SCRAM-SHA-256", authzid=authzid, message=MESSAGE, proof=proof)
        return self.pump.run(self.door.login(evidence, HERE)).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    with closing(Ground()) as made:
        yield made


def test_the_right_proof_gives_the_account(ground: Ground) -> None:
    """AUTH-07"""
    assert ground.login("bob") == BOB
    assert ground.login("Bob@HOME.test", authzid=BOB) == BOB


@pytest.mark.parametrize(
    ("user", "password"), [("bob", "wrong"), ("nobody", "secret"), ("alice", "secret"), ("@", "x")]
)
def test_everything_else_is_denied_alike(ground: Ground, user: str, password: str) -> None:
    """CODE-03"""
    with pytest.raises(Denied):
        ground.login(user, password)


def test_acting_for_another_account_is_denied(ground: Ground) -> None:
    with pytest.raises(Denied):
        ground.login("bob", authzid="alice")


def test_a_stranger_is_asked_the_same_thing_every_time(ground: Ground) -> None:
    """AUTH-07: RFC 5802 §9, so that nobody learns who is there."""
    once, again, other = ground.keys("nobody"), ground.keys("NOBODY@home.test"), ground.keys("nobody2")
    assert once == again
    assert once.salt != other.salt
    bob = ground.keys("bob")
    assert (len(once.salt), once.iterations) == (len(bob.salt), bob.iterations)
    stranger = ScramChecker(ground.store, b"K" * 32, 4096)
    assert ground.pump.run(stranger.keys("nobody@home.test")).salt != once.salt


def test_strangers_have_the_iterations_that_accounts_have() -> None:
    """RFC 5802 §9: an account of before the setting was changed is not told from a name that is not there."""
    old, new = 4096, 65_536
    accounts = [f"user{number}@home.test" for number in range(200)]
    store = MemoryAccounts(*accounts)
    keys = {each: str(ScramKeys(b"s" * 16, each, b"k" * 32, b"k" * 32)) for each in (old, new)}
    for number, each in enumerate(accounts):
        store.rows[each] = replace(store.rows[each], scram=keys[old if number < 50 else new])
    now = [0.0]
    checker = ScramChecker(store, b"k" * 32, new, monotonic=lambda: now[0])
    asked = {f"nobody{number}@home.test": run(checker.keys(f"nobody{number}@home.test")) for number in range(400)}
    counts = Counter(each.iterations for each in asked.values())
    assert set(counts) == {old, new}
    assert 60 < counts[old] < 140, "a quarter of the names, as of the accounts"
    assert {len(each.salt) for each in asked.values()} == {16}
    now[0] += 1000
    store.rows["late@home.test"] = replace(store.rows[accounts[0]], address="late@home.test", scram=keys[new])
    again = {name: run(checker.keys(name)) for name in asked}
    assert sum(again[name] != asked[name] for name in asked) <= 4, "a name keeps what it was told"


def test_both_kinds_of_names_cost_the_same_look_ups(ground: Ground) -> None:
    ground.keys("bob")
    before = ground.store.reads
    ground.keys("bob")
    known = ground.store.reads - before
    ground.keys("nobody")
    assert ground.store.reads - before == 2 * known


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_spelling_of_an_address_does_not_reveal_accounts(ground: Ground, user: str) -> None:
    """AUTH-08: RFC 5802 §9."""
    spellings = (f"{user}@home.test", f"{user.upper()}@Home.Test.", f'"{user}"@home.test', f'"\\{user}"@home.test')
    assert len({ground.keys(each).salt for each in spellings}) == 1


def test_an_account_from_before_gets_its_keys_when_its_password_is_seen(ground: Ground) -> None:
    """AUTH-07"""
    with pytest.raises(Denied):
        ground.login("alice")
    ground.pump.run(ground.door.login(Credentials(username="alice", password="secret", mechanism="PLAIN"), HERE))
    assert ground.login("alice") == ALICE


def test_a_public_password_is_known_without_an_account(ground: Ground) -> None:
    open_checker = ScramChecker(ground.store, b"k" * 32, 4096, lambda key: key)
    keys = ground.pump.run(open_checker.keys("carol@else.test"))
    assert keys.proves(MESSAGE, client_proof(salted("carol@else.test", keys.salt, 4096), MESSAGE))


def test_a_store_in_trouble_is_unavailable(ground: Ground) -> None:
    ground.store.broken = True
    with pytest.raises(Unavailable):
        ground.keys("bob")


def test_keys_that_can_not_be_read_are_our_trouble(ground: Ground) -> None:
    ground.store.rows[BOB] = replace(ground.store.rows[BOB], scram="damaged")
    with pytest.raises(Unavailable):
        ground.keys("bob")


def test_a_password_that_saslprep_refuses_works_without_scram(ground: Ground) -> None:
    kept = ground.pump.run(ground.passwords.hash("pass\u0221word"))
    assert kept.scram == ""
    assert kept.password_hash


def test_the_server_has_one_secret(tmp_path: Path) -> None:
    made = server_secret(tmp_path)
    assert server_secret(tmp_path) == made
    assert len(made) == 32
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
