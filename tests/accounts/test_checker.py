"""Checkers: chains, client certificates (EXTERNAL), and passwords changed by another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import fail

from mailstack.accounts.authenticator import MAX_REREADS, CredAuthenticator
from mailstack.accounts.checker import AllowAnyChecker, CertificateChecker, CheckerChain, StoreChecker
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import Realm
from mailstack.accounts.scram_checker import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.sasl import (
    AccountLogin,
    CertificateProof,
    Credentials,
    Denied,
    ScramKeys,
    ScramProof,
    Unavailable,
)
from mailstack.protocols.sasl.scram_keys import client_proof, salted
from mailstack.store.accounts import Account
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.accounts.fakes import HERE, Logins, MemoryAccounts
from tests.aid import Pump, result_of, run
from tests.clock import HandClock


class Trouble(AllowAnyChecker):
    def requestAvatarId(self, credentials):  # noqa: N802
        return fail(ZeroDivisionError())


def ask(*checkers, user=b"carol@elsewhere.test", password=b"carol@elsewhere.test"):
    return CheckerChain(checkers).requestAvatarId(UsernamePassword(user, password))


def test_the_first_accepting_checker_decides():
    assert result_of(ask(AllowAnyChecker(["elsewhere.test"]), AllowAnyChecker())) == b"carol@elsewhere.test"


def test_a_login_is_denied_if_no_checker_accepts_it():
    with pytest.raises(UnauthorizedLogin):
        result_of(ask(AllowAnyChecker(["elsewhere.test"]), AllowAnyChecker(), password=b"wrong"))


def test_an_error_of_a_checker_ends_the_chain():
    with pytest.raises(ZeroDivisionError):
        result_of(ask(Trouble(), AllowAnyChecker()))


BOB, ALICE = "bob@home.test", "alice@home.test"
MESSAGE = b"the three messages"


class TwoProcesses:
    """A worker that has cached bob's account, and a command with a store of its own over the same directory."""

    def __init__(self, directory: Path) -> None:
        self.pump = Pump()
        self.clock = HandClock()
        self.passwords = Passwords(self.pump, self.clock, rounds=4, scram_iterations=4096)
        self.worker, self.command = (
            SqliteStore(self.pump, directory, settings=StoreSettings(address_seconds=1e9)) for _ in range(2)
        )
        for store in (self.worker, self.command):
            self.pump.run(store.open())
        self.pump.run(self.command.accounts.add([self._account("old")]))
        scram = ScramChecker(self.worker.accounts, b"k" * 32, 4096)
        portal = Portal(Realm(), [StoreChecker(self.worker.accounts, self.passwords), scram])
        # One wrong guess delays the next login.
        self.throttle = Throttle(self.clock, free=0)
        self.authenticator = CredAuthenticator(
            portal, self.clock, self.throttle, ["home.test"], key_source=scram, accounts=self.worker.accounts
        )
        self.log_in("old")

    def _account(self, password: str) -> Account:
        kept = self.pump.run(self.passwords.hash(password))
        return Account(BOB, kept.password_hash, 1.0, scram=kept.scram)

    def change(self, password: str) -> None:
        account = self._account(password)
        self.pump.run(self.command.accounts.set_password(BOB, account.password_hash, account.scram))

    def log_in(self, password: str, user: str = BOB) -> AccountLogin:
        return self.pump.run(
            self.authenticator.login(Credentials(username=user, mechanism="PLAIN", password=password), HERE)
        )

    def scram_keys(self) -> ScramKeys:
        return self.pump.run(self.authenticator.scram_keys(BOB))

    def log_in_by_scram(self, password: str, keys: ScramKeys) -> AccountLogin:
        proof = client_proof(salted(password, keys.salt, keys.iterations), MESSAGE)
        evidence = ScramProof(username=BOB, mechanism="SCRAM-SHA-256", message=MESSAGE, proof=proof)
        return self.pump.run(self.authenticator.login(evidence, HERE))

    def failures(self) -> bool:
        """Whether any login counts as a wrong guess."""
        return bool(self.throttle.delay(HERE.host, BOB))

    def current_credentials(self) -> str:
        return self.pump.run(self.command.accounts.credentials([BOB]))[BOB]

    def close(self) -> None:
        for store in (self.worker, self.command):
            self.pump.run(store.close())
        self.passwords.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[TwoProcesses]:
    made = TwoProcesses(tmp_path)
    yield made
    made.close()


def test_a_new_password_is_right_at_once(processes: TwoProcesses) -> None:
    """The login rests on the new credentials, so that no comparison with the store ends it."""
    processes.change("new")
    assert processes.log_in("new").credentials == processes.current_credentials()
    assert not processes.failures()
    with pytest.raises(Denied):
        processes.log_in("old")


def test_an_account_that_was_just_added_may_log_in(processes: TwoProcesses) -> None:
    with pytest.raises(Denied):
        processes.log_in("secret", "carol@home.test")
    kept = processes.pump.run(processes.passwords.hash("secret"))
    carol = Account("carol@home.test", kept.password_hash, 2.0)
    processes.pump.run(processes.command.accounts.add([carol]))
    processes.clock.advance(3600.0)
    assert processes.log_in("secret", carol.address).account == carol.address


def test_a_wrong_password_stays_wrong_and_is_counted(processes: TwoProcesses) -> None:
    processes.change("new")
    with pytest.raises(Denied):
        processes.log_in("neither")
    assert processes.failures()


def test_scram_is_unavailable_once_and_then_has_the_new_salt(processes: TwoProcesses) -> None:
    """Its challenge was of the old password: the new one can't fit it, and is no wrong guess."""
    processes.change("new")
    with pytest.raises(Unavailable, match="just been changed"):
        processes.log_in_by_scram("new", processes.scram_keys())
    assert not processes.failures()
    assert processes.log_in_by_scram("new", processes.scram_keys()).account == BOB


def test_guesses_reread_a_limited_number_of_accounts_a_second() -> None:
    logins = Logins(BOB)
    authenticator = logins.authenticator(
        StoreChecker(logins.store, logins.passwords),
        domains=(),
        throttle=Throttle(logins.clock, free=1000, shared=1000),
        accounts=logins.store,
    )

    def guess(user: str) -> None:
        with pytest.raises(Denied):
            logins.pump.run(authenticator.login(Credentials(username=user, mechanism="PLAIN", password="wrong"), HERE))

    for number in range(MAX_REREADS + 5):
        guess(f"user{number % 7}@home.test")
    assert logins.store.rereads == MAX_REREADS
    logins.clock.advance(1.0)
    guess(BOB)
    assert logins.store.rereads == MAX_REREADS + 1
    logins.close()


def login(*mailboxes: str, sha256: str = "", asks: str = "", domains: tuple[str, ...] = ("home.test",)) -> str:
    clock = HandClock()
    checker = CertificateChecker(MemoryAccounts(BOB, ALICE, "eve@evil.test"), {"f" * 64: ALICE}, domains)
    door = CredAuthenticator(Portal(Realm(), [checker]), clock, Throttle(clock), ["home.test"])
    proof = CertificateProof(
        username=asks, mechanism="EXTERNAL", authzid=asks, certificate=ClientCertificate("CN=x", mailboxes, (), sha256)
    )
    return run(door.login(proof, HERE)).account


def test_mail_address_of_the_certificate_names_the_account() -> None:
    assert login("Bob@HOME.test") == BOB
    assert login("elsewhere@other.test", "bob@home.test") == BOB


@pytest.mark.parametrize("asks", [BOB, "bob"])
def test_client_selects_one_of_several_mail_addresses(asks: str) -> None:
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
def test_other_certificates_are_denied(mailboxes: tuple[str, ...], settings: dict[str, str]) -> None:
    with pytest.raises(Denied):
        login(*mailboxes, **settings)  # type: ignore[arg-type]
