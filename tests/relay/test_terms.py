"""DELIVERBY, MT-PRIORITY and LIMITS with the next host."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered, Failed, Letter, Status
from mailstack.letter.envelope import HostPort
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.extensions.limits import HostLimits
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.queue.attempt import Attempt
from mailstack.relay.hosts import TargetHost
from mailstack.relay.session_opener import RelayConnection
from mailstack.relay.tls_policy import OPPORTUNISTIC
from mailstack.relay.transactions import AttemptLimits
from tests.relay.agents import CAROL, agent, deliveries_of, letter_to, many
from tests.relay.world import HANG_UP, FakeServer, MemoryPeer, World


class MailParameters:
    """Keeps the parameters of MAIL."""

    def __init__(self, server: FakeServer) -> None:
        self.parameters: list[dict[str, str]] = []
        server.answers["mail"] = self.hear

    def hear(self, event: Mail) -> Reply:
        self.parameters.append(dict(event.parameters))
        return reply(250, "2.1.0", "OK")


def letter_with(**parameters: str) -> Letter:
    letter = letter_to(CAROL)
    return replace(letter, envelope=replace(letter.envelope, parameters=tuple(parameters.items())))


def deliver(world: World, letter: Letter, **settings: Any) -> Attempt:
    return world.run(agent(world, **settings).deliver(letter, deliveries_of(letter)))


def set_capabilities(server: FakeServer, **capabilities: Any) -> None:
    server.capabilities = replace(server.capabilities, **capabilities)


# --- DELIVERBY


def test_the_next_host_is_told_what_is_left_of_the_time(world: World, server: FakeServer) -> None:
    """DLBY-01: RFC 2852 §4.1.4."""
    set_capabilities(server, min_by=10)
    mail_parameters = MailParameters(server)
    world.pass_time(40)
    assert isinstance(deliver(world, letter_with(BY="120;RT")).outcomes[0], Delivered)
    assert isinstance(deliver(world, letter_with(BY="30;N")).outcomes[0], Delivered)
    assert mail_parameters.parameters == [{"BY": "80;RT"}, {"BY": "-10;N"}]


@pytest.mark.parametrize("min_by", [None, 100])
def test_what_shall_come_back_goes_to_no_host_that_does_not_promise_it(
    world: World, server: FakeServer, min_by: int | None
) -> None:  # fmt: skip
    """DLBY-01: mode R and a host without DELIVERBY, or with a longer least time."""
    set_capabilities(server, min_by=min_by)
    (outcome,) = deliver(world, letter_with(BY="60;R")).outcomes
    assert isinstance(outcome, Failed)
    assert outcome.status == Status(5, 4, 7)
    assert server.letters == []


def test_in_mode_n_any_host_will_do(world: World, server: FakeServer) -> None:
    """DLBY-01."""
    mail_parameters = MailParameters(server)
    assert isinstance(deliver(world, letter_with(BY="60;N", HOLDFOR="1")).outcomes[0], Delivered)
    assert mail_parameters.parameters == [{}]


@pytest.mark.parametrize(
    ("by", "asked", "told"),
    [
        ("60;N", {}, {"NOTIFY": "FAILURE,DELAY"}),
        ("60;N", {"NOTIFY": "SUCCESS"}, {"NOTIFY": "SUCCESS,DELAY"}),
        ("60;N", {"NOTIFY": "DELAY,FAILURE"}, {"NOTIFY": "DELAY,FAILURE"}),
        ("60;N", {"NOTIFY": "NEVER"}, {"NOTIFY": "NEVER"}),
        ("-1;N", {}, {}),
    ],
)
def test_a_host_that_does_not_mind_the_time_is_asked_to_report_delays(
    world: World, server: FakeServer, by: str, asked: dict[str, str], told: dict[str, str]
) -> None:  # fmt: skip
    """DLBY-01: RFC 2852 §4.1.4.2."""
    heard: list[dict[str, str]] = []

    def hear(event: Rcpt) -> Reply:
        heard.append(dict(event.parameters))
        return reply(250, "2.1.5", "OK")

    server.answers["rcpt"] = hear
    letter = letter_with(BY=by)
    recipient = replace(letter.envelope.recipients[0], parameters=tuple(asked.items()))
    deliver(world, replace(letter, envelope=replace(letter.envelope, recipients=(recipient,))))
    set_capabilities(server, min_by=1)
    deliver(world, replace(letter, envelope=replace(letter.envelope, recipients=(recipient,))))
    assert heard == [told, asked]


# --- MT-PRIORITY


def test_the_normal_priority_is_told_too(world: World, server: FakeServer) -> None:
    """PRIO-01: RFC 6710 §4.2; a field stands for it only if somebody said it (RFC 6758 §3.3)."""
    set_capabilities(server, priorities=True)
    mail_parameters = MailParameters(server)
    deliver(world, letter_to(CAROL))
    set_capabilities(server, priorities=False)
    deliver(world, letter_to(CAROL))
    deliver(world, letter_with(**{"MT-PRIORITY": "0"}))
    assert mail_parameters.parameters == [{"MT-PRIORITY": "0"}, {}, {}]
    assert [content.startswith(b"MT-Priority: 0\r\n") for _, _, content in server.letters] == [False, False, True]


def test_a_priority_goes_on_as_a_parameter_or_as_a_field(world: World, server: FakeServer) -> None:
    """PRIO-01: RFC 6710 §4, and RFC 6758 for a host that does not offer it."""
    deliver(world, letter_with(**{"MT-PRIORITY": "-4"}))
    set_capabilities(server, priorities=True)
    mail_parameters = MailParameters(server)
    deliver(world, letter_with(**{"MT-PRIORITY": "-4"}))
    assert mail_parameters.parameters == [{"MT-PRIORITY": "-4"}]
    first, second = (content for _, _, content in server.letters)
    assert first == b"MT-Priority: -4\r\n" + second


# --- LIMITS


def test_no_more_recipients_than_a_host_announces(world: World, server: FakeServer) -> None:
    """LIM-01, RLY-28: RCPTMAX."""
    set_capabilities(server, max_recipients=2)
    outcomes = deliver(world, letter_to(*many(5))).outcomes
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [2, 2, 1]
    assert server.connections == 1


def test_no_more_letters_in_a_session_than_a_host_announces(world: World, server: FakeServer) -> None:
    """LIM-01: MAILMAX ends the session, and another one has the rest."""
    set_capabilities(server, max_recipients=2, max_letters=2)
    outcomes = deliver(world, letter_to(*many(9))).outcomes
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [len(recipients) for _, recipients, _ in server.letters] == [2, 2, 2, 2, 1]
    assert server.connections == 3


class FarAway(World):
    """It takes a minute to get through."""

    async def connect(self, *address: Any, **how: Any) -> MemoryPeer:
        await self.sleep(60.0)
        return await super().connect(*address, **how)


def test_sessions_for_single_recipients_share_one_handover_time() -> None:
    """LIM-01: else they took longer together than the queue's lease, and others took the letter to it once more."""
    world = FarAway()
    server = FakeServer(world)
    set_capabilities(server, max_recipients=1, max_letters=1)
    outcomes = deliver(world, letter_to(*many(9)), attempt=AttemptLimits(handover=150.0)).outcomes
    assert [type(each) for each in outcomes] == [Delivered] * 2 + [Deferred] * 7
    assert world.now() < 200.0


def test_a_session_that_is_used_up_is_not_kept(world: World, server: FakeServer) -> None:
    """LIM-01."""
    set_capabilities(server, max_letters=1)
    using = agent(world)
    for _ in range(2):
        letter = letter_to(CAROL)
        world.run(using.deliver(letter, deliveries_of(letter)))
    assert (server.connections, len(server.letters)) == (2, 2)


def test_a_session_is_kept_for_as_many_domains_as_a_host_takes() -> None:
    """LIM-01: RCPTDOMAINMAX counts over a whole session (RFC 9422 §4.3)."""
    nobody = cast("Any", None)
    session = SmtpClientSession(nobody, ClientEngine(), "mx.home.test")
    session.limits = HostLimits(domains=2)
    candidate = TargetHost("mx.test", HostPort("192.0.2.1", 25), "MX 10 of a.test")
    connection = RelayConnection(candidate, nobody, session, OPPORTUNISTIC, domains={"a.test", "b.test"})
    assert connection.accepts_domain("a.test")
    assert not connection.accepts_domain("c.test")
    session.limits = HostLimits()
    assert connection.accepts_domain("c.test")


def test_recipients_refused_by_a_second_session_are_deferred_and_not_sent_twice(
    world: World, server: FakeServer, backup: FakeServer
) -> None:  # fmt: skip
    """LIM-01: the host that has some of the letter can't be called again; the next one does not get it."""
    set_capabilities(server, max_recipients=1, max_letters=1)

    def only_once(_: object) -> Reply:
        return reply(220, None, "mx.elsewhere.test ESMTP") if server.connections == 1 else HANG_UP

    server.answers["greeting"] = only_once
    outcomes = deliver(world, letter_to(*many(2))).outcomes
    assert [type(outcome).__name__ for outcome in outcomes] == ["Delivered", "Deferred"]
    assert backup.connections == 0
    assert len(server.letters) == 1
