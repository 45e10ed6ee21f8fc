"""Which services clients are told of, and where."""

from __future__ import annotations

from mailstack.config import ClientsSettings, Config, ListenSettings
from mailstack.config.syntax import Endpoint
from mailstack.config.values import HostName
from mailstack.web.autoconfig.guide import Security, services_from_config
from tests.web.autoconfig.servers import ALL, USUAL, server


def test_only_what_is_listened_on_is_told() -> None:
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
    assert services_from_config(server("pop3", "submission")).reading == services_from_config(server("pop3")).best(
        "pop3"
    )


def told(config: Config, bound: dict[str, int] | None = None) -> dict[str, int]:
    return {service.name: service.port for service in services_from_config(config, bound).all}


def test_ports_are_those_that_are_listened_on() -> None:
    config = Config(
        hostname=HostName("mx.home.test"), listen=ListenSettings(pop3s=(Endpoint("tcp:1995:interface=127.0.0.1"),))
    )
    assert told(config) == {"pop3s": 1995}


def test_a_free_port_is_told_as_it_was_bound_and_as_the_usual_one_before() -> None:
    config = Config(
        hostname=HostName("mx.home.test"),
        listen=ListenSettings(pop3s=(Endpoint("tcp:0"),), submission=(Endpoint("systemd:domain=INET:index=0"),)),
    )
    assert told(config) == {"pop3s": 995, "submission": 587}
    assert told(config, {"pop3s": 40123, "mx": 7}) == {"pop3s": 40123, "submission": 587}


def test_the_configuration_has_the_last_word() -> None:
    """A server behind a load balancer, or in a container."""
    config = server("submissions", "pop3s", clients=ClientsSettings(host=HostName("mail.home.test"), submissions=4650))
    assert told(config, {"submissions": 2465}) == {"submissions": 4650, "pop3s": 995}
    assert {service.host for service in services_from_config(config).all} == {"mail.home.test"}
