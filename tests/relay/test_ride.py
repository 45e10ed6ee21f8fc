"""Letters that ride behind each other, from the queue to hosts by the real engine: what each host may do, and what is asked before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.delivery.agent import DeliveryAgent
from mailstack.letter import Envelope, Letter
from mailstack.letter.content import Octets
from mailstack.queue.bounce import Bouncer
from mailstack.queue.leaving import Gate, Leaving
from mailstack.queue.limits import RunnerLimits
from mailstack.queue.queue import Queue
from mailstack.queue.route import Router
from mailstack.queue.runner import Runner
from mailstack.queue.schedule import Schedule
from mailstack.queue.standing import StandingOrders
from mailstack.relay.connections import ConnectionLimits
from mailstack.smtp.replies import Reply, reply
from mailstack.store import Filter, Rule, StoreError, Suppression
from mailstack.store.memory import MemoryStore
from tests.queue.letters import OFFICE, a_letter
from tests.queue.people import MemoryDirectory
from tests.queue.rig import Teller
from tests.relay.test_agent import agent
from tests.relay.world import HANG_UP, SILENCE, FakeOffice, World

CAROL = "carol@elsewhere.test"
QUEUED = reply(250, "2.0.0", "Ok: queued as 4XyZ1")


class Rig:
    """A queue whose letters go to one host over one connection, unless a test wants more."""

    def __init__(self, *, connections: int = 1, leaving: Leaving | None = None, **settings: Any) -> None:
        self.world = World()
        self.office = FakeOffice(self.world)
        self.store = MemoryStore()
        directory = MemoryDirectory("alice@home.test")
        self.relay = agent(self.world, **settings)
        local = DeliveryAgent(directory, OFFICE, self.world)
        router, schedule, journal = Router(directory), Schedule(), Teller()
        bouncer, standing = Bouncer(router, OFFICE), StandingOrders(self.store)
        relay: Any = self.relay
        if leaving is not None:
            relay = Gate(relay, self.store, standing, directory, OFFICE, self.world, leaving)
        self.runner = Runner(
            self.store,
            {"local": local, "relay": relay},
            schedule,
            self.world,
            journal,
            OFFICE,
            "me",
            bouncer,
            RunnerLimits(per_destination=connections, first_per_destination=connections),
            lambda: 0.5,
            line=self.relay.line,
            line_of=self.relay.line_of,
            standing=standing,
        )
        self.queue = Queue(
            self.store, router, self.runner, journal, local, "me", schedule, self.world, bouncer, lambda: 0.5
        )
        self.world.run(self.runner.start())

    def accept(self, *letters: Letter) -> None:
        for letter in letters:
            self.world.run(self.queue.accept(letter, "submitted"))

    def dialogue(self, letter: Letter) -> list[str]:
        """Of the last attempt."""
        steps = [step for step in self.world.run(self.store.steps(letter.id)) if step.step == "attempted"]
        return list(steps[-1].facts["dialogue"]) if steps else []

    def state(self, letter: Letter) -> str:
        (record,) = self.world.run(self.store.records(Filter(ids=(letter.id,))))
        return record.deliveries[0].state.value

    def rode(self) -> int:
        """Letters whose commands came in one piece with the end of the one before."""
        return sum(b"\r\n.\r\nMAIL FROM:" in octets for octets in self.heard)

    @property
    def heard(self) -> list[bytes]:
        return [octets for peer in self.office.peers for octets in peer.heard]


def three(**changes: Any) -> list[Letter]:
    return [replace(a_letter(CAROL, at=0.0, body=b"%d\r\n" % number), **changes) for number in range(3)]


def nth(number: int, otherwise: Reply | None, said: Reply) -> Callable[[Any], Reply]:
    """Says it to the nth such command, and else what is usual."""
    count = [0]

    def answer(_: Any) -> Reply:
        count[0] += 1
        return said if count[0] == number else otherwise or reply(250, "2.0.0", "OK")

    return answer


def test_each_letter_rides_behind_the_one_before_and_its_journey_reads_as_ever() -> None:
    rig, letters = Rig(), three()
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 3
    assert (rig.rode(), rig.office.connections) == (2, 1)
    assert [octets[-3:] for _, _, octets in rig.office.letters] == [b"0\r\n", b"1\r\n", b"2\r\n"]
    for letter in letters[1:]:
        assert rig.dialogue(letter) == [
            "-- on the connection that was open to mx.elsewhere.test [127.0.0.1]:25",
            f"C: MAIL FROM:<alice@home.test> SIZE={letter.content.size}",
            f"C: RCPT TO:<{CAROL}>",
            "C: DATA",
            "S: 250 2.1.0 OK",
            "S: 250 2.1.5 OK",
            "S: 354 go ahead",
            f"C: ({letter.content.size} octets)",
            "S: 250 2.0.0 Ok: queued as 4XyZ1",
        ]
    rig.world.pass_time(10)
    assert rig.office.goodbyes == 1


def test_no_more_connections_are_open_than_one_destination_gets() -> None:
    rig = Rig(connections=2)
    letters = [a_letter(CAROL, at=0.0) for _ in range(30)]
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert {rig.state(letter) for letter in letters} == {"relayed"}
    assert rig.office.connections == 2
    assert rig.rode() == 28
    assert len(rig.office.letters) == 30


def test_a_connection_carries_no_more_letters_than_it_may() -> None:
    rig, letters = Rig(connection_limits=ConnectionLimits(letters=2)), three()
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert {rig.state(letter) for letter in letters} == {"relayed"}
    assert (rig.rode(), rig.office.connections) == (1, 2)


@pytest.mark.parametrize("said", [reply(451, "4.3.0", "not now"), reply(554, "5.7.1", "no")])
def test_a_refused_letter_does_not_concern_the_one_behind(said: Reply) -> None:
    rig, letters = Rig(), three()
    rig.office.answers["final"] = nth(1, QUEUED, said)
    rig.accept(*letters)
    rig.world.pass_time(5)
    refused = "queued" if said.code < 500 else "bounced"
    assert [rig.state(letter) for letter in letters] == [refused, "relayed", "relayed"]
    assert rig.office.connections == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_letter_behind_that_is_refused_comes_back_and_the_next_goes_on(stage: str) -> None:
    rig, letters = Rig(), three()
    usual = reply(354, None, "go ahead") if stage == "data" else None
    rig.office.answers[stage] = nth(2, usual, reply(550, "5.7.1", "no"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "bounced", "relayed"]
    assert rig.office.connections == 1


@pytest.mark.parametrize("how", [HANG_UP, reply(421, "4.3.2", "closing")], ids=["cut", "421"])
def test_when_the_answer_to_the_dot_is_lost_the_letter_behind_goes_on_a_fresh_connection(how: Reply) -> None:
    """RLY-14: and it has been attempted once; of the one before it is not known."""
    rig, letters = Rig(), three()
    rig.office.answers["final"] = nth(1, QUEUED, how)
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["queued", "relayed", "relayed"]
    assert rig.office.connections == 2
    (record,) = rig.world.run(rig.store.records(Filter(ids=(letters[1].id,))))
    assert record.deliveries[0].attempts == 1
    assert rig.dialogue(letters[1])[1].startswith("-- it had died: mail: the letter before was not answered")
    assert rig.dialogue(letters[1]).count("S: 250 2.0.0 Ok: queued as 4XyZ1") == 1
    last = rig.dialogue(letters[0])
    assert not any("MAIL" in line for line in last[last.index(f"C: ({letters[0].content.size} octets)") :])


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [HANG_UP, reply(421, "4.3.2", "closing")], ids=["cut", "421"])
def test_a_host_that_hangs_up_on_a_letter_that_rode_is_called_again(stage: str, how: Reply) -> None:
    rig, letters = Rig(), three()
    usual = reply(354, None, "go ahead") if stage == "data" else None
    rig.office.answers[stage] = nth(2, usual, how)
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 3
    assert len(rig.office.letters) == 3
    assert rig.office.connections == 2
    # Who hung up without a word may have stumbled: after that, letters go one by one.
    assert rig.rode() == (1 if how is HANG_UP else 2)


def test_a_host_that_throws_away_what_rides_is_offered_no_rides_for_an_hour() -> None:
    rig, letters = Rig(), three()
    rig.office.answers["mail"] = nth(2, None, SILENCE)
    rig.accept(*letters)
    rig.world.pass_time(299)
    assert [rig.state(letter) for letter in letters] == ["relayed", "queued", "queued"]
    rig.world.pass_time(10)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 3
    assert (rig.rode(), len(rig.office.letters)) == (1, 3)
    more = [a_letter(CAROL, at=0.0) for _ in range(2)]
    rig.accept(*more)
    rig.world.pass_time(3600)
    assert (rig.rode(), len(rig.office.letters)) == (1, 5)
    more = [a_letter(CAROL, at=0.0) for _ in range(2)]
    rig.accept(*more)
    rig.world.pass_time(60)
    assert (rig.rode(), len(rig.office.letters)) == (2, 7)


def test_a_letter_behind_one_that_is_not_answered_takes_another_place_that_is_free() -> None:
    """A host that scans one letter for minutes does not hold up another one, and gets no connection more than it may have."""
    rig = Rig(connections=2)
    stuck = [a_letter(CAROL, at=0.0, body=b"stuck\r\n"), a_letter(CAROL, at=0.0, body=b"behind\r\n")]
    other = [a_letter("other@elsewhere.test", at=0.0) for _ in range(2)]
    count = [0]

    def final(_: Any) -> Reply:
        count[0] += 1
        return SILENCE if count[0] == 1 else QUEUED

    rig.office.answers["final"] = final
    rig.accept(stuck[0], other[0], stuck[1], other[1])
    rig.world.pass_time(5)
    assert sorted(rig.state(letter) for letter in [*stuck, *other]) == ["queued", "queued", "relayed", "relayed"]
    rig.world.pass_time(20)
    assert sorted(rig.state(letter) for letter in [*stuck, *other]) == ["queued", "relayed", "relayed", "relayed"]
    most = rig.office.connections
    assert most <= 3
    rig.world.pass_time(700)
    assert len(rig.office.letters) == 3
    # The host was told to expect a letter that went another way: only hanging up takes that back.
    late = [a_letter(CAROL, at=0.0) for _ in range(2)]
    rig.accept(*late)
    rig.world.pass_time(5)
    assert {rig.state(letter) for letter in late} == {"relayed"}


def test_what_is_answered_after_the_letter_behind_went_another_way_is_known_and_that_connection_is_over() -> None:
    rig = Rig(connections=2)
    letters = [a_letter(CAROL, at=0.0, body=b"%d\r\n" % number) for number in range(4)]
    answered: list[float] = []

    async def final(_: Any) -> Reply:
        answered.append(rig.world.now())
        if len(answered) == 1:
            await rig.world.sleep(30)
        return QUEUED

    rig.office.answers["final"] = final
    rig.accept(*letters)
    rig.world.pass_time(25)
    assert [rig.state(letter) for letter in letters].count("relayed") == 3, "the one behind went another way"
    rig.world.pass_time(60)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 4
    assert sorted(octets[-3:] for _, _, octets in rig.office.letters) == [b"0\r\n", b"1\r\n", b"2\r\n", b"3\r\n"]
    assert (rig.office.connections, rig.office.goodbyes) == (3, 2), (
        "where DATA was said, only dropping it takes that back"
    )


def test_a_connection_that_was_passed_on_to_a_letter_that_went_another_way_is_over() -> None:
    """The one before was carried, but what follows from it took long."""
    rig = Rig(leaving=Leaving(suppress_bounced=True))
    store: Any = rig.store

    async def suppress(_: Any) -> int:
        await rig.world.sleep(30)
        return 0

    store.suppress = suppress
    rig.office.answers["rcpt"] = nth(1, None, reply(550, "5.1.1", "nobody"))
    first, second = a_letter("gone@elsewhere.test", CAROL, at=0.0), a_letter(CAROL, at=0.0)
    rig.accept(first, second)
    rig.world.pass_time(25)
    assert rig.rode() == 1
    assert rig.office.peers[0].other.closed
    rig.world.pass_time(10)
    assert (rig.state(second), rig.office.connections, len(rig.office.letters)) == ("relayed", 2, 2)


def test_a_letter_that_is_refused_as_out_of_order_for_what_came_behind_it_is_offered_again_alone() -> None:
    rig, letters = Rig(), three()
    rig.office.answers["final"] = nth(2, QUEUED, reply(503, "5.5.1", "bad sequence of commands"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 3
    assert sorted(octets[-3:] for _, _, octets in rig.office.letters) == [b"0\r\n", b"1\r\n", b"2\r\n"]
    assert rig.rode() == 2
    rig.accept(*three())
    rig.world.pass_time(5)
    assert rig.rode() == 2
    rig.world.pass_time(10)
    assert all(peer.other.closed for peer in rig.office.peers)


def test_after_421_to_the_dot_with_a_letter_behind_it_letters_go_one_by_one() -> None:
    rig, letters = Rig(), three()
    rig.office.answers["final"] = nth(1, QUEUED, reply(421, "4.5.0", "protocol error"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["queued", "relayed", "relayed"]
    assert rig.rode() == 1


def test_behind_a_host_that_takes_long_nobody_waits_again_who_could_not_ride_either() -> None:
    rig, letters = Rig(), [*three(), a_letter(CAROL, at=0.0)]
    letters[1] = replace(letters[1], envelope=replace(letters[1].envelope, parameters=(("BY", "10000;N"),)))
    answered: list[float] = []

    async def final(_: Any) -> Reply:
        answered.append(rig.world.now())
        if len(answered) == 1:
            await rig.world.sleep(30)
        return QUEUED

    rig.office.answers["final"] = final
    rig.accept(*letters)
    rig.world.pass_time(40)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 4
    assert rig.rode() == 0


# --- what is asked before


@pytest.mark.parametrize(
    ("second", "state"),
    [
        pytest.param({"parameters": (("REQUIRETLS", ""),)}, "bounced", id="REQUIRETLS"),
        pytest.param({"parameters": (("BY", "120;R"),)}, "bounced", id="DELIVERBY"),
        pytest.param({"smtputf8": True}, "relayed", id="SMTPUTF8 that it does not need"),
        pytest.param({"body": "8BITMIME"}, "relayed", id="8BITMIME"),
    ],
)
def test_a_letter_is_fitted_for_the_host_before_it_rides(second: dict[str, Any], state: str) -> None:
    rig = Rig()
    rig.office.capabilities = replace(rig.office.capabilities, withheld=frozenset({"8BITMIME", "SMTPUTF8"}))
    letters = three()
    parameters = second.pop("parameters", ())
    if second.pop("smtputf8", False):
        parameters = (("SMTPUTF8", ""),)
    envelope: Envelope = replace(letters[1].envelope, parameters=parameters, **second)
    letters[1] = replace(letters[1], envelope=envelope)
    rig.accept(*letters)
    rig.world.pass_time(60)
    assert [rig.state(letter) for letter in letters] == ["relayed", state, "relayed"]
    assert len(rig.office.letters) == (3 if state == "relayed" else 2)


class Unreadable(Octets):
    def chunks(self) -> Any:
        raise StoreError("the disk is away")


def test_a_letter_that_has_to_be_read_first_and_can_not_be_does_not_concern_the_one_before() -> None:
    rig, letters = Rig(), three()
    rig.office.capabilities = replace(rig.office.capabilities, withheld=frozenset({"8BITMIME"}))
    envelope = replace(letters[1].envelope, body="8BITMIME")
    letters[1] = replace(letters[1], envelope=envelope, content=Unreadable(b"Subject: x\r\n\r\n\xff\r\n"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "queued", "relayed"]
    assert rig.office.connections == 1


def test_a_letter_that_is_too_large_does_not_ride() -> None:
    """RFC 1870 §6.1."""
    rig, letters = Rig(), three()
    rig.office.capabilities = replace(rig.office.capabilities, max_size=1000)
    letters[1] = replace(letters[1], content=Octets(b"Subject: large\r\n\r\n" + b"x\r\n" * 1000))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "bounced", "relayed"]
    assert sum(b"MAIL FROM" in octets for octets in rig.heard if b"4," in octets) == 0


@pytest.mark.parametrize("kind", ["hold", "pause"])
def test_a_letter_that_an_order_holds_does_not_ride(kind: Any) -> None:
    """The order is given while the letter waits for its turn."""
    rig = Rig()
    letters = [a_letter(CAROL, at=0.0), a_letter("dave@elsewhere.test", at=0.0), a_letter(CAROL, at=0.0)]
    rig.accept(*letters)
    of = {"recipient": "dave@elsewhere.test"} if kind == "hold" else {"domain": "elsewhere.test"}
    rig.world.run(rig.store.add_rule(Rule("r1", kind, created=rig.world.now(), **of)))
    rig.world.run(rig.runner.standing.refresh())
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "held", "relayed" if kind == "hold" else "held"]
    assert not any(b"dave@" in octets for octets in rig.heard)
    assert rig.rode() == 0


def test_a_suppressed_address_is_asked_for_in_the_store_and_nothing_is_said_of_it() -> None:
    rig = Rig(leaving=Leaving())
    dead = "dead@elsewhere.test"
    rig.world.run(rig.store.suppress([Suppression(dead, "it bounced", 0.0)]))
    rig.world.run(rig.runner.standing.refresh())
    letters = [a_letter(CAROL, at=0.0), a_letter(dead, at=0.0), a_letter(CAROL, at=0.0)]
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "bounced", "relayed"]
    assert not any(b"dead@" in octets for octets in rig.heard)


def test_a_letter_to_more_than_one_transaction_takes_is_not_ridden_behind_before_its_last() -> None:
    """RFC 5321 §4.5.3.1.10."""
    rig = Rig()
    many = a_letter("a@elsewhere.test", "b@elsewhere.test", "c@elsewhere.test", at=0.0)
    taken: list[str] = []

    def rcpt(event: Any) -> Reply:
        taken.append(str(event.address))
        return reply(452, "4.5.3", "too many") if len(taken) == 3 else reply(250, "2.1.5", "OK")

    rig.office.answers["rcpt"] = rcpt
    after = a_letter(CAROL, at=0.0)
    rig.accept(many, after)
    rig.world.pass_time(5)
    assert rig.state(after) == "relayed"
    assert [to for _, to, _ in rig.office.letters] == [
        ["a@elsewhere.test", "b@elsewhere.test"],
        ["c@elsewhere.test"],
        [CAROL],
    ]
    assert rig.rode() == 1


def test_verp_has_a_ride_for_each_recipient() -> None:
    rig = Rig()
    letter = a_letter(*(f"{name}@elsewhere.test" for name in "abc"), at=0.0)
    letter = replace(letter, envelope=replace(letter.envelope, parameters=(("XVERP", "+="),)))
    rig.accept(letter)
    rig.world.pass_time(5)
    assert len({sender for sender, _, _ in rig.office.letters}) == 3
    assert rig.rode() == 2
