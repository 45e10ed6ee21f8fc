"""Logins through a Portal of twisted.cred (AUTH-04, AUTH-08, AUTH-14)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm, Portal
from zope.interface.verify import verifyObject

from mailstack.accounts.authenticator import MAX_CONCURRENT, MAX_WAITING, CredAuthenticator
from mailstack.accounts.checker import AllowAnyChecker, StoreChecker
from mailstack.accounts.realm import IReader, ISubmitter, MailboxReader, Realm, Submitter
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import Credentials, Denied, Unavailable
from mailstack.store.accounts import Account
from tests.accounts.fakes import HERE, Logins
from tests.aid import run
from tests.clock import HandClock


class Ground(Logins):
    def __init__(self) -> None:
        super().__init__("alice@home.test", "bob@other.test")
        self.throttle = Throttle(self.clock)
        checker = StoreChecker(self.store, self.passwords)
        self.submission, self.pop3 = (
            self.authenticator(
                checker, domains=["home.test", "other.test"], throttle=self.throttle, interface=interface
            )
            for interface in (ISubmitter, IReader)
        )

    def login(self, user: str, password: str = "secret", authzid: str = "", remote: HostPort = HERE) -> str:
        proof = Credentials(username=user, password=password, mechanism="PLAIN", authzid=authzid)
        return self.pump.run(self.submission.login(proof, remote)).account


@pytest.fixture
def ground() -> Iterator[Ground]:
    with closing(Ground()) as made:
        yield made


def test_the_right_password_gives_the_account(ground: Ground) -> None:
    assert ground.login("alice@home.test") == "alice@home.test"
    proof = Credentials(username="alice", password="secret", mechanism="USER")
    assert ground.pump.run(ground.pop3.login(proof, HERE)).account == "alice@home.test"


@pytest.mark.parametrize("user", ["Alice@HOME.test", '"alice"@home.test', "alice", "ALICE"])
def test_the_account_is_named_in_any_case_and_without_its_domain(ground: Ground, user: str) -> None:
    assert ground.login(user) == "alice@home.test"


def test_a_name_without_domain_is_of_the_first_domain_only(ground: Ground) -> None:
    assert ground.login("bob@other.test") == "bob@other.test"
    with pytest.raises(Denied):
        ground.login("bob")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("alice@home.test", "wrong"), ("nobody@home.test", "secret"), ("", "secret"), ("@", "secret"),
        ("a b@home.test", "secret"), ("älice@home.test", "secret"), ("\ud800@home.test", "secret"),
        ("alice@home.test", "\ud800"), ("x" * 1024, "secret"), ("alice+tag@home.test", "secret"),
    ],
)  # fmt: skip
def test_everything_else_is_denied_alike(ground: Ground, user: str, password: str) -> None:
    """AUTH-08, CODE-03"""
    with pytest.raises(Denied):
        ground.login(user, password)


@pytest.mark.parametrize("authzid", ["", "alice@home.test", "ALICE@home.test", "alice"])
def test_an_account_may_act_as_itself(ground: Ground, authzid: str) -> None:
    assert ground.login("alice", authzid=authzid) == "alice@home.test"


def test_an_account_may_not_act_as_another(ground: Ground) -> None:
    """AUTH-04"""
    with pytest.raises(Denied):
        ground.login("alice@home.test", authzid="bob@other.test")


def test_an_error_of_the_store_is_unavailable_and_not_denied(ground: Ground) -> None:
    ground.store.broken = True
    with pytest.raises(Unavailable, match="disk"):
        ground.login("alice@home.test")


def test_a_login_after_failures_waits_for_the_clock(ground: Ground) -> None:
    """AUTH-14"""
    for _ in range(4):
        with pytest.raises(Denied):
            ground.login("alice@home.test", "wrong")
    waiting = ground.pump.start(
        ground.submission.login(Credentials(username="alice", password="secret", mechanism="PLAIN"), HERE)
    )
    ground.clock.advance(0.9)
    assert ground.pump._calls.empty()
    ground.clock.advance(0.1)
    while not waiting:
        ground.pump._calls.get(timeout=20)()
    assert [login.account for login in waiting] == ["alice@home.test"]


def test_failures_of_all_spellings_of_an_account_count_together(ground: Ground) -> None:
    """AUTH-14: else many hosts guess the password of one account as if each spelling were another."""
    for number, spelled in enumerate(("alice", '"alice"@home.test', '"al\\ice"@home.test', "Alice@home.test.")):
        with pytest.raises(Denied):
            ground.login(spelled, "wrong", remote=HostPort(f"198.51.100.{number}", 4000))
    assert ground.throttle.delay(HERE.host, "alice@home.test") == 1


def test_concurrent_guesses_are_decided_a_few_at_a_time(ground: Ground) -> None:
    """AUTH-14: on many connections, each of which says its guess before the first is answered."""
    asked: list[str] = []
    account = ground.store.get

    async def count(address: str) -> Account | None:
        asked.append(address)
        return await account(address)

    ground.store.get = count  # type: ignore[method-assign]
    guess = Credentials(username="alice", password="wrong", mechanism="PLAIN")
    guesses = [ground.pump.start(ground.submission.login(guess, HERE)) for _ in range(100)]
    assert len(asked) == MAX_CONCURRENT
    assert sum(map(len, guesses)) == 100 - MAX_CONCURRENT - MAX_WAITING, "these are told to come again later"
    while not all(guesses[:MAX_CONCURRENT]):
        ground.pump._calls.get(timeout=20)()
    ground.clock.advance(0)
    assert len(asked) == MAX_CONCURRENT, "the first failures have the others wait"


def test_a_client_without_logins_has_no_semaphore(ground: Ground) -> None:
    assert ground.login("alice") == "alice@home.test"
    assert not ground.submission._semaphores


def test_the_realm_gives_an_avatar_for_each_interface() -> None:
    realm = Realm()
    verifyObject(IRealm, realm)
    interface, avatar, logout = realm.requestAvatar(b"alice@home.test", None, ISubmitter)
    verifyObject(ISubmitter, avatar)
    assert (interface, avatar) == (ISubmitter, Submitter("alice@home.test"))
    verifyObject(IReader, MailboxReader("alice@home.test"))
    logout()


def test_the_realm_has_no_avatar_for_anonymous_logins() -> None:
    with pytest.raises(NotImplementedError):
        Realm().requestAvatar(ANONYMOUS, None, ISubmitter)
    with pytest.raises(NotImplementedError):
        Realm().requestAvatar(b"alice@home.test", None, IRealm)


def open_login(checker: AllowAnyChecker, user: str, password: str) -> str:
    clock = HandClock()
    authenticator = CredAuthenticator(Portal(Realm(), [checker]), clock, Throttle(clock), [], IReader)
    return run(authenticator.login(Credentials(username=user, password=password, mechanism="PLAIN"), HERE)).account


def test_in_an_open_server_any_address_is_its_own_password() -> None:
    assert open_login(AllowAnyChecker(), "Carol@elsewhere.test", "carol@elsewhere.TEST") == "carol@elsewhere.test"
    for user, password in [("carol@elsewhere.test", "carol"), ("carol", "carol"), ("carol@elsewhere.test", "ä")]:
        with pytest.raises(Denied):
            open_login(AllowAnyChecker(), user, password)


def test_an_open_server_may_accept_any_password_except_for_domains_with_accounts() -> None:
    assert open_login(AllowAnyChecker(any_password=True), "carol@elsewhere.test", "ä") == "carol@elsewhere.test"
    with pytest.raises(Denied):
        open_login(AllowAnyChecker(["HOME.test"], any_password=True), "alice@Home.test", "alice@home.test")
