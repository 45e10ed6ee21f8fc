"""CRAM-MD5 and APOP for shared secrets (AUTH-06, POP-19)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

import bcrypt
import pytest
from msgspec.structs import replace
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.dev_logins import SharedSecretChecker
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import Denied, DigestProof
from tests.accounts.fakes import MemoryAccounts
from tests.aid import Pump
from tests.clock import HandClock

HERE = HostPort("192.0.2.1", 4000)


class Ground:
    def __init__(self) -> None:
        self.pump = Pump()
        clock = HandClock()
        self.store = MemoryAccounts("alice@home.test", "bob@home.test")
        for key, password in (("alice@home.test", b"alice"), ("bob@home.test", b"changed")):
            hashed = bcrypt.hashpw(password, bcrypt.gensalt(4))
            self.store.rows[key] = replace(self.store.rows[key], password_hash=hashed)
        self.passwords = Passwords(self.pump, clock, rounds=4)
        checker = SharedSecretChecker(lambda key: key.partition("@")[0], self.store, self.passwords)
        self.door = CredAuthenticator(Portal(Realm(), [checker]), clock, Throttle(clock), ["home.test"])

    def login(self, user: str, password: str) -> str:
        digest = hmac.new(password.encode(), b"<1@x>", "md5").hexdigest()
        proof = DigestProof(username=user, mechanism="CRAM-MD5", challenge=b"<1@x>", digest=digest)
        return self.pump.run(self.door.login(proof, HERE)).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground()
    yield made
    made.passwords.close()


def test_a_public_password_is_enough(ground: Ground) -> None:
    """AUTH-06"""
    assert ground.login("alice", "alice") == "alice@home.test"
    assert ground.login("carol@else.test", "carol") == "carol@else.test"


@pytest.mark.parametrize(("user", "password"), [("alice", "x"), ("bob", "bob"), ("bob", "changed"), ("@", "x")])
def test_a_wrong_or_changed_password_is_denied(ground: Ground, user: str, password: str) -> None:
    with pytest.raises(Denied):
        ground.login(user, password)
