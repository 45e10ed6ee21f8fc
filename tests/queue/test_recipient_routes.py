"""Routes of recipients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Recipient
from mailstack.queue.recipient_routes import Router
from tests.aid import run
from tests.queue.rig import MemoryDirectory


def recipients(*addresses: str) -> list[Recipient]:
    return [Recipient(Address.parse(address)) for address in addresses]


def ways(directory: MemoryDirectory, *addresses: str, **limits: int) -> list[tuple[str, str, str | None]]:
    """Address, destination and mailbox of each route."""
    routes = run(Router(directory, **limits).route(recipients(*addresses)))
    return [(str(route.recipient.address), route.destination, route.mailbox) for route in routes]


def local(*addresses: str) -> list[tuple[str, str, str | None]]:
    return [(address, "local", address) for address in addresses]


def test_a_mailbox_here_a_domain_elsewhere_and_nobody():
    directory = MemoryDirectory("bob@home.test")
    assert ways(directory, "Bob@HOME.test", "Carol@ELSEWHERE.test", "nobody@home.test") == [
        ("Bob@HOME.test", "local", "bob@home.test"),
        ("Carol@ELSEWHERE.test", "elsewhere.test", None),
        ("nobody@home.test", "local", None),
    ]


def test_the_bare_postmaster_is_ours():
    """SMTP-16."""
    directory = MemoryDirectory("postmaster@")
    routes = run(Router(directory).route([Recipient(Address("postmaster", ""))]))
    assert routes[0].mailbox == "postmaster@"


def test_a_domain_named_like_our_agent_is_relayed_all_the_same():
    assert ways(MemoryDirectory(), "bob@local") == [("bob@local", "local.", None)]


def test_an_alias_is_expanded_and_its_name_kept():
    """SMTP-38."""
    directory = MemoryDirectory("bob@home.test", aliases={"all@home.test": ("bob@home.test", "carol@elsewhere.test")})
    alias = Recipient(Address.parse("all@home.test"), parameters=(("NOTIFY", "NEVER"),))
    routes = run(Router(directory).route([alias]))
    assert [route.destination for route in routes] == ["local", "elsewhere.test"]
    assert {route.recipient.original for route in routes} == {alias.address}
    assert {route.recipient.parameters for route in routes} == {alias.parameters}


def test_the_first_name_is_kept_through_further_aliases():
    directory = MemoryDirectory(
        "bob@home.test", aliases={"a@home.test": ("b@home.test",), "b@home.test": ("bob@home.test",)}
    )
    (route,) = run(Router(directory).route(recipients("a@home.test")))
    assert route.recipient == Recipient(Address.parse("bob@home.test"), Address.parse("a@home.test"))


def test_nobody_gets_a_letter_twice():
    """SMTP-36."""
    aliases = {
        "all@home.test": ("bob@home.test", "carol@x.test", "both@home.test"),
        "both@home.test": ("BOB@home.test",),
    }
    directory = MemoryDirectory("bob@home.test", aliases=aliases)
    found = ways(directory, "all@home.test", "bob@home.test", "carol@X.test", "Carol@x.test")
    assert found == [
        ("bob@home.test", "local", "bob@home.test"),
        ("carol@X.test", "x.test", None),
        ("Carol@x.test", "x.test", None),
    ]


def test_a_loop_ends_where_it_began():
    aliases = {"a@home.test": ("b@home.test", "bob@home.test"), "b@home.test": ("A@home.test",)}
    assert ways(MemoryDirectory("bob@home.test", aliases=aliases), "a@home.test") == local("bob@home.test")


def test_a_loop_that_leads_nowhere_is_left_to_the_agent_to_refuse():
    aliases = {"a@home.test": ("b@home.test",), "b@home.test": ("a@home.test",)}
    assert ways(MemoryDirectory(aliases=aliases), "a@home.test") == [("a@home.test", "local", None)]


def test_a_target_that_is_gone_fails_alone():
    aliases = {"a@home.test": ("gone@home.test", "bob@home.test")}
    assert ways(MemoryDirectory("bob@home.test", aliases=aliases), "a@home.test") == [
        ("gone@home.test", "local", None),
        ("bob@home.test", "local", "bob@home.test"),
    ]


@pytest.mark.parametrize(("hops", "mailbox"), [(9, None), (10, "bob@home.test")])
def test_aliases_lead_so_far_and_no_farther(hops, mailbox):
    aliases = {f"a{n}@home.test": (f"a{n + 1}@home.test",) for n in range(9)} | {"a9@home.test": ("bob@home.test",)}
    found = ways(MemoryDirectory("bob@home.test", aliases=aliases), "a0@home.test", max_hops=hops)
    assert [way[2] for way in found] == [mailbox]


def test_an_alias_of_too_many_is_refused_as_a_whole():
    aliases = {"all@home.test": tuple(f"u{n}@x.test" for n in range(50))}
    directory = MemoryDirectory(aliases=aliases)
    assert ways(directory, "all@home.test", max_targets=49) == [("all@home.test", "local", None)]
    assert len(ways(directory, "all@home.test", max_targets=51)) == 50


NAMES = st.sampled_from([f"{name}@home.test" for name in "abcdef"] + ["x@else.test"])


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=4).map(tuple)), st.lists(NAMES, min_size=1, max_size=4))
def test_whatever_the_aliases_are_everybody_reachable_gets_one_copy(aliases, addresses):
    mailboxes = {"e@home.test", "f@home.test"}
    aliases = {name: targets for name, targets in aliases.items() if name not in mailboxes and "else" not in name}
    reached, waiting = set(), list(addresses)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += aliases.get(name, ())
    found = [way[0] for way in ways(MemoryDirectory(*mailboxes, aliases=aliases), *addresses)]
    ends = {name for name in reached if name in mailboxes or name == "x@else.test"}
    assert len(found) == len(set(found))
    assert ends <= set(found)
    assert found
