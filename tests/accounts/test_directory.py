"""Local addresses and their destinations, with a cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.accounts.directory import OpenDirectory, StoreDirectory
from mailstack.letter import Address
from mailstack.store import StoreError
from tests.accounts.fakes import MemoryAccounts
from tests.aid import run
from tests.clock import HandClock

BARE = Address("postmaster", "")
address = Address.parse


class Ground:
    def __init__(self, *accounts: str, postmaster: str | None = None, subaddress: bool = True) -> None:
        self.clock = HandClock()
        self.store = MemoryAccounts(*accounts)
        self.directory = StoreDirectory(
            self.store,
            ["Home.test", "other.test"],
            self.clock,
            postmaster=address(postmaster) if postmaster else None,
            subaddress=subaddress,
            ttl=1.0,
            capacity=5,
        )

    def mailbox(self, text: str | Address) -> str | None:
        return run(self.directory.mailbox(text if isinstance(text, Address) else address(text)))

    def alias(self, text: str | Address) -> list[str] | None:
        targets = run(self.directory.alias(text if isinstance(text, Address) else address(text)))
        return None if targets is None else [str(target) for target in targets]

    def owns(self, account: str, sender: str) -> bool:
        return run(self.directory.owns(account, address(sender)))


def test_addresses_beyond_ascii_are_found_however_they_are_written() -> None:
    """UTF8-03."""
    accounts = MemoryAccounts("grüsse@xn--bcher-kva.test")
    directory = StoreDirectory(accounts, ["bücher.test"], HandClock())
    for text in ("grüße@bücher.test", "GRÜSSE@xn--bcher-kva.test", "gru\u0308ße+tag@BÜCHER.test"):
        assert run(directory.mailbox(address(text))) == "grüsse@xn--bcher-kva.test"
        assert run(directory.owns("grüsse@xn--bcher-kva.test", address(text)))
    assert not directory.is_local("bucher.test")


@pytest.fixture
def ground() -> Ground:
    made = Ground("alice@home.test", "bob@home.test")
    made.store.alias_rows = {
        "sales@home.test": ("alice@home.test", "carol@elsewhere.test"),
        "info@home.test": ("sales@home.test",),
        "bob+list@home.test": ("list@elsewhere.test",),
        "loop@home.test": ("pool@home.test",),
        "pool@home.test": ("loop@home.test",),
        "broken@home.test": ("no address", "alice@home.test"),
    }
    return made


@pytest.mark.parametrize("domain", ["home.test", "HOME.TEST", "other.test", ""])
def test_our_domains_are_ours_in_any_case(ground: Ground, domain: str) -> None:
    assert ground.directory.is_local(domain)


@pytest.mark.parametrize("domain", ["elsewhere.test", "sub.home.test", "[192.0.2.1]"])
def test_other_domains_and_literals_are_not(ground: Ground, domain: str) -> None:
    assert not ground.directory.is_local(domain)
    assert ground.mailbox(Address("alice", domain)) is None
    assert ground.alias(Address("sales", domain)) is None


def test_a_literal_that_is_configured_is_ours() -> None:
    assert StoreDirectory(MemoryAccounts(), ["[192.0.2.1]"], HandClock()).is_local("[192.0.2.1]")


def test_only_accounts_have_mailboxes(ground: Ground) -> None:
    assert ground.mailbox("Alice@HOME.test") == "alice@home.test"
    assert ground.mailbox("nobody@home.test") is None
    assert ground.alias("nobody@home.test") is None
    assert ground.mailbox("alice@other.test") is None


def test_an_alias_has_targets_and_no_mailbox(ground: Ground) -> None:
    assert ground.mailbox("Sales@home.test") is None
    assert ground.alias("Sales@home.test") == ["alice@home.test", "carol@elsewhere.test"]
    assert ground.alias("alice@home.test") is None


def test_a_target_that_is_no_address_is_left_out(ground: Ground) -> None:
    assert ground.alias("broken@home.test") == ["alice@home.test"]


def test_a_tagged_address_is_the_one_without_its_tag(ground: Ground) -> None:
    assert ground.mailbox("alice+shop@home.test") == "alice@home.test"
    assert ground.mailbox("alice+a+b@home.test") == "alice@home.test"
    assert ground.alias("sales+x@home.test") == ["alice@home.test", "carol@elsewhere.test"]
    assert ground.mailbox("+x@home.test") is None


def test_a_tagged_address_of_its_own_goes_before_that(ground: Ground) -> None:
    assert ground.mailbox("bob+list@home.test") is None
    assert ground.alias("bob+list@home.test") == ["list@elsewhere.test"]


def test_tags_can_be_switched_off() -> None:
    assert Ground("alice@home.test", subaddress=False).mailbox("alice+shop@home.test") is None


@pytest.mark.parametrize("text", ["postmaster@home.test", "PostMaster@other.test", "postmaster+x@home.test"])
def test_postmaster_leads_to_the_oldest_account(text: str) -> None:
    """RFC 5321 §4.5.1"""
    made = Ground("alice@home.test", "bob@home.test")
    assert made.mailbox(text) == "alice@home.test"
    assert made.mailbox(BARE) == "alice@home.test"
    assert made.mailbox(Address("POSTMASTER", "")) == "alice@home.test"


def test_postmaster_of_a_domain_leads_to_no_account_of_another_one() -> None:
    """Whose letters these are, another tenant must not read them."""
    made = Ground("zoe@other.test", "alice@home.test", "yan@other.test")
    assert made.mailbox("postmaster@other.test") == "zoe@other.test"
    assert made.mailbox("Postmaster+x@OTHER.test") == "zoe@other.test"
    assert made.mailbox("postmaster@home.test") == "alice@home.test"
    assert made.mailbox(BARE) == "alice@home.test"
    assert Ground("zoe@other.test").mailbox(BARE) == "postmaster@home.test", "it waits for its account"


def test_postmaster_of_a_domain_without_accounts_is_that_of_the_first_domain() -> None:
    made = Ground("alice@home.test", "bob@home.test")
    made.store.alias_rows = {"postmaster@home.test": ("bob@home.test",)}
    assert made.alias("postmaster@other.test") == ["bob@home.test"]


def test_administrator_is_postmaster_before_the_first_domain_has_an_account() -> None:
    store = MemoryAccounts("zoe@other.test", "root@other.test")
    admins = [address("gone@home.test"), address("postmaster@home.test"), address("root@other.test")]
    directory = StoreDirectory(store, ["home.test", "other.test", "third.test"], HandClock(), administrators=admins)
    assert run(directory.mailbox(BARE)) == "root@other.test"
    assert run(directory.mailbox(address("postmaster@third.test"))) == "root@other.test"
    assert run(directory.mailbox(address("postmaster@other.test"))) == "zoe@other.test"


def test_only_postmaster_may_stand_without_a_domain(ground: Ground) -> None:
    assert ground.mailbox(Address("alice", "")) is None


def test_a_real_postmaster_goes_before_every_other() -> None:
    made = Ground("alice@home.test", "postmaster@home.test", postmaster="alice@home.test")
    assert made.mailbox("postmaster@home.test") == "postmaster@home.test"
    assert made.mailbox(BARE) == "postmaster@home.test"
    assert made.mailbox("postmaster@other.test") == "alice@home.test"


def test_the_setting_goes_before_the_oldest_account_and_may_lead_anywhere() -> None:
    assert Ground("alice@home.test", "bob@home.test", postmaster="bob+pm@home.test").mailbox(BARE) == "bob@home.test"
    elsewhere = Ground("alice@home.test", postmaster="root@elsewhere.test")
    assert elsewhere.mailbox(BARE) is None
    assert elsewhere.alias(BARE) == ["root@elsewhere.test"]


@pytest.mark.parametrize("setting", ["gone@home.test", "postmaster@home.test", "postmaster+x@home.test"])
def test_a_setting_that_leads_nowhere_leaves_postmaster_to_the_oldest_account(setting: str) -> None:
    assert Ground("alice@home.test", postmaster=setting).mailbox("postmaster@home.test") == "alice@home.test"


def test_postmaster_has_a_mailbox_before_there_is_any_account() -> None:
    assert Ground().mailbox(BARE) == "postmaster@home.test"
    assert StoreDirectory(MemoryAccounts(), [], HandClock()).is_local("")
    assert run(StoreDirectory(MemoryAccounts(), [], HandClock()).mailbox(BARE)) is None


@pytest.mark.parametrize(
    "sender",
    [
        "alice@home.test", "Alice@HOME.test", "alice+x@home.test", "sales@home.test", "info@home.test",
        "postmaster@home.test",
    ],
)  # fmt: skip
def test_an_account_owns_what_leads_to_it(ground: Ground, sender: str) -> None:
    """SUBM-04"""
    assert ground.owns("alice@home.test", sender)


@pytest.mark.parametrize(
    "sender",
    [
        "bob@home.test", "alice@other.test", "nobody@home.test", "bob+list@home.test", "loop@home.test",
        "alice@elsewhere.test",
    ],
)  # fmt: skip
def test_and_nothing_else(ground: Ground, sender: str) -> None:
    """SUBM-04, CODE-09"""
    assert not ground.owns("alice@home.test", sender)


def test_a_known_answer_costs_no_read_for_a_second_be_it_yes_or_no(ground: Ground) -> None:
    for text in ("alice@home.test", "sales@home.test", "nobody@home.test"):
        ground.mailbox(text)
        reads = ground.store.reads
        ground.clock.advance(0.5)
        ground.mailbox(text.upper())
        ground.alias(text)
        assert ground.store.reads == reads
        ground.clock.advance(0.5)
        ground.mailbox(text)
        assert ground.store.reads > reads


def test_a_known_answer_comes_without_suspending(ground: Ground) -> None:
    ground.mailbox("alice@home.test")
    ground.store.broken = True
    coroutine = ground.directory.mailbox(address("alice@home.test"))
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == "alice@home.test"


def test_trouble_of_the_store_is_told_and_not_remembered(ground: Ground) -> None:
    ground.store.broken = True
    with pytest.raises(StoreError):
        ground.mailbox("alice@home.test")
    ground.store.broken = False
    assert ground.mailbox("alice@home.test") == "alice@home.test"


def test_what_is_remembered_is_bounded(ground: Ground) -> None:
    for number in range(50):
        ground.mailbox(f"nobody{number}@home.test")
    assert len(ground.directory._entries) <= 5


def test_many_names_of_postmaster_list_the_accounts_once(ground: Ground) -> None:
    ground.directory._entries._capacity = 1000
    ground.mailbox("postmaster@home.test")
    before = ground.store.reads
    for number in range(10):
        ground.mailbox(f"postmaster+{number}@home.test")
    assert ground.store.reads == before + 10 * 4


@given(st.text(alphabet='al+ice."\\@ \0é', max_size=12), st.sampled_from(["home.test", "HOME.test", "x.test", ""]))
def test_any_address_gives_an_answer(local: str, domain: str) -> None:
    made = Ground("alice@home.test")
    mailbox = made.mailbox(Address(local, domain))
    assert mailbox is None or local.lower().partition("+")[0] == "alice"


def test_in_an_open_server_all_addresses_have_mailboxes() -> None:
    directory = OpenDirectory(["Home.test"], "world.test")
    assert directory.is_local("elsewhere.test")
    assert not directory.is_local("home.TEST")
    assert run(directory.mailbox(address("Carol@Elsewhere.test"))) == "carol@elsewhere.test"
    assert run(directory.mailbox(address("alice@home.test"))) is None
    assert run(directory.mailbox(BARE)) == "postmaster@world.test"
    assert run(directory.alias(address("carol@elsewhere.test"))) is None
    assert run(directory.owns("carol@elsewhere.test", address("Carol@elsewhere.test")))
    assert not run(directory.owns("carol@elsewhere.test", address("dave@elsewhere.test")))
