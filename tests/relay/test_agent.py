"""The relay agent against hosts that speak by the real engine: one attempt, one outcome for each recipient."""

from __future__ import annotations

import functools
import operator
import re
import time
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered, Failed, Status
from mailstack.letter.content import Octets
from mailstack.letter.delivery import RETRY_REQUESTED
from mailstack.letter.envelope import HostPort
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.queue.attempt import Attempt
from mailstack.relay.agent import RelayAgent
from mailstack.relay.external_relay import LoopbackOnly
from mailstack.relay.limits import AttemptLimits
from mailstack.relay.routes import SmartHost, StaticRoutes
from mailstack.relay.session_opener import ConnectionLimits
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from tests.relay.world import HANG_UP, SILENCE, FakeNames, FakeServer, World, deliveries_of, letter_to, relay_agent

MX = {"elsewhere.test": [(10, "mx.elsewhere.test"), (20, "backup.elsewhere.test")]}
ADDRESSES = {"mx.elsewhere.test": ["127.0.0.1"], "backup.elsewhere.test": ["127.0.0.2"]}
CAROL = "carol@elsewhere.test"
DAVE = "dave@elsewhere.test"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(world: World) -> FakeServer:
    return FakeServer(world)


@pytest.fixture
def backup(world: World) -> FakeServer:
    return FakeServer(world, "127.0.0.2")


def agent(world: World, **settings: Any) -> RelayAgent:
    return relay_agent(FakeNames(MX, ADDRESSES), LoopbackOnly(world), world, **settings)


def attempt(
    world: World, *recipients: str, using: RelayAgent | None = None, destination: str = "", **settings: Any
) -> Attempt:
    letter = letter_to(*(recipients or (CAROL,)))
    work = (using or agent(world, **settings)).deliver(letter, deliveries_of(letter, destination))
    return world.run(work)


def said(tried: Attempt, line: str) -> bool:
    return any(line in each for each in tried.dialogue)


# --- REQUIRETLS


def go_under_tls(world: World, using: RelayAgent) -> Attempt:
    letter = letter_to(CAROL)
    letter = replace(letter, envelope=replace(letter.envelope, parameters=(("REQUIRETLS", ""),)))
    return world.run(using.deliver(letter, deliveries_of(letter)))


def by_route(world: World) -> RelayAgent:
    """A route is the operator's word that the host is the right one."""
    return agent(world, routes=StaticRoutes.parse({"elsewhere.test": "mx.elsewhere.test:25"}))


def test_requiretls_is_passed_on_to_who_offers_it(world: World, server: FakeServer) -> None:
    """REQT-01."""
    tried = go_under_tls(world, by_route(world))
    assert isinstance(tried.outcomes[0], Delivered)
    assert tried.facts["policy"] == "verified, by REQUIRETLS"
    assert said(tried, "REQUIRETLS")


def test_requiretls_comes_back_from_who_does_not_and_the_connection_is_kept(world: World, server: FakeServer) -> None:
    """REQT-01, CODE-26."""
    server.capabilities = replace(server.capabilities, withheld=frozenset({"REQUIRETLS"}))
    using = by_route(world)
    for _ in range(2):
        (outcome,) = go_under_tls(world, using).outcomes
        assert isinstance(outcome, Failed)
        assert outcome.status == Status(5, 7, 30)
        assert "REQUIRETLS support required" in outcome.text
    assert (server.connections, server.letters) == (1, [])


@pytest.mark.parametrize(("status", "permanent"), [("454 4.7.0", False), ("554 5.7.0", True)])
def test_requiretls_waits_for_tls_that_may_come(world: World, server: FakeServer, status: str, permanent: bool) -> None:
    """REQT-01."""
    code, enhanced = status.split()
    server.answers["starttls"] = reply(int(code), enhanced, "no TLS")
    (outcome,) = go_under_tls(world, by_route(world)).outcomes
    assert isinstance(outcome, Failed) is permanent
    server.answers.clear()
    server.certificate_for = "mx.other.test"
    (outcome,) = go_under_tls(world, by_route(world)).outcomes
    assert isinstance(outcome, Failed)
    assert outcome.status == Status(5, 7, 10)


def test_a_report_with_requiretls_goes_to_anybody(world: World, server: FakeServer) -> None:
    """REQT-01: RFC 8689 §5."""
    server.capabilities = replace(server.capabilities, starttls=False)
    letter = letter_to(CAROL)
    letter = replace(letter, envelope=replace(letter.envelope, sender=None, parameters=(("REQUIRETLS", ""),)))
    tried = world.run(agent(world).deliver(letter, deliveries_of(letter)))
    assert isinstance(tried.outcomes[0], Delivered)
    assert not said(tried, "REQUIRETLS")


# --- the usual way


def test_a_letter_goes_over_tls_to_the_best_host(world: World, server: FakeServer, backup: FakeServer) -> None:
    """RLY-19."""
    tried = attempt(world, CAROL, DAVE)
    assert server.letters == [("alice@home.test", [CAROL, DAVE], b"Subject: hello\r\n\r\n.dot\r\n")]
    assert backup.connections == 0
    for outcome in tried.outcomes:
        assert outcome == Delivered(
            Status(2, 0, 0), "mx.elsewhere.test said: 250 2.0.0 Ok: queued as 4XyZ1", "mx.elsewhere.test", dsn=True
        )
    assert tried.facts == {
        "host": "mx.elsewhere.test",
        "address": "127.0.0.1",
        "port": 25,
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "verified": False},
        "remote_id": "4XyZ1",
        "policy": "opportunistic, by [relay] tls",
    }
    assert tried.route["via"] == "mx.elsewhere.test"
    assert tried.route["why"] == "MX 10 of elsewhere.test"
    assert [each["host"] for each in tried.route["candidates"]] == ["mx.elsewhere.test", "backup.elsewhere.test"]


def test_the_dialogue_is_kept_in_order(world: World, server: FakeServer) -> None:
    tried = attempt(world)
    lines = ["-- connected to mx.elsewhere.test [127.0.0.1]:25", "C: STARTTLS", f"C: RCPT TO:<{CAROL}>", "S: 354"]
    places = [next(at for at, line in enumerate(tried.dialogue) if line.startswith(wanted)) for wanted in lines]
    assert places == sorted(places)
    assert not said(tried, "Subject: hello")


@pytest.mark.parametrize(("attempts", "most"), [(1, 33_000), (2, 8400)])
def test_a_host_that_says_much_does_not_fill_the_history(
    world: World, server: FakeServer, attempts: int, most: int
) -> None:
    """It would say it at each attempt, for days, of each report that somebody has sent to it."""
    server.answers["rcpt"] = reply(450, "4.2.0", "\n".join(["x" * 400] * 120))
    letter = letter_to(CAROL, DAVE)
    deliveries = tuple([replace(each, attempts=attempts) for each in deliveries_of(letter)])
    tried = world.run(agent(world).deliver(letter, deliveries))
    assert sum(len(line) for line in tried.dialogue) <= most
    assert tried.dialogue[0].startswith("-- connected to")
    assert any(re.fullmatch(r"-- \d+ lines left out", line) for line in tried.dialogue)
    assert tried.dialogue[-1].startswith("S: ")
    assert any("MAIL FROM" in line for line in tried.dialogue)


@pytest.mark.parametrize("withheld", [frozenset(), frozenset({"PIPELINING"}), frozenset({"STARTTLS", "SIZE"})])
def test_extensions_are_used_as_offered(world: World, server: FakeServer, withheld: frozenset[str]) -> None:
    """RLY-11."""
    server.capabilities = type(server.capabilities)("mx.elsewhere.test", starttls=True, withheld=withheld)
    tried = attempt(world, CAROL, DAVE)
    assert [type(outcome) for outcome in tried.outcomes] == [Delivered, Delivered]
    assert len(server.letters) == 1
    assert ("tls" in tried.facts) is ("STARTTLS" not in withheld)


def test_a_host_without_a_queue_id_gives_none(world: World, server: FakeServer) -> None:
    server.answers["final"] = reply(250, "2.0.0", "thanks")
    assert "remote_id" not in attempt(world).facts


# --- no way


def test_a_domain_that_is_not_there_is_not_tried(world: World) -> None:
    """RLY-04."""
    tried = attempt(world, "carol@gone.test", "dave@gone.test")
    assert [outcome.status for outcome in tried.outcomes] == [Status(5, 1, 2)] * 2
    assert tried.dialogue == ()
    assert world.calls == []


def test_nothing_leaves_the_machine(world: World) -> None:
    FakeServer(world, "192.0.2.1")
    tried = attempt(world, "carol@[192.0.2.1]")
    assert isinstance(tried.outcomes[0], Deferred)
    assert "only loopback" in tried.outcomes[0].text
    assert world.calls == []


# --- hosts that fail


def test_the_next_host_is_tried(world: World, backup: FakeServer) -> None:
    """RLY-03."""
    tried = attempt(world)
    assert isinstance(tried.outcomes[0], Delivered)
    assert tried.facts["host"] == "backup.elsewhere.test"
    assert tried.route["via"] == "backup.elsewhere.test"
    assert said(tried, "-- mx.elsewhere.test [127.0.0.1]:25: connection refused")


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("greeting", reply(421, None, "busy", closes=True)),
        ("greeting", reply(554, None, "no service")),
        ("greeting", HANG_UP),
        ("greeting", SILENCE),
        ("ehlo", reply(550, "5.7.1", "not you")),
        ("ehlo", HANG_UP),
    ],
)
def test_a_host_that_does_not_begin_makes_room_for_the_next(
    world: World, server: FakeServer, backup: FakeServer, stage: str, answer: Reply
) -> None:
    server.answers[stage] = answer
    assert isinstance(attempt(world).outcomes[0], Delivered)
    assert len(backup.letters) == 1


def test_a_host_that_turns_us_away_is_told_goodbye(world: World, server: FakeServer, backup: FakeServer) -> None:
    server.answers["greeting"] = reply(554, None, "no service")
    attempt(world)
    world.pass_time(10)
    assert server.goodbyes == 1
    assert all(peer.other.closed for peer in server.peers)


def test_all_hosts_down_is_temporary(world: World) -> None:
    """RLY-08."""
    tried = attempt(world)
    assert tried.outcomes == (Deferred(Status(4, 4, 1), "mx.elsewhere.test: connection refused", "mx.elsewhere.test"),)


def test_all_hosts_refusing_for_good_is_permanent(world: World, server: FakeServer, backup: FakeServer) -> None:
    server.answers["greeting"] = backup.answers["greeting"] = reply(554, None, "no service")
    (outcome,) = attempt(world).outcomes
    assert isinstance(outcome, Failed)
    assert outcome.status == Status(5, 3, 2)
    assert outcome.text == "mx.elsewhere.test said: 554 no service"


def test_one_host_that_is_only_down_keeps_the_letter(world: World, server: FakeServer) -> None:
    server.answers["greeting"] = reply(554, None, "no service")
    assert isinstance(attempt(world).outcomes[0], Deferred)


def test_an_attempt_does_not_call_hosts_for_ever(world: World) -> None:
    world.black_holes |= {HostPort("127.0.0.1", 25), HostPort("127.0.0.2", 25)}
    attempt(world, attempt=AttemptLimits(seconds=10))
    assert len(world.calls) == 1


def of_both_families(world: World) -> RelayAgent:
    """Knows a host with an address of each family, and calls anybody."""
    host = "mx.elsewhere.test"
    names = FakeNames({"elsewhere.test": [(10, host)]}, {host: ["192.0.2.1", "2001:db8::1"]})
    return relay_agent(names, world, world)


def test_ipv6_that_leads_nowhere_costs_one_letter_a_few_seconds_and_the_next_ones_nothing(world: World) -> None:
    """RFC 5321 §5.1, in the spirit of RFC 8305 §4: families in turn, and none is waited for long while there is another."""
    server = FakeServer(world, "192.0.2.1")
    world.black_holes.add(HostPort("2001:db8::1", 25))
    relay = of_both_families(world)
    begun = world.now()
    assert attempt(world, using=relay).reached is True
    assert world.now() - begun <= ConnectionLimits().connect_next
    begun = world.now()
    for _ in range(10):
        assert attempt(world, using=relay).reached is True
    assert world.now() == begun
    assert len(server.letters) == 11
    assert world.calls.count(HostPort("2001:db8::1", 25)) == 1


def test_the_last_address_of_a_host_is_given_all_the_time_there_is(world: World) -> None:
    world.black_holes |= {HostPort("192.0.2.1", 25), HostPort("2001:db8::1", 25)}
    begun = world.now()
    attempt(world, using=of_both_families(world))
    limits = ConnectionLimits()
    assert world.now() - begun == limits.connect_next + limits.connect


# --- host-down memory


def test_a_host_that_is_down_is_left_alone_for_a_growing_time(world: World) -> None:
    """RLY-13."""
    relay = agent(world)
    waits = []
    for _ in range(5):
        calls, begun = len(world.calls), world.now()
        while len(world.calls) == calls:
            tried = attempt(world, using=relay)
            world.pass_time(1)
        waits.append(world.now() - begun)
    assert waits == [1, 15, 30, 60, 120]
    tried = attempt(world, using=relay)
    assert tried.reached is False
    assert "connection refused; backed off until 00:" in tried.outcomes[0].text
    assert said(tried, "-- mx.elsewhere.test [127.0.0.1]:25: not called (connection refused; backed off until")


@pytest.mark.parametrize("set_by", [-86400.0, 86400.0], ids=["back", "ahead"])
def test_a_host_that_is_down_is_left_alone_no_longer_and_no_shorter_when_the_clock_is_set(
    world: World, set_by: float
) -> None:
    """RLY-13: the time that people are told is the new time of day."""
    relay = agent(world)
    attempt(world, using=relay)
    calls, world.ahead = len(world.calls), set_by
    world.pass_time(13)
    tried = attempt(world, using=relay)
    assert len(world.calls) == calls
    until = time.strftime("%H:%M:%S", time.gmtime(world.now() + 2))
    assert f"backed off until {until}" in tried.outcomes[0].text
    assert {round(each.until - world.now()) for each in relay.delay_reasons(10) if each.until} == {2}
    world.pass_time(2)
    attempt(world, using=relay)
    assert len(world.calls) > calls


def test_a_connection_is_kept_for_its_time_when_the_clock_is_set_back(world: World, server: FakeServer) -> None:
    relay = agent(world)
    attempt(world, using=relay)
    world.ahead = -86400.0
    world.pass_time(3)
    attempt(world, using=relay)
    assert len(world.calls) == 2


def test_one_letter_finds_out_whether_a_host_is_back_and_the_others_do_not_wait_for_it(world: World) -> None:
    world.black_holes.add(HostPort("127.0.0.1", 25))
    there = "[127.0.0.1]"
    relay = agent(world)
    attempt(world, using=relay, destination=there)
    world.pass_time(20)
    letter = letter_to(CAROL)
    probe: list[Attempt] = []
    before, calls = world.now(), len(world.calls)
    world.spawn(keep(relay.deliver(letter, deliveries_of(letter, there)), probe))
    tried = attempt(world, using=relay, destination=there)
    assert world.now() == before
    assert len(world.calls) == calls + 1
    assert "another letter is finding out whether it is back" in tried.outcomes[0].text
    world.pass_time(10)
    world.black_holes.clear()
    server = FakeServer(world)
    world.pass_time(60)
    assert probe
    world.pass_time(60)
    assert attempt(world, using=relay, destination=there).reached is True
    assert len(server.letters) == 1
    assert attempt(world, using=relay, destination=there).reached is True


def test_an_operator_who_has_mended_a_host_need_not_wait_for_its_time(world: World) -> None:
    relay = agent(world)
    for _ in range(4):
        attempt(world, using=relay)
        world.pass_time(100)
    attempt(world, using=relay)
    server = FakeServer(world)
    letter = letter_to(CAROL)
    hurried = tuple(replace(each, text=RETRY_REQUESTED) for each in deliveries_of(letter))
    world.pass_time(16)
    assert attempt(world, using=relay).reached is False
    assert world.run(relay.deliver(letter, hurried)).reached is True
    assert len(server.letters) == 1


def test_a_host_whose_session_breaks_has_not_served_us(world: World, server: FakeServer) -> None:
    assert attempt(world).reached is True
    server.answers["data"] = HANG_UP
    assert attempt(world).reached is False
    server.answers["data"] = reply(451, "4.3.0", "later")
    assert attempt(world).reached is True
    assert attempt(world, "x@gone.test").reached is None


async def keep(work: Any, into: list[Any]) -> None:
    into.append(await work)


# --- TLS


def test_a_failed_handshake_is_followed_by_a_new_connection_in_the_clear(world: World, server: FakeServer) -> None:
    """RLY-19, TLS-05."""
    server.certificate_for = ""
    relay = agent(world)
    tried = attempt(world, using=relay)
    assert isinstance(tried.outcomes[0], Delivered)
    assert "tls" not in tried.facts
    assert server.connections == 2
    assert server.peers[0].other.closed
    assert said(tried, "-- the TLS handshake failed")
    world.pass_time(10)
    attempt(world, using=relay)
    assert server.connections == 3, "what was learned is remembered"
    world.pass_time(700)
    server.certificate_for = "mx.elsewhere.test"
    assert "tls" in attempt(world, using=relay).facts


class Strict(FakeServer):
    """It shakes hands under its own name only."""

    def shakes_hands(self, server_name: str | None, *, verify: bool) -> bool:
        return server_name == self.certificate_for


def test_a_name_that_anybody_gives_a_host_takes_tls_from_nobody_else(world: World) -> None:
    """RLY-19: a domain whose MX leads to another's host must not have the other's letters go in the clear."""
    Strict(world)
    names = FakeNames(
        {"evil.test": [(10, "mx.evil.test")], **MX}, {"mx.evil.test": ["127.0.0.1"], "mx.elsewhere.test": ["127.0.0.1"]}
    )
    relay = relay_agent(names, LoopbackOnly(world), world)
    assert "tls" not in attempt(world, "eve@evil.test", using=relay).facts
    assert "tls" in attempt(world, using=relay).facts


def test_refused_starttls_is_followed_by_a_connection_in_the_clear(world: World, server: FakeServer) -> None:
    server.answers["starttls"] = reply(454, "4.7.0", "no TLS now")
    assert isinstance(attempt(world).outcomes[0], Delivered)


def test_a_handshake_that_never_ends_is_given_up(world: World, server: FakeServer) -> None:
    server.never_shakes_hands = True
    assert isinstance(attempt(world).outcomes[0], Delivered)
    assert 60 <= world.now() < 70


@pytest.mark.parametrize("level", [TlsLevel.REQUIRED, TlsLevel.VERIFIED])
def test_required_tls_is_never_left_out(world: World, server: FakeServer, level: TlsLevel) -> None:
    """RLY-19."""
    server.certificate_for = ""
    tried = attempt(world, security=TlsPolicy(level))
    assert isinstance(tried.outcomes[0], Deferred)
    assert tried.outcomes[0].status == Status(4, 7, 5)
    server.certificate_for = "mx.elsewhere.test"
    server.capabilities = type(server.capabilities)("mx.elsewhere.test")
    tried = attempt(world, security=TlsPolicy(level))
    assert isinstance(tried.outcomes[0], Deferred)
    assert "does not offer it" in tried.outcomes[0].text
    assert server.letters == []


def test_no_tls_where_none_is_wanted(world: World, server: FakeServer) -> None:
    tried = attempt(world, security=TlsPolicy(TlsLevel.NEVER))
    assert "tls" not in tried.facts
    assert not said(tried, "C: STARTTLS")


# --- the smart host


def test_a_smart_host_gets_everything_with_credentials_over_verified_tls(world: World) -> None:
    """RLY-23."""
    server = FakeServer(world, port=587, mechanisms=("PLAIN",))
    tried = attempt(
        world, smart_hosts=(SmartHost.parse("smtp://alice:s3cret@mx.elsewhere.test"),), destination="any.test"
    )
    assert isinstance(tried.outcomes[0], Delivered)
    assert server.logins == [b"\0alice\0s3cret"]
    assert tried.facts["tls"]["verified"] is True
    assert tried.route["why"] == "smart host"
    assert not said(tried, "s3cret")


def test_a_smart_host_over_implicit_tls(world: World) -> None:
    """RLY-23."""
    server = FakeServer(world, port=465, mechanisms=("PLAIN",), starttls=False)
    attempt(world, smart_hosts=(SmartHost.parse("smtps://alice:s3cret@mx.elsewhere.test"),))
    assert len(server.letters) == 1
    assert server.logins == [b"\0alice\0s3cret"]


@pytest.mark.parametrize(
    "url", ["smtp://alice:s3cret@mx.elsewhere.test:25", "smtps://alice:s3cret@mx.elsewhere.test:25"]
)
def test_a_wrong_certificate_never_sees_the_password(world: World, server: FakeServer, url: str) -> None:
    """RLY-23."""
    server.certificate_for = "evil.test"
    tried = attempt(world, smart_hosts=(SmartHost.parse(url),))
    assert isinstance(tried.outcomes[0], Deferred)
    assert server.logins == []


def test_a_wrong_password_keeps_letters_waiting(world: World) -> None:
    server = FakeServer(world, port=587, mechanisms=("PLAIN",))
    server.answers["auth"] = reply(535, "5.7.8", "wrong")
    tried = attempt(world, smart_hosts=(SmartHost.parse("smtp://alice:s3cret@mx.elsewhere.test"),))
    assert tried.outcomes[0].status == Status(4, 7, 8)


def test_a_route_goes_where_it_says(world: World) -> None:
    """RLY-06."""
    server = FakeServer(world, port=2525)
    tried = attempt(world, destination="x.sink.test", routes=StaticRoutes.parse({"*.sink.test": "127.0.0.1:2525"}))
    assert len(server.letters) == 1
    assert tried.route["why"] == "route *.sink.test"


# --- letters and recipients


def test_each_recipient_has_its_own_outcome(world: World, server: FakeServer) -> None:
    """RLY-09."""
    verdicts = {
        "good@elsewhere.test": reply(250, "2.1.5", "OK"),
        "later@elsewhere.test": reply(450, "4.2.1", "later"),
        "never@elsewhere.test": reply(550, "5.1.1", "no such user"),
    }
    server.answers["rcpt"] = lambda rcpt: verdicts[str(rcpt.address)]
    tried = attempt(world, "never@elsewhere.test", "good@elsewhere.test", "later@elsewhere.test")
    assert [type(outcome) for outcome in tried.outcomes] == [Failed, Delivered, Deferred]
    assert [str(outcome.status) for outcome in tried.outcomes] == ["5.1.1", "2.0.0", "4.2.1"]
    assert server.letters[0][1] == ["good@elsewhere.test"]


@pytest.mark.parametrize("stage", ["mail", "data", "final"])
@pytest.mark.parametrize(
    ("answer", "outcome"), [(reply(554, "5.7.1", "no"), Failed), (reply(451, "4.3.0", "later"), Deferred)]
)
def test_a_refused_letter_is_refused_for_all(  # noqa: PLR0917 (fixtures)
    world: World, server: FakeServer, backup: FakeServer, stage: str, answer: Reply, outcome: type
) -> None:
    """RLY-08, RLY-09."""
    server.answers[stage] = answer
    tried = attempt(world, CAROL, DAVE)
    assert [type(each) for each in tried.outcomes] == [outcome, outcome]
    assert tried.outcomes[0].status == answer.status
    assert backup.connections == 0, "an answer about the letter is an answer for all hosts of the domain"


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
@pytest.mark.parametrize("answer", [HANG_UP, SILENCE, reply(421, "4.3.2", "bye", closes=True)])
def test_a_lost_connection_defers(world: World, server: FakeServer, stage: str, answer: Reply) -> None:
    """RLY-08, RLY-10."""
    server.answers[stage] = answer
    tried = attempt(world, CAROL, DAVE)
    assert [type(each) for each in tried.outcomes] == [Deferred, Deferred]
    assert server.peers[0].other.closed
    assert ("may have accepted the letter" in tried.outcomes[0].text) is (
        stage == "final" and answer is not None and answer.code != 421
    )


class Limited:
    """Takes a few recipients in one transaction."""

    def __init__(self, most: int, answer: Reply) -> None:
        self._most = most
        self._answer = answer
        self._taken = 0

    def mail(self, _: object) -> Reply:
        self._taken = 0
        return reply(250, "2.1.0", "OK")

    def rcpt(self, _: Rcpt) -> Reply:
        self._taken += 1
        return reply(250, "2.1.5", "OK") if self._taken <= self._most else self._answer


@pytest.mark.parametrize("answer", [reply(452, "4.5.3", "too many"), reply(552, "5.5.3", "too many")])
def test_recipients_beyond_the_limit_go_in_further_transactions(
    world: World, server: FakeServer, answer: Reply
) -> None:
    """RLY-28."""
    limited = Limited(3, answer)
    server.answers |= {"mail": limited.mail, "rcpt": limited.rcpt}
    names = [f"user{number}@elsewhere.test" for number in range(10)]
    tried = attempt(world, *names)
    assert all(isinstance(outcome, Delivered) for outcome in tried.outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [3, 3, 3, 1]
    assert sorted(functools.reduce(operator.iadd, (recipients for _, recipients, _ in server.letters), [])) == sorted(
        names
    )
    assert server.connections == 1


def test_more_transactions_than_are_reasonable_are_left_to_the_next_attempt(world: World, server: FakeServer) -> None:
    limited = Limited(1, reply(452, "4.5.3", "too many"))
    server.answers |= {"mail": limited.mail, "rcpt": limited.rcpt}
    names = [f"user{number}@elsewhere.test" for number in range(10)]
    tried = attempt(world, *names, attempt=AttemptLimits(transactions=4))
    assert [type(each) for each in tried.outcomes] == [Delivered] * 4 + [Deferred] * 6
    assert tried.outcomes[9].status == Status(4, 5, 3)


def test_a_host_that_has_no_room_at_all_defers(world: World, server: FakeServer) -> None:
    server.answers["rcpt"] = reply(452, "4.3.1", "disk full")
    tried = attempt(world, CAROL, DAVE)
    assert [outcome.status for outcome in tried.outcomes] == [Status(4, 3, 1)] * 2
    assert len([line for line in tried.dialogue if line.startswith("C: MAIL")]) == 1


def test_what_was_taken_stays_taken_when_the_rest_fails(world: World, server: FakeServer) -> None:
    """RLY-10: an outcome that is known is never lost."""
    limited = Limited(1, reply(452, "4.5.3", "too many"))
    server.answers |= {"rcpt": limited.rcpt}
    server.answers["mail"] = lambda event: limited.mail(event) if not server.letters else HANG_UP

    tried = attempt(world, CAROL, DAVE)
    assert [type(each) for each in tried.outcomes] == [Delivered, Deferred]


def test_many_recipients_are_sent_in_groups(world: World, server: FakeServer) -> None:
    """RLY-28."""
    names = [f"user{number}@elsewhere.test" for number in range(250)]
    tried = attempt(world, *names)
    assert all(isinstance(outcome, Delivered) for outcome in tried.outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [100, 100, 50]
    assert len(tried.dialogue) <= 401


def test_a_host_that_dribbles_is_dropped_within_the_lease(world: World, server: FakeServer) -> None:
    server.answers["final"] = SILENCE
    tried = attempt(world, attempt=AttemptLimits(handover=100))
    assert isinstance(tried.outcomes[0], Deferred)
    assert 100 <= world.now() < 110


# --- reuse


def test_a_connection_is_used_again(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world)
    for _ in range(3):
        tried = attempt(world, using=relay)
        assert isinstance(tried.outcomes[0], Delivered)
        assert "tls" in tried.facts
    assert server.connections == 1
    assert len(server.letters) == 3
    assert said(tried, "-- on the connection that was open to mx.elsewhere.test [127.0.0.1]:25")
    assert not said(tried, "EHLO"), "a dialogue is of one letter only"


def test_an_idle_connection_is_closed_with_a_goodbye(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world)
    attempt(world, using=relay)
    world.pass_time(3)
    assert server.goodbyes == 1
    attempt(world, using=relay)
    assert server.connections == 2


def test_a_connection_carries_a_limited_number_of_letters(world: World, server: FakeServer) -> None:
    """RLY-13."""
    relay = agent(world, connections=ConnectionLimits(letters=3))
    for _ in range(7):
        attempt(world, using=relay)
    assert server.connections == 3
    assert server.goodbyes == 2


def test_idle_connections_are_limited_in_number(world: World, server: FakeServer) -> None:
    relay = agent(world, connections=ConnectionLimits(max_idle=0))
    attempt(world, using=relay)
    attempt(world, using=relay)
    assert server.connections == 2


def test_a_refused_letter_leaves_the_connection_good(world: World, server: FakeServer) -> None:
    relay = agent(world)
    server.answers["rcpt"] = reply(550, "5.1.1", "no such user")
    assert isinstance(attempt(world, using=relay).outcomes[0], Failed)
    del server.answers["rcpt"]
    assert isinstance(attempt(world, using=relay).outcomes[0], Delivered)
    assert server.connections == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", [HANG_UP, reply(421, None, "idle too long", closes=True)])
def test_a_kept_connection_that_died_is_replaced_at_once(
    world: World, server: FakeServer, stage: str, answer: Reply
) -> None:
    relay = agent(world)
    attempt(world, using=relay)

    def once(_: object) -> Reply:
        del server.answers[stage]
        return answer

    server.answers[stage] = once
    assert isinstance(attempt(world, using=relay).outcomes[0], Delivered)
    assert server.connections == 2
    assert len(server.letters) == 2


def test_a_kept_connection_that_dies_at_the_final_dot_is_not_tried_again_at_once(
    world: World, server: FakeServer
) -> None:
    """RLY-10: that could be a second copy; the schedule decides."""
    relay = agent(world)
    attempt(world, using=relay)
    server.answers["final"] = HANG_UP
    assert isinstance(attempt(world, using=relay).outcomes[0], Deferred)
    assert server.connections == 1


def test_a_connection_is_never_shared_between_ways(world: World, server: FakeServer) -> None:
    """What one way demands is not lent to another."""
    relay = agent(world, routes=StaticRoutes.parse({"sink.test": "127.0.0.1:25"}))
    attempt(world, using=relay)
    attempt(world, using=relay, destination="sink.test")
    assert server.connections == 2


def test_domains_of_one_host_share_its_connection(world: World, server: FakeServer) -> None:
    names = FakeNames({**MX, "other.test": [(10, "mx.elsewhere.test")]}, ADDRESSES)
    relay = relay_agent(names, world, world)
    attempt(world, using=relay)
    attempt(world, "erin@other.test", using=relay)
    assert server.connections == 1


def test_closing_says_goodbye(world: World, server: FakeServer) -> None:
    relay = agent(world)
    attempt(world, using=relay)
    world.run(relay.close())
    assert server.goodbyes == 1


class Unreadable(Octets):
    async def chunks(self) -> Any:
        yield b"half\r\n"
        raise OSError("the disk is gone")


def test_a_content_that_cannot_be_read_is_never_sent_as_whole(world: World, server: FakeServer) -> None:
    from msgspec.structs import replace

    letter = replace(letter_to(CAROL), content=Unreadable(b"x" * 100))
    with pytest.raises(OSError, match="disk"):
        world.run(agent(world).deliver(letter, deliveries_of(letter)))
    world.pass_time(10)
    assert server.letters == []
    assert server.peers[0].other.closed
