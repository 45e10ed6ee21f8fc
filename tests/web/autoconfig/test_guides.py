"""Set-up steps and services of mail clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.config import ClientsSettings, Config, ListenSettings
from mailstack.config.syntax import Endpoint
from mailstack.config.values import HostName
from mailstack.web.autoconfig.clients import BY_NAME, GUIDES
from mailstack.web.autoconfig.guide import (
    CannotSetUp,
    Guide,
    Security,
    SetupStep,
    as_json,
    as_markdown,
    as_text,
    services_from_config,
)
from tests.web.autoconfig.servers import ALL, USUAL, server, usual

DOCUMENT = Path(__file__).parents[3] / "docs" / "howto" / "clients.md"
ADDRESS = "alice@home.test"

each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


def whole(steps: tuple[SetupStep, ...]) -> str:
    return as_text(steps)


def test_the_clients_of_the_contract_are_all_there() -> None:
    wanted = "outlook-new outlook-classic thunderbird apple-mail ios gmail-app k9 mutt msmtp+mpop"
    assert set(BY_NAME) == set(wanted.split())


@each_guide
def test_the_steps_name_address_hosts_and_ports_and_say_that_sending_needs_a_login(guide: Guide) -> None:
    text = " ".join(whole(guide.steps(ADDRESS, usual())).split())
    for needed in (ADDRESS, "mx.home.test", "465", "995"):
        assert needed in text
    assert "requires authentication" in text or "server requires" in text


@each_guide
def test_a_server_without_implicit_tls_has_steps_for_starttls(guide: Guide) -> None:
    text = whole(guide.steps(ADDRESS, services_from_config(server("submission", "pop3"))))
    assert "587" in text
    assert "110" in text
    assert "465" not in text
    if guide.name not in ("mutt", "apple-mail", "ios"):  # these have one switch, or none, for both kinds
        assert "STARTTLS" in text or "tls_starttls on" in text


@each_guide
def test_imap_is_used_if_server_and_client_support_it(guide: Guide) -> None:
    text = whole(guide.steps(ADDRESS, services_from_config(server(*ALL))))
    assert ("993" in text) == ("imap" in guide.protocols)


@each_guide
def test_steps_include_the_private_ca(guide: Guide) -> None:
    text = whole(guide.steps(ADDRESS, usual(), "/data/tls/ca.pem"))
    assert ("/data/tls/ca.pem" in text) == (guide.name != "outlook-new")
    assert "ca.pem" not in whole(guide.steps(ADDRESS, usual()))


@each_guide
def test_what_is_not_offered_is_said(guide: Guide) -> None:
    with pytest.raises(CannotSetUp, match="submission"):
        guide.steps(ADDRESS, services_from_config(server("pop3s")))
    with pytest.raises(CannotSetUp, match="reading mail"):
        guide.steps(ADDRESS, services_from_config(server("submissions")))


@pytest.mark.parametrize(
    "address", ['"a b"@home.test', 'a"b@home.test', "a`id`@home.test", "a$HOME@home.test", "a\nb@x.test"]
)
@each_guide
def test_an_address_that_would_need_quoting_gets_no_steps(guide: Guide, address: str) -> None:
    with pytest.raises(CannotSetUp, match="by hand"):
        guide.steps(address, usual())


@each_guide
def test_the_document_shows_the_very_same_steps(guide: Guide) -> None:
    steps = as_markdown(guide.steps(ADDRESS, usual()))
    section = f"### {guide.title}\n\n`mailstack setup {guide.name} {ADDRESS}`\n\n{steps}"
    assert section in DOCUMENT.read_text(), f"docs/howto/clients.md should have:\n\n{section}"


@each_guide
def test_json_has_what_text_has(guide: Guide) -> None:
    steps = guide.steps(ADDRESS, usual())
    shapes = as_json(steps)
    assert [shape["say"] for shape in shapes] == [step.instruction for step in steps]
    assert [dict(step.values) for step in steps] == [shape["values"] for shape in shapes]


def test_text_is_numbered_and_its_values_stand_in_a_column() -> None:
    steps = (SetupStep("Look.", (("A", "1"), ("Long", "2"))), SetupStep("Write.", file="~/.x", text="a\nb\n"))
    assert as_text(steps) == (
        "1. Look.\n     A     1\n     Long  2\n\n2. Write.\n   ~/.x:\n     a\n     b\n"
    )  # fmt: skip


def test_only_configured_services_are_listed() -> None:
    names = [service.name for service in services_from_config(USUAL).all]
    assert names == ["submissions", "submission", "pop3s", "pop3"]
    assert services_from_config(server("mx")).all == ()


def test_implicit_tls_comes_before_starttls_and_imap_before_pop3() -> None:
    """RFC 8314 §3: implicit TLS is preferred."""
    services = services_from_config(server(*ALL))
    assert services.sending is not None
    assert services.reading is not None
    assert (services.sending.name, services.sending.security) == ("submissions", Security.TLS)
    assert services.reading.name == "imaps"
    pop3 = services_from_config(server("pop3")).best("pop3")
    assert services_from_config(server("pop3", "submission")).reading == pop3


def told(config: Config, bound: dict[str, int] | None = None) -> dict[str, int]:
    return {service.name: service.port for service in services_from_config(config, bound).all}


def test_ports_are_those_that_are_listened_on() -> None:
    listen = ListenSettings(pop3s=(Endpoint("tcp:1995:interface=127.0.0.1"),))
    assert told(Config(hostname=HostName("mx.home.test"), listen=listen)) == {"pop3s": 1995}


def test_free_port_is_the_bound_one_or_the_default() -> None:
    listen = ListenSettings(pop3s=(Endpoint("tcp:0"),), submission=(Endpoint("systemd:domain=INET:index=0"),))
    config = Config(hostname=HostName("mx.home.test"), listen=listen)
    assert told(config) == {"pop3s": 995, "submission": 587}
    assert told(config, {"pop3s": 40123, "mx": 7}) == {"pop3s": 40123, "submission": 587}


def test_the_configuration_has_the_last_word() -> None:
    """A server behind a load balancer, or in a container."""
    config = server("submissions", "pop3s", clients=ClientsSettings(host=HostName("mail.home.test"), submissions=4650))
    assert told(config, {"submissions": 2465}) == {"submissions": 4650, "pop3s": 995}
    assert {service.host for service in services_from_config(config).all} == {"mail.home.test"}
