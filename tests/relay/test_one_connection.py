"""Several letters over one connection, from the queue to a host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Envelope, Letter
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.queue.outbound_gate import OutboundGate, OutboundRules
from mailstack.queue.settings import QueueLimits
from mailstack.store import Filter, StoreError
from mailstack.store.hold_rules import HoldRule, Suppression
from tests.aid import run
from tests.queue.rig import SERVER, MemoryDirectory, a_letter
from tests.queue.rig import Rig as QueueRig
from tests.relay.agents import agent
from tests.relay.world import HANG_UP, SILENCE, FakeServer, World

CAROL = "carol@elsewhere.test"
QUEUED = reply(250, "2.0.0", "Ok: queued as 4XyZ1")


class Rig(QueueRig):
    """A queue whose letters go to one host over one connection, unless a test wants more."""

    def __init__(self, *, per_destination: int = 1, leaving: OutboundRules | None = None, **settings: Any) -> None:
        self.world = World()
        self.server = FakeServer(self.world)
        limits = QueueLimits(per_destination=per_destination, first_per_destination=per_destination)
        super().__init__(
            MemoryDirectory("alice@home.test"), limits=limits, relay=agent(self.world, **settings), clock=self.world
        )
        if leaving is not None:
            self.gated = lambda relay: OutboundGate(
                relay, self.store, self.hold_rules, self.directory, SERVER, self.world, leaving
            )
            self.start()

    def accept(self, *letters: Letter) -> None:  # type: ignore[override]
        for letter in letters:
            super().accept(letter)

    def dialogue(self, letter: Letter) -> list[str]:
        """Of the last attempt."""
        steps = [step for step in run(self.store.history.steps(letter.id)) if step.step == "attempted"]
        return list(steps[-1].facts["dialogue"]) if steps else []

    def state(self, letter: Letter) -> str:
        return self.states(letter)[0]

    @property
    def heard(self) -> list[bytes]:
        return [octets for peer in self.server.peers for octets in peer.heard]


def three(**changes: Any) -> list[Letter]:
    return [replace(a_letter(CAROL, at=0.0, body=b"%d\r\n" % number), **changes) for number in range(3)]


def nth(number: int, otherwise: Reply | None, said: Reply) -> Callable[[Any], Reply]:
    """Says it to the nth such command, and else what is usual."""
    count = [0]

    def answer(_: Any) -> Reply:
        count[0] += 1
        return said if count[0] == number else otherwise or reply(250, "2.0.0", "OK")

    return answer


def test_letters_go_one_after_the_other_and_each_journey_reads_alike() -> None:
    rig, letters = Rig(), three()
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed"] * 3
    assert rig.server.connections == 1
    assert [octets[-3:] for _, _, octets in rig.server.letters] == [b"0\r\n", b"1\r\n", b"2\r\n"]
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
    assert rig.server.goodbyes == 1


def test_no_more_connections_are_open_than_one_destination_gets() -> None:
    rig = Rig(per_destination=2)
    letters = [a_letter(CAROL, at=0.0) for _ in range(30)]
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert {rig.state(letter) for letter in letters} == {"relayed"}
    assert rig.server.connections == 2
    assert len(rig.server.letters) == 30


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
@pytest.mark.parametrize(("code", "state"), [("451 4.3.0", "queued"), ("554 5.7.1", "bounced")])
def test_a_letter_refused_at_any_step_does_not_concern_the_next_one(stage: str, code: str, state: str) -> None:
    rig, letters = Rig(), three()
    usual = reply(354, None, "go ahead") if stage == "data" else None
    rig.server.answers[stage] = nth(2, usual, reply(int(code[:3]), code[4:], "no"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", state, "relayed"]
    assert rig.server.connections == 1


@pytest.mark.parametrize("how", [HANG_UP, reply(421, "4.3.2", "closing")], ids=["cut", "421"])
def test_when_the_answer_to_the_dot_is_lost_the_next_letter_goes_on_a_fresh_connection(how: Reply) -> None:
    """RLY-14: of the one before it is not known what became of it."""
    rig, letters = Rig(), three()
    rig.server.answers["final"] = nth(1, QUEUED, how)
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["queued", "relayed", "relayed"]
    assert rig.server.connections == 2
    (record,) = rig.world.run(rig.store.history.records(Filter(ids=(letters[1].id,))))
    assert record.deliveries[0].attempts == 1
    assert rig.dialogue(letters[1]).count("S: 250 2.0.0 Ok: queued as 4XyZ1") == 1


def test_a_letter_that_is_not_answered_does_not_hold_up_the_others() -> None:
    """A host that scans one letter for minutes gets no connection more than it may have."""
    rig = Rig(per_destination=2)
    stuck = a_letter(CAROL, at=0.0, body=b"stuck\r\n")
    others = [a_letter(CAROL, at=0.0) for _ in range(3)]
    rig.server.answers["final"] = nth(1, QUEUED, SILENCE)
    rig.accept(stuck, *others)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in [stuck, *others]] == ["queued", "relayed", "relayed", "relayed"]
    assert rig.server.connections == 2
    rig.world.pass_time(700)
    assert len(rig.server.letters) == 3


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
def test_a_letter_is_fitted_for_the_host(second: dict[str, Any], state: str) -> None:
    rig = Rig()
    rig.server.capabilities = replace(rig.server.capabilities, withheld=frozenset({"8BITMIME", "SMTPUTF8"}))
    letters = three()
    parameters = second.pop("parameters", ())
    if second.pop("smtputf8", False):
        parameters = (("SMTPUTF8", ""),)
    envelope: Envelope = replace(letters[1].envelope, parameters=parameters, **second)
    letters[1] = replace(letters[1], envelope=envelope)
    rig.accept(*letters)
    rig.world.pass_time(60)
    assert [rig.state(letter) for letter in letters] == ["relayed", state, "relayed"]
    assert len(rig.server.letters) == (3 if state == "relayed" else 2)


class Unreadable(Octets):
    def chunks(self) -> Any:
        raise StoreError("the disk is away")


def test_a_letter_that_has_to_be_read_first_and_can_not_be_does_not_concern_the_others() -> None:
    rig, letters = Rig(), three()
    rig.server.capabilities = replace(rig.server.capabilities, withheld=frozenset({"8BITMIME"}))
    envelope = replace(letters[1].envelope, body="8BITMIME")
    letters[1] = replace(letters[1], envelope=envelope, content=Unreadable(b"Subject: x\r\n\r\n\xff\r\n"))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "queued", "relayed"]
    assert len(rig.server.letters) == 2


def test_a_letter_that_is_too_large_is_not_offered() -> None:
    """RFC 1870 §6.1."""
    rig, letters = Rig(), three()
    rig.server.capabilities = replace(rig.server.capabilities, max_size=1000)
    letters[1] = replace(letters[1], content=Octets(b"Subject: large\r\n\r\n" + b"x\r\n" * 1000))
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "bounced", "relayed"]
    assert sum(b"MAIL FROM" in octets for octets in rig.heard if b"4," in octets) == 0


@pytest.mark.parametrize("kind", ["hold", "pause"])
def test_a_letter_that_an_order_holds_is_not_offered(kind: Any) -> None:
    """The order is given while the letter waits for its turn."""
    rig = Rig()
    letters = [a_letter(CAROL, at=0.0), a_letter("dave@elsewhere.test", at=0.0), a_letter(CAROL, at=0.0)]
    rig.accept(*letters)
    of = {"recipient": "dave@elsewhere.test"} if kind == "hold" else {"domain": "elsewhere.test"}
    rig.world.run(rig.store.hold_rules.add(HoldRule("r1", kind, created=rig.world.now(), **of)))
    rig.world.run(rig.hold_rules.refresh())
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "held", "relayed" if kind == "hold" else "held"]
    assert not any(b"dave@" in octets for octets in rig.heard)


def test_a_suppressed_address_is_asked_for_in_the_store_and_nothing_is_said_of_it() -> None:
    rig = Rig(leaving=OutboundRules())
    dead = "dead@elsewhere.test"
    rig.world.run(rig.store.suppressions.add([Suppression(dead, "it bounced", 0.0)]))
    rig.world.run(rig.hold_rules.refresh())
    letters = [a_letter(CAROL, at=0.0), a_letter(dead, at=0.0), a_letter(CAROL, at=0.0)]
    rig.accept(*letters)
    rig.world.pass_time(5)
    assert [rig.state(letter) for letter in letters] == ["relayed", "bounced", "relayed"]
    assert not any(b"dead@" in octets for octets in rig.heard)


def test_a_letter_to_more_than_one_transaction_takes_is_finished_before_the_next() -> None:
    """RFC 5321 §4.5.3.1.10."""
    rig = Rig()
    many = a_letter("a@elsewhere.test", "b@elsewhere.test", "c@elsewhere.test", at=0.0)
    taken: list[str] = []

    def rcpt(event: Any) -> Reply:
        taken.append(str(event.address))
        return reply(452, "4.5.3", "too many") if len(taken) == 3 else reply(250, "2.1.5", "OK")

    rig.server.answers["rcpt"] = rcpt
    after = a_letter(CAROL, at=0.0)
    rig.accept(many, after)
    rig.world.pass_time(5)
    assert rig.state(after) == "relayed"
    assert [to for _, to, _ in rig.server.letters] == [
        ["a@elsewhere.test", "b@elsewhere.test"],
        ["c@elsewhere.test"],
        [CAROL],
    ]


def test_verp_has_a_transaction_for_each_recipient() -> None:
    rig = Rig()
    letter = a_letter(*(f"{name}@elsewhere.test" for name in "abc"), at=0.0)
    letter = replace(letter, envelope=replace(letter.envelope, parameters=(("XVERP", "+="),)))
    rig.accept(letter)
    rig.world.pass_time(5)
    assert len({sender for sender, _, _ in rig.server.letters}) == 3
