"""Relay agent with fake hosts and real engines: hosts, recipients, outcomes."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered, Failed, Status
from mailstack.letter.envelope import HostPort
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.relay.agent import RelayAgent
from mailstack.relay.session_opener import ConnectionLimits
from mailstack.relay.transactions import AttemptLimits
from tests.relay.agents import CAROL, DAVE, FakeNames, agent, attempt, deliveries_of, letter_to, many, relay_agent, said
from tests.relay.world import HANG_UP, SILENCE, FakeServer, World

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
    assert ("may have accepted the message" in tried.outcomes[0].text) is (
        stage == "final" and answer is not None and answer.code != 421
    )


class RecipientLimit:
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
    recipient_limit = RecipientLimit(3, answer)
    server.answers |= {"mail": recipient_limit.mail, "rcpt": recipient_limit.rcpt}
    tried = attempt(world, *many(10))
    assert all(isinstance(outcome, Delivered) for outcome in tried.outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [3, 3, 3, 1]
    assert sorted(each for _, recipients, _ in server.letters for each in recipients) == sorted(many(10))
    assert server.connections == 1


def test_more_transactions_than_are_reasonable_are_left_to_the_next_attempt(world: World, server: FakeServer) -> None:
    recipient_limit = RecipientLimit(1, reply(452, "4.5.3", "too many"))
    server.answers |= {"mail": recipient_limit.mail, "rcpt": recipient_limit.rcpt}
    tried = attempt(world, *many(10), attempt=AttemptLimits(transactions=4))
    assert [type(each) for each in tried.outcomes] == [Delivered] * 4 + [Deferred] * 6
    assert tried.outcomes[9].status == Status(4, 5, 3)


def test_a_host_that_has_no_room_at_all_defers(world: World, server: FakeServer) -> None:
    server.answers["rcpt"] = reply(452, "4.3.1", "disk full")
    tried = attempt(world, CAROL, DAVE)
    assert [outcome.status for outcome in tried.outcomes] == [Status(4, 3, 1)] * 2
    assert len([line for line in tried.dialogue if line.startswith("C: MAIL")]) == 1


def test_what_was_taken_stays_taken_when_the_rest_fails(world: World, server: FakeServer) -> None:
    """RLY-10: an outcome that is known is never lost."""
    recipient_limit = RecipientLimit(1, reply(452, "4.5.3", "too many"))
    server.answers |= {"rcpt": recipient_limit.rcpt}
    server.answers["mail"] = lambda event: recipient_limit.mail(event) if not server.letters else HANG_UP

    tried = attempt(world, CAROL, DAVE)
    assert [type(each) for each in tried.outcomes] == [Delivered, Deferred]


def test_many_recipients_are_sent_in_groups(world: World, server: FakeServer) -> None:
    """RLY-28: a hundred by default."""
    tried = attempt(world, *many(250))
    assert all(isinstance(outcome, Delivered) for outcome in tried.outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [100, 100, 50]
    assert len(tried.dialogue) <= 401


def test_a_host_that_dribbles_is_dropped_within_the_lease(world: World, server: FakeServer) -> None:
    server.answers["final"] = SILENCE
    tried = attempt(world, attempt=AttemptLimits(handover=100))
    assert isinstance(tried.outcomes[0], Deferred)
    assert 100 <= world.now() < 110
