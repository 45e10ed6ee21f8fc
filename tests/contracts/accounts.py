"""Contract of a store: accounts, app passwords, logouts and aliases."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.protocols.sasl import ScramKeys
from mailstack.store import Conflict, StoreError
from mailstack.store.accounts import Account, AppPassword
from tests.contracts.store import ALICE, BOB, Subject


def test_accounts_are_added_all_or_none(subject: Subject) -> None:
    bob, alice = Account(BOB.key, b"\x00hash", 1.5), Account(ALICE.key, b"other", 2.0)
    subject.run(subject.store.accounts.add([bob]))
    with pytest.raises(Conflict, match=BOB.key):
        subject.run(subject.store.accounts.add([alice, bob]))
    subject.run(subject.store.accounts.set_alias("info@home.test", [BOB.key]))
    with pytest.raises(Conflict, match="info@home"):
        subject.run(subject.store.accounts.add([alice, replace(alice, address="info@home.test")]))
    with pytest.raises(Conflict, match=ALICE.key):
        subject.run(subject.store.accounts.add([alice, alice]))
    assert subject.run(subject.store.accounts.all()) == [bob]
    assert subject.run(subject.store.accounts.get(ALICE.key)) is None
    subject.run(subject.store.accounts.add([]))


def test_an_account_is_what_it_was_last_made(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"old", 1.0)]))
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"old", 1.0)
    subject.run(subject.store.accounts.set_password(BOB.key, b"new"))
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"new", 1.0)
    subject.run(subject.store.accounts.remove(BOB.key))
    assert subject.run(subject.store.accounts.get(BOB.key)) is None


def test_scram_keys_go_with_their_password(subject: Subject) -> None:
    """AUTH-07"""
    store = subject.store
    subject.run(store.accounts.add([Account(BOB.key, b"old", 1.0), Account(ALICE.key, b"x", 1.0, scram="keys of x")]))
    assert subject.run(store.accounts.get(ALICE.key)).scram == "keys of x"
    subject.run(store.accounts.set_scram(BOB.key, b"another", "keys of another"))
    subject.run(store.accounts.set_scram("nobody@home.test", b"old", "keys"))
    assert subject.run(store.accounts.get(BOB.key)).scram == ""
    subject.run(store.accounts.set_scram(BOB.key, b"old", "keys of old"))
    assert subject.run(store.accounts.get(BOB.key)) == Account(BOB.key, b"old", 1.0, scram="keys of old")
    subject.run(store.accounts.set_password(BOB.key, b"new", "keys of new"))
    assert subject.run(store.accounts.get(BOB.key)).scram == "keys of new"
    subject.run(store.accounts.set_password(BOB.key, b"newer"))
    assert subject.run(store.accounts.get(BOB.key)).scram == ""
    keys = [str(ScramKeys(b"s" * 16, iterations, b"k" * 32, b"k" * 32)) for iterations in (4096, 65536, 65536)]
    subject.run(store.accounts.add([Account(f"{n}@home.test", b"x", 1.0, scram=each) for n, each in enumerate(keys)]))
    assert subject.run(store.accounts.scram_iterations()) == {0: 2, 4096: 1, 65536: 2}


def test_app_passwords_are_many_each_with_its_name_and_go_with_their_account(subject: Subject) -> None:
    """AUTH-18"""
    store = subject.store
    phone, laptop = AppPassword(BOB.key, "phone", b"1", 2.0), AppPassword(BOB.key, "laptop", b"\x00", 1.0)
    with pytest.raises(KeyError):
        subject.run(store.accounts.add_app_password(phone))
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0), Account(ALICE.key, b"x", 1.0)]))
    for password in (phone, laptop, replace(phone, address=ALICE.key)):
        subject.run(store.accounts.add_app_password(password))
    with pytest.raises(Conflict, match="phone"):
        subject.run(store.accounts.add_app_password(replace(phone, digest=b"2")))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == [laptop, phone]
    subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    with pytest.raises(KeyError):
        subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == [laptop]
    subject.run(store.accounts.remove(BOB.key))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == []
    assert len(subject.run(store.accounts.app_passwords(ALICE.key))) == 1


def test_credentials_change_with_all_that_a_login_rests_on(subject: Subject) -> None:
    store = subject.store
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0), Account(ALICE.key, b"x", 1.0)]))
    subject.run(store.accounts.add_app_password(AppPassword(BOB.key, "phone", b"1", 2.0)))
    seen: list[str] = []

    def new() -> bool:
        found = subject.run(store.accounts.credentials([BOB.key, "nobody@home.test"]))
        assert set(found) == {BOB.key}
        assert subject.run(store.accounts.get(BOB.key)).credentials == found[BOB.key]
        seen.append(found[BOB.key])
        return seen.count(found[BOB.key]) == 1

    assert new()
    subject.run(store.accounts.set_quota(BOB.key, 5))
    subject.run(store.accounts.set_scram(BOB.key, b"x", "keys"))
    subject.run(store.accounts.add_app_password(AppPassword(BOB.key, "laptop", b"2", 2.0)))
    assert not new(), "nothing that a login rests on was changed"
    subject.run(store.accounts.set_password(BOB.key, b"y"))
    assert new()
    subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    assert new()
    subject.run(store.accounts.end_sessions(BOB.key))
    assert new()
    before = subject.run(store.accounts.get(ALICE.key))
    assert subject.run(store.accounts.credentials([ALICE.key])) == {ALICE.key: before.credentials}
    subject.run(store.accounts.remove(BOB.key))
    assert subject.run(store.accounts.credentials([BOB.key])) == {}
    subject.run(store.accounts.add([Account(BOB.key, b"y", 3.0)]))
    assert new(), "the next holder of the address is another one"
    with pytest.raises(KeyError):
        subject.run(store.accounts.end_sessions("nobody@home.test"))


def test_version_of_accounts_changes_with_each_change(subject: Subject) -> None:
    """None, where only `credentials` can tell of a change."""
    store = subject.store
    is_known = store.accounts.version() is not None
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0)]))
    for change in (
        lambda: store.accounts.set_password(BOB.key, b"y"),
        lambda: store.accounts.end_sessions(BOB.key),
        lambda: store.accounts.log_out("s", 9.0, 1.0),
        lambda: store.accounts.remove(BOB.key),
    ):
        before = store.accounts.version()
        subject.run(change())
        assert (store.accounts.version() != before) is is_known


def test_logouts_are_stored_for_their_time(subject: Subject) -> None:
    store = subject.store
    subject.run(store.accounts.log_out("one", 50.0, 10.0))
    subject.run(store.accounts.log_out("one", 50.0, 10.0))
    assert subject.run(store.accounts.logged_out(["one", "two"])) == {"one"}
    subject.run(store.accounts.log_out("two", 90.0, 60.0))
    assert subject.run(store.accounts.logged_out(["one", "two", "three"])) == {"two"}
    assert subject.run(store.accounts.logged_out([])) == set()
    store = subject.reopen()
    assert subject.run(store.accounts.logged_out(["two"])) == {"two"}, "a restart makes no session good again"


def test_what_is_not_there_is_not_changed(subject: Subject) -> None:
    for work in (
        lambda: subject.store.accounts.set_password(BOB.key, b"x"),
        lambda: subject.store.accounts.remove(BOB.key),
        lambda: subject.store.accounts.remove_alias(BOB.key),
    ):
        with pytest.raises(KeyError):
            subject.run(work())


def test_aliases_keep_their_targets_in_order_and_as_written(subject: Subject) -> None:
    targets = ("Zoe@Elsewhere.test", "bob@home.test", '"odd local"@home.test')
    subject.run(subject.store.accounts.set_alias("all@home.test", targets))
    subject.run(subject.store.accounts.set_alias("b@home.test", ["Bob@HOME.test"]))
    assert subject.run(subject.store.accounts.alias("all@home.test")) == targets
    assert subject.run(subject.store.accounts.alias("bob@home.test")) is None
    assert subject.run(subject.store.accounts.aliases()) == [
        ("all@home.test", targets),
        ("b@home.test", ("Bob@HOME.test",)),
    ]
    assert subject.run(subject.store.accounts.aliases_to("bob@home.test")) == ["all@home.test", "b@home.test"]
    assert subject.run(subject.store.accounts.aliases_to("zoe@elsewhere.test")) == ["all@home.test"]
    subject.run(subject.store.accounts.set_alias("all@home.test", ["carol@elsewhere.test"]))
    assert subject.run(subject.store.accounts.alias("all@home.test")) == ("carol@elsewhere.test",)
    subject.run(subject.store.accounts.remove_alias("all@home.test"))
    assert subject.run(subject.store.accounts.alias("all@home.test")) is None


def test_an_alias_has_a_target_and_an_address_of_its_own(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"x", 1.0)]))
    with pytest.raises(Conflict):
        subject.run(subject.store.accounts.set_alias(BOB.key, [ALICE.key]))
    with pytest.raises(StoreError):
        subject.run(subject.store.accounts.set_alias("info@home.test", []))
    assert subject.run(subject.store.accounts.aliases()) == []
