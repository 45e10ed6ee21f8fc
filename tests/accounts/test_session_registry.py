"""Registry of open sessions, and their end by changed credentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.accounts.session_registry import POLL, RegisteredSession, SessionRegistry
from mailstack.protocols.sasl import AccountLogin, Unavailable
from mailstack.store import StoreError
from mailstack.store.accounts import Account, AccountStore, AppPassword
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import result_of, run
from tests.clock import HandClock

ANN, BEN = "ann@home.test", "ben@home.test"


class SlowAccounts:
    """Accounts whose answers wait for a gate, may fail, and may have no version."""

    gate: Deferred[None] | None = None
    fails = False
    has_version = True
    reads = 0

    def __init__(self, accounts: AccountStore) -> None:
        self._accounts = accounts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accounts, name)

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]:
        self.reads += 1
        found = await self._accounts.credentials(addresses)
        if self.fails:
            raise StoreError("out of reach")
        if self.gate is not None:
            await self.gate
        return found

    def version(self) -> object:
        return self._accounts.version() if self.has_version else None


class Ground:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.accounts = SlowAccounts(InMemoryStore().accounts)
        run(self.accounts.add([Account(ANN, b"x", 1.0), Account(BEN, b"x", 1.0)]))
        self.registry = SessionRegistry(self.accounts, self.clock.call_later)
        self.ended: list[str] = []

    def open(self, account: str = ANN, name: str = "", cookie: str = "") -> RegisteredSession:
        known = run(self.registry.login_of(account))
        login = AccountLogin(account, known.credentials, cookie)
        return self.registry.open(login, lambda: self.ended.append(name or account))


@pytest.fixture
def ground() -> Ground:
    return Ground()


def test_sessions_of_a_changed_account_end_and_no_others(ground: Ground) -> None:
    ground.open(ANN, "one")
    ground.open(ANN, "two")
    ground.open(BEN)
    ground.clock.advance(POLL)
    assert ground.ended == []
    run(ground.accounts.end_sessions(ANN))
    ground.clock.advance(POLL)
    assert sorted(ground.ended) == ["one", "two"]
    run(ground.accounts.remove(BEN))
    ground.clock.advance(POLL)
    assert ground.ended[-1] == BEN
    assert len(ground.registry) == 0
    assert not ground.clock.bugs


def test_session_that_is_closed_ends_no_more(ground: Ground) -> None:
    session = ground.open()
    session.close()
    run(ground.accounts.end_sessions(ANN))
    ground.clock.advance(10)
    assert ground.ended == []
    reads = ground.accounts.reads
    ground.clock.advance(100)
    assert ground.accounts.reads == reads, "without sessions nothing is asked"


def test_session_of_the_holder_before_ends_though_the_name_is_taken_again(ground: Ground) -> None:
    ground.open()
    run(ground.accounts.remove(ANN))
    run(ground.accounts.add([Account(ANN, b"x", 2.0)]))
    ground.clock.advance(POLL)
    assert ground.ended == [ANN]


def test_late_login_with_old_credentials_ends(ground: Ground) -> None:
    """A password that is looked at for long, while it is changed and that was seen already."""
    ground.open(BEN)
    old = run(ground.registry.login_of(ANN))
    run(ground.accounts.set_password(ANN, b"y"))
    ground.clock.advance(60)
    ground.registry.open(old, lambda: ground.ended.append("late"))
    ground.clock.advance(POLL)
    assert ground.ended == ["late"]


def test_session_that_is_opened_during_a_comparison_is_not_judged_by_it(ground: Ground) -> None:
    ground.open(BEN, "before")
    ground.accounts.gate = gate = Deferred()
    ground.clock.advance(POLL)
    run(ground.accounts.set_password(ANN, b"y"))
    ground.open(ANN, "after")
    ground.accounts.gate = None
    gate.callback(None)
    ground.clock.advance(2 * POLL)
    assert ground.ended == []


def test_session_asks_whether_it_holds_and_hears_of_a_change_that_was_made_before(ground: Ground) -> None:
    session = ground.open()
    assert run(session.holds())
    run(ground.accounts.end_sessions(ANN))
    assert not run(session.holds())
    assert ground.ended == [], "its end comes in a turn of its own"
    ground.clock.advance(0)
    assert ground.ended == [ANN]
    assert not run(session.holds())


def test_session_that_is_closed_before_its_turn_to_end_is_left_alone(ground: Ground) -> None:
    session = ground.open()
    run(ground.accounts.end_sessions(ANN))
    assert not run(session.holds())
    session.close()
    ground.clock.advance(1)
    assert ground.ended == []


def test_simultaneous_checks_share_two_comparisons(ground: Ground) -> None:
    ground.accounts.has_version = False
    sessions = [ground.open() for _ in range(50)]
    ground.accounts.gate = gate = Deferred()
    asked = [Deferred.fromCoroutine(session.holds()) for session in sessions]
    run(ground.accounts.end_sessions(ANN))
    ground.accounts.gate = None
    gate.callback(None)
    held = [result_of(each) for each in asked]
    assert held == [True] + [False] * 49, "the first was answered by what was read before the change"
    assert ground.accounts.reads == 2


def test_cancelled_check_does_not_block_others(ground: Ground) -> None:
    first, second = ground.open(), ground.open(BEN)
    ground.accounts.gate = gate = Deferred()
    leaving, staying = (Deferred.fromCoroutine(each.holds()) for each in (first, second))
    leaving.addErrback(lambda _: None)
    leaving.cancel()
    ground.accounts.gate = None
    gate.callback(None)
    assert result_of(staying) is True


def test_version_that_stays_the_same_is_not_asked_behind(ground: Ground) -> None:
    session = ground.open()
    ground.clock.advance(POLL)
    reads = ground.accounts.reads
    ground.clock.advance(100 * POLL)
    for _ in range(100):
        assert run(session.holds())
    assert ground.accounts.reads == reads


def test_logout_ends_what_that_browser_opened(ground: Ground) -> None:
    ground.open(ANN, "one", "cookie 1")
    ground.open(ANN, "two", "cookie 2")
    ground.open(ANN, "no browser")
    run(ground.accounts.log_out("cookie 1", 100.0, 0.0))
    ground.clock.advance(POLL)
    assert ground.ended == ["one"]


def test_app_password_that_goes_ends_sessions(ground: Ground) -> None:
    run(ground.accounts.add_app_password(AppPassword(ANN, "phone", b"1", 2.0)))
    ground.open()
    run(ground.accounts.remove_app_password(ANN, "phone"))
    ground.clock.advance(POLL)
    assert ground.ended == [ANN]


def test_unreachable_store_ends_no_session_and_fails_checks(ground: Ground) -> None:
    session = ground.open()
    ground.accounts.fails = True
    run(ground.accounts.end_sessions(ANN))
    ground.clock.advance(10 * POLL)
    assert ground.ended == []
    with pytest.raises(StoreError):
        run(session.holds())
    ground.accounts.fails = False
    ground.clock.advance(POLL)
    assert ground.ended == [ANN]
    assert not ground.clock.bugs


def test_login_without_stored_credentials_ends_with_no_change(ground: Ground) -> None:
    session = ground.registry.open(AccountLogin(ANN), lambda: ground.ended.append("file"))
    run(ground.accounts.remove(ANN))
    ground.clock.advance(10)
    assert ground.ended == []
    assert run(session.holds())
    assert len(ground.registry) == 0


def test_mailbox_without_an_account_holds_until_there_is_one(ground: Ground) -> None:
    ground.open("zoe@far.test")
    ground.clock.advance(1)
    assert ground.ended == []
    run(ground.accounts.add([Account("zoe@far.test", b"x", 1.0)]))
    ground.clock.advance(POLL)
    assert ground.ended == ["zoe@far.test"]


def test_account_that_can_not_be_read_is_unavailable(ground: Ground) -> None:
    async def fail(_: str) -> Account | None:
        raise StoreError("out of reach")

    ground.accounts.get = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        run(ground.registry.login_of(ANN))
