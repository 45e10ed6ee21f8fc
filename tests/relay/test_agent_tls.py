"""TLS of the relay agent: REQUIRETLS, handshakes, policies and smart hosts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered, Failed, Status
from mailstack.protocols.smtp.replies import reply
from mailstack.queue.attempt import Attempt
from mailstack.relay.agent import RelayAgent
from mailstack.relay.external_relay import LoopbackOnly
from mailstack.relay.routes import SmartHost, StaticRoutes
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from tests.relay.agents import CAROL, MX, FakeNames, agent, attempt, deliveries_of, letter_to, relay_agent, said
from tests.relay.world import FakeServer, World


def go_under_tls(world: World, using: RelayAgent) -> Attempt:
    letter = letter_to(CAROL)
    letter = replace(letter, envelope=replace(letter.envelope, parameters=(("REQUIRETLS", ""),)))
    return world.run(using.deliver(letter, deliveries_of(letter)))


def by_route(world: World) -> RelayAgent:
    """A route is the operator's word that the host is the right one."""
    return agent(world, routes=StaticRoutes.parse({"elsewhere.test": "mx.elsewhere.test:25"}))


def test_requiretls_is_passed_on_to_a_host_that_offers_it(world: World, server: FakeServer) -> None:
    """REQT-01."""
    tried = go_under_tls(world, by_route(world))
    assert isinstance(tried.outcomes[0], Delivered)
    assert tried.facts["policy"] == "verified, by REQUIRETLS"
    assert said(tried, "REQUIRETLS")


def test_requiretls_bounces_at_a_host_without_it_and_the_connection_is_kept(world: World, server: FakeServer) -> None:
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


def test_report_with_requiretls_goes_to_any_host(world: World, server: FakeServer) -> None:
    """REQT-01: RFC 8689 §5."""
    server.capabilities = replace(server.capabilities, starttls=False)
    letter = letter_to(CAROL)
    letter = replace(letter, envelope=replace(letter.envelope, sender=None, parameters=(("REQUIRETLS", ""),)))
    tried = world.run(agent(world).deliver(letter, deliveries_of(letter)))
    assert isinstance(tried.outcomes[0], Delivered)
    assert not said(tried, "REQUIRETLS")


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


def test_host_name_of_another_domain_does_not_disable_tls(world: World) -> None:
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
