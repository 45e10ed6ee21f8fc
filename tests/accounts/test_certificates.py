"""EXTERNAL: the account that a certificate is for."""

from __future__ import annotations

import pytest
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import CertificateChecker
from mailstack.accounts.realm import Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import ClientCertificate, HostPort
from mailstack.protocols.sasl import CertificateProof, Denied
from tests.accounts.fakes import HandClock, MemoryAccounts
from tests.aid import run

HERE = HostPort("192.0.2.1", 4000)
BOB, ALICE = "bob@home.test", "alice@home.test"


def login(*mailboxes: str, sha256: str = "", asks: str = "", domains: tuple[str, ...] = ("home.test",)) -> str:
    clock = HandClock()
    checker = CertificateChecker(MemoryAccounts(BOB, ALICE, "eve@evil.test"), {"f" * 64: ALICE}, domains)
    door = CredAuthenticator(Portal(Realm(), [checker]), clock, Throttle(clock), ["home.test"])
    proof = CertificateProof(
        username=asks, mechanism="EXTERNAL", authzid=asks, certificate=ClientCertificate("CN=x", mailboxes, (), sha256)
    )
    return run(door.login(proof, HERE)).account


def test_its_mail_address_names_the_account() -> None:
    assert login("Bob@HOME.test") == BOB
    assert login("elsewhere@other.test", "bob@home.test") == BOB


@pytest.mark.parametrize("asks", [BOB, "bob"])
def test_of_several_the_client_says_which(asks: str) -> None:
    assert login("bob@home.test", "alice@home.test", asks=asks) == BOB
    with pytest.raises(Denied):
        login("bob@home.test", "alice@home.test")


def test_a_listed_fingerprint_comes_first() -> None:
    assert login("bob@home.test", sha256="f" * 64) == ALICE
    assert login(sha256="f" * 64, domains=()) == ALICE


@pytest.mark.parametrize(
    ("mailboxes", "settings"),
    [
        ((), {}),
        (("nobody@home.test",), {}),
        (("eve@evil.test",), {}),
        (("not an address",), {}),
        (("bob@home.test",), {"asks": "alice@home.test"}),
        (("bob@home.test",), {"domains": ()}),
        (("bob@home.test",), {"sha256": "f" * 64, "asks": BOB}),
    ],
)
def test_everybody_else_is_denied(mailboxes: tuple[str, ...], settings: dict[str, str]) -> None:
    with pytest.raises(Denied):
        login(*mailboxes, **settings)  # type: ignore[arg-type]
