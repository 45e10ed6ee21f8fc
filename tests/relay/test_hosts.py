"""Host selection (RFC 5321 §5), as a table of DNS answers."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Deferred, Failed, Status
from mailstack.letter.envelope import HostPort
from mailstack.relay.hosts import DnsHostLimits, Hosts, NoRoute, RouteTargets, is_dns_name
from mailstack.relay.routes import SenderRoutes, SmartHost, SmartHostCredentials, StaticRoutes
from mailstack.relay.routing import OwnHost, Routing
from mailstack.relay.tls_policy import TlsLevel
from tests.aid import run
from tests.relay.agents import FakeNames

ADDRESSES = {"a.test": ["127.0.0.1"], "b.test": ["127.0.0.2"], "c.test": ["127.0.0.3"], "mx.home.test": ["127.0.0.9"]}


def hosts(mx: dict[str, Any], addresses: dict[str, Any] | None = None, **settings: Any) -> Hosts:
    names = FakeNames(mx, ADDRESSES if addresses is None else addresses)
    own = OwnHost("mx.home.test", **{name: settings.pop(name) for name in ("is_ours",) if name in settings})
    return Hosts(names, Random(5321), own, Routing(**settings))


def called(targets: RouteTargets) -> list[str]:
    return [candidate.host for candidate in targets.candidates]


def no_way(hosts: Hosts, destination: str = "elsewhere.test") -> Deferred | Failed:
    with pytest.raises(NoRoute) as caught:
        run(hosts.find(destination))
    return caught.value.outcome


def test_hosts_come_in_the_order_of_preference() -> None:
    """RLY-01."""
    targets = run(hosts({"elsewhere.test": [(30, "c.test"), (10, "a.test"), (20, "b.test")]}).find("Elsewhere.TEST"))
    assert called(targets) == ["a.test", "b.test", "c.test"]
    assert targets.candidates[0].address == HostPort("127.0.0.1", 25)
    assert targets.candidates[0].reason == "MX 10 of elsewhere.test"
    assert targets.security.level is TlsLevel.OPPORTUNISTIC


def test_equal_preference_is_shuffled() -> None:
    """RLY-01."""
    finder = hosts({"elsewhere.test": [(10, "a.test"), (10, "b.test"), (20, "c.test")]})
    ways = [called(run(finder.find("elsewhere.test"))) for _ in range(200)]
    first = sum(targets[0] == "a.test" for targets in ways)
    assert 60 < first < 140
    assert all(targets[2] == "c.test" for targets in ways)


def test_without_mx_the_domain_itself_is_called() -> None:
    """RLY-01: the implicit MX."""
    targets = run(hosts({}, {"elsewhere.test": ["127.0.0.1"]}).find("elsewhere.test"))
    assert called(targets) == ["elsewhere.test"]
    assert targets.candidates[0].reason == "no MX: elsewhere.test itself"


def test_both_families_are_called_in_turn() -> None:
    """RLY-03."""
    addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "::1"]
    targets = run(hosts({"elsewhere.test": [(10, "a.test")]}, {"a.test": addresses}).find("elsewhere.test"))
    assert [candidate.address.host for candidate in targets.candidates] == ["::1", *addresses[:3]]


@pytest.mark.parametrize(
    ("mx", "addresses", "outcome", "status"),
    [
        pytest.param({"elsewhere.test": [(0, "")]}, {}, Failed, "5.1.10", id="RLY-05 null MX"),
        pytest.param({"elsewhere.test": [(10, "")]}, {}, Failed, "5.1.10", id="null MX of another preference"),
        pytest.param({}, {}, Failed, "5.1.2", id="RLY-04 NXDOMAIN"),
        pytest.param({"elsewhere.test": []}, {}, Failed, "5.1.2", id="RLY-04 no records at all"),
        pytest.param({"elsewhere.test": "SERVFAIL"}, {}, Deferred, "4.4.3", id="RLY-04 SERVFAIL for MX"),
        pytest.param({}, {"elsewhere.test": "SERVFAIL"}, Deferred, "4.4.3", id="SERVFAIL for the implicit MX"),
        pytest.param(
            {"elsewhere.test": [(1, "a.test")]}, {"a.test": "SERVFAIL"}, Deferred, "4.4.3", id="SERVFAIL for A"
        ),
        pytest.param(
            {"elsewhere.test": [(1, "gone.test")]},
            {"elsewhere.test": ["127.0.0.1"]},
            Failed,
            "5.4.4",
            id="RLY-01 no fallback to A",
        ),
        pytest.param({"elsewhere.test": [(1, "a.test")]}, {"a.test": []}, Failed, "5.4.4", id="MX without address"),
        pytest.param({"elsewhere.test": [(1, "a b.test")]}, {}, Failed, "5.4.4", id="MX is no name"),
        pytest.param({"elsewhere.test": [(1, "a.test")]}, {"a.test": ["0.0.0.0", "::"]}, Failed, "5.4.4", id="MX at 0"),
        pytest.param({"elsewhere.test": [(1, "mx.home.test")]}, ADDRESSES, Failed, "5.4.6", id="RLY-02 only ourselves"),
        pytest.param(
            {"elsewhere.test": [(5, "MX.Home.Test"), (5, "a.test"), (9, "b.test")]},
            ADDRESSES,
            Failed,
            "5.4.6",
            id="RLY-02 we are among the best",
        ),
    ],
)
def test_no_way_is_an_outcome(mx: Any, addresses: Any, outcome: type, status: str) -> None:
    found = no_way(hosts(mx, addresses))
    assert isinstance(found, outcome)
    assert found.status == Status.parse(status)
    assert "elsewhere.test" in found.text


def test_a_null_mx_is_never_asked_for_addresses() -> None:
    """RLY-05."""
    names = FakeNames({"elsewhere.test": [(0, "")]}, ADDRESSES)
    no_way(Hosts(names, Random(1), OwnHost("mx.home.test"), Routing()))
    assert names.asked == ["elsewhere.test"]


def test_ourselves_and_all_behind_us_are_dropped() -> None:
    """RLY-02."""
    records = [(10, "a.test"), (20, "mx.home.test"), (20, "b.test"), (30, "c.test")]
    assert called(run(hosts({"elsewhere.test": records}).find("elsewhere.test"))) == ["a.test"]


def test_our_own_name_as_implicit_mx_is_a_loop() -> None:
    assert no_way(hosts({}), "mx.home.test").status == Status(5, 4, 6)


def test_a_host_that_fails_leaves_the_others() -> None:
    records = [(10, "gone.test"), (20, "down.test"), (30, "a.test")]
    targets = run(hosts({"elsewhere.test": records}, {"down.test": "SERVFAIL", **ADDRESSES}).find("elsewhere.test"))
    assert called(targets) == ["a.test"]


def test_a_root_among_other_records_is_left_out() -> None:
    targets = run(hosts({"elsewhere.test": [(0, ""), (10, "a.test")]}).find("elsewhere.test"))
    assert called(targets) == ["a.test"]


def test_an_address_as_mx_is_taken_as_meant() -> None:
    targets = run(hosts({"elsewhere.test": [(10, "192.0.2.7")]}).find("elsewhere.test"))
    assert targets.candidates[0].address == HostPort("192.0.2.7", 25)


def test_a_host_named_twice_is_called_once() -> None:
    records = [(10, "a.test"), (20, "A.TEST."), (15, "b.test")]
    assert called(run(hosts({"elsewhere.test": records}).find("elsewhere.test"))) == ["a.test", "b.test"]


@pytest.mark.parametrize(
    ("literal", "address"), [("[127.0.0.1]", "127.0.0.1"), ("[IPv6:::1]", "::1"), ("[IPv6:2001:db8::1]", "2001:db8::1")]
)
def test_an_address_literal_is_its_own_host(literal: str, address: str) -> None:
    """RLY-06."""
    names = FakeNames()
    targets = run(Hosts(names, Random(1), OwnHost("mx.home.test"), Routing(port=2525)).find(literal))
    assert targets.candidates[0].address == HostPort(address, 2525)
    assert names.asked == []


def test_hosts_that_lead_to_our_own_listeners_are_skipped() -> None:
    """RLY-02: RFC 5321 §5.1. Anybody may publish 127.0.0.1; the letter would come back until it has a hundred trace fields."""

    def ours(where: HostPort) -> bool:
        return where == HostPort("127.0.0.1", 25)

    published = {"loops.test": [(10, "loop.test")], "both.test": [(10, "loop.test"), (20, "b.test")]}
    addresses = {"loop.test": ["127.0.0.1"], "b.test": ["192.0.2.7"]}
    found = hosts(published, addresses, is_ours=ours)
    assert no_way(found, "loops.test").status == no_way(found, "[127.0.0.1]").status == Status(5, 4, 6)
    assert called(run(found.find("both.test"))) == ["b.test"]


@pytest.mark.parametrize("literal", ["[0.0.0.0]", "[224.0.0.1]", "[x]", "[]", "[IPv6:::]"])
def test_a_literal_that_cannot_be_called_is_refused(literal: str) -> None:
    assert no_way(hosts({}), literal).status == Status(5, 1, 2)


def test_a_route_needs_no_mx() -> None:
    """RLY-06."""
    finder = hosts({"x.sink.test": [(10, "b.test")]}, routes=StaticRoutes.parse({"*.sink.test": "a.test:2525"}))
    targets = run(finder.find("x.sink.test"))
    assert [str(candidate) for candidate in targets.candidates] == ["a.test [127.0.0.1]:2525"]
    assert targets.candidates[0].reason == "route *.sink.test"


def test_a_route_goes_before_the_smart_host_which_takes_the_rest() -> None:
    finder = hosts(
        {},
        routes=StaticRoutes.parse({"sink.test": "127.0.0.1:2525"}),
        smart_hosts=(SmartHost.parse("smtp://alice:secret@a.test"),),
    )
    assert run(finder.find("sink.test")).candidates[0].credentials is None
    targets = run(finder.find("elsewhere.test"))
    assert targets.candidates[0].reason == "smart host"
    assert targets.candidates[0].address == HostPort("127.0.0.1", 587)
    assert targets.candidates[0].credentials == SmartHostCredentials("alice", "secret")
    security = targets.candidates[0].security
    assert security is not None
    assert security.level is TlsLevel.VERIFIED


@pytest.mark.parametrize("addresses", [{}, {"relay.test": "SERVFAIL"}, {"relay.test": []}])
def test_a_smart_host_that_is_not_found_keeps_letters_waiting(addresses: Any) -> None:
    outcome = no_way(hosts({}, addresses, smart_hosts=(SmartHost.parse("smtp://relay.test"),)))
    assert isinstance(outcome, Deferred)
    assert outcome.status == Status(4, 3, 5)


def test_what_a_hostile_zone_makes_us_try_is_bounded() -> None:
    records = [(n, f"h{n}.test") for n in range(1000)]
    addresses = {f"h{n}.test": [f"127.0.{n % 250}.{m}" for m in range(50)] for n in range(1000)}
    names = FakeNames({"elsewhere.test": records}, addresses)
    limits = DnsHostLimits(hosts=5, addresses_of_a_host=2, addresses=7)
    targets = run(Hosts(names, Random(1), OwnHost("mx.home.test"), Routing(), limits).find("elsewhere.test"))
    assert len(targets.candidates) == 7
    assert len(names.asked) == 5
    empty = FakeNames({"elsewhere.test": records}, {f"h{n}.test": [] for n in range(1000)})
    no_way(Hosts(empty, Random(1), OwnHost("mx.home.test"), Routing(), limits))
    assert len(empty.asked) == 6


def test_the_journey_is_told_the_way_and_why() -> None:
    targets = run(hosts({"elsewhere.test": [(10, "a.test"), (20, "b.test")]}).find("elsewhere.test"))
    facts = targets.facts(targets.candidates[1])
    assert facts["via"] == "b.test"
    assert facts["why"] == "MX 20 of elsewhere.test"
    assert facts["candidates"][0] == {
        "host": "a.test",
        "address": "127.0.0.1",
        "port": 25,
        "why": "MX 10 of elsewhere.test",
    }


@pytest.mark.parametrize(
    "name", ["a" * 64 + ".test", ".".join(["a" * 60] * 5), "a..b", "-a.test", "a b", "a\n", "", "ä.test"]
)
def test_what_cannot_be_asked_for_is_not_asked_for(name: str) -> None:
    assert not is_dns_name(name)
    outcome = no_way(hosts({}), name)
    assert outcome.status == Status(5, 1, 2)


hostile = st.text(max_size=40)


@given(
    st.lists(st.tuples(st.integers(0, 65535), hostile | st.sampled_from(list(ADDRESSES))), max_size=12),
    st.dictionaries(st.sampled_from(list(ADDRESSES)), st.lists(hostile | st.ip_addresses().map(str), max_size=6)),
)
def test_no_records_make_it_fail_otherwise_than_by_an_outcome(records: Any, addresses: Any) -> None:
    finder = hosts({"elsewhere.test": records}, addresses)
    try:
        targets = run(finder.find("elsewhere.test"))
    except NoRoute:
        return
    assert targets.candidates
    preferences = [
        int(candidate.reason.split()[1]) for candidate in targets.candidates if candidate.reason.startswith("MX")
    ]
    assert preferences == sorted(preferences)
    assert all(candidate.host != "mx.home.test" for candidate in targets.candidates)


def test_smart_hosts_are_tried_in_their_order_each_with_its_own_security() -> None:
    urls = ["smtp://alice:secret@a.test", "smtp://gone.test", "smtp://b.test:2525"]
    targets = run(hosts({}, smart_hosts=tuple(map(SmartHost.parse, urls))).find("elsewhere.test"))
    found = [
        (each.host, each.address.port, each.security.level, each.credentials)
        for each in targets.candidates
        if each.security
    ]
    assert found == [
        ("a.test", 587, TlsLevel.VERIFIED, SmartHostCredentials("alice", "secret")),
        ("b.test", 2525, TlsLevel.OPPORTUNISTIC, None),
    ]


def test_a_senders_route_goes_behind_that_of_the_recipient_and_before_the_smart_host() -> None:
    finder = hosts(
        {},
        routes=StaticRoutes.parse({"sink.test": "127.0.0.1:2525"}),
        sender_routes=SenderRoutes.parse(
            {
                "home.test": "smtp://a.test",
                "Alice@home.test": ["smtp://b.test", "smtp://a.test"],
                "<>": "smtp://b.test:26",
            }
        ),
        smart_hosts=(SmartHost.parse("smtp://a.test:2000"),),
    )

    def reason(destination: str, sender: str | None) -> list[str]:
        address = None if sender is None else Address.parse(sender)
        targets = run(finder.find(destination, address))
        return [targets.candidates[0].reason, *(f"{each.host}:{each.address.port}" for each in targets.candidates)]

    assert reason("sink.test", "alice@home.test") == ["route sink.test", "127.0.0.1:2525"]
    assert reason("x.test", "alice@HOME.test") == ["smart host of alice@home.test", "b.test:25", "a.test:25"]
    assert reason("x.test", "bob@home.test") == ["smart host of home.test", "a.test:25"]
    assert reason("x.test", None) == ["smart host of <>", "b.test:26"]
    assert reason("x.test", "eve@else.test") == ["smart host", "a.test:2000"]
    lines = {finder.key(destination, Address.parse("alice@home.test")) for destination in ("x.test", "y.test")}
    assert lines == {"smart host of alice@home.test"}
    assert finder.key("sink.test", None) == "127.0.0.1:2525"
    assert hosts({}).key("x.test", None) == "x.test"
