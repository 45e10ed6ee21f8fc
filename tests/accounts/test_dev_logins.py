"""CRAM-MD5 and APOP for shared secrets (AUTH-06, POP-19)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import closing

import pytest

from mailstack.accounts.dev_logins import SharedSecretChecker
from mailstack.protocols.sasl import Denied, DigestProof
from tests.accounts.fakes import HERE, Logins


class Ground(Logins):
    def __init__(self) -> None:
        super().__init__("alice@home.test", "bob@home.test")
        self.set_password("alice@home.test", b"alice")
        self.set_password("bob@home.test", b"changed")
        checker = SharedSecretChecker(lambda key: key.partition("@")[0], self.store, self.passwords)
        self.door = self.authenticator(checker)

    def login(self, user: str, password: str) -> str:
        digest = hmac.new(password.encode(), b"<1@x>", "md5").hexdigest()
        proof = DigestProof(username=user, mechanism="CRAM-MD5", challenge=b"<1@x>", digest=digest)
        return self.pump.run(self.door.login(proof, HERE)).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    with closing(Ground()) as made:
        yield made


def test_a_public_password_is_enough(ground: Ground) -> None:
    """AUTH-06"""
    assert ground.login("alice", "alice") == "alice@home.test"
    assert ground.login("carol@else.test", "carol") == "carol@else.test"


@pytest.mark.parametrize(("user", "password"), [("alice", "x"), ("bob", "bob"), ("bob", "changed"), ("@", "x")])
def test_a_wrong_or_changed_password_is_denied(ground: Ground, user: str, password: str) -> None:
    with pytest.raises(Denied):
        ground.login(user, password)
