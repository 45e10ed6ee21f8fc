"""Configurations of the three servers of a dev environment."""

from __future__ import annotations

from pathlib import Path

from mailstack.config import (
    AccountsSettings,
    AuthenticationSettings,
    ClientsSettings,
    Config,
    ExchangeSettings,
    LimitsSettings,
    ListenSettings,
    RelaySettings,
    SubmissionSettings,
    WebSettings,
)
from mailstack.config.endpoints import Endpoint
from mailstack.config.sizes import Size
from mailstack.config.values import HostName
from mailstack.letter import Address
from mailstack.letter.times import Duration
from mailstack.relay.routes import StaticRoutes
from mailstack.sandbox.dev.settings import CAPTURE, HOME, HOME_DOMAIN, PORTS, USERS, WORLD, DevSettings

NO_AUTHENTICATION = AuthenticationSettings(spf=False, dkim=False, dmarc=False, arc=False)
"""Disabled checks: the DNS of the environment has no SPF, DKIM or DMARC records."""
NO_TARPIT = LimitsSettings(tarpit=Duration(0))


def home_config(settings: DevSettings, data: Path, world_port: int) -> Config:
    """Configuration of home, which relays to `world_port`."""
    at = {name: (endpoint_of(settings, name),) for name in PORTS}
    listen = ListenSettings(
        submission=at["submission"],
        submissions=at["submissions"],
        pop3=at["pop3"],
        pop3s=at["pop3s"],
        web=at["web"],
    )
    web = WebSettings(
        hosts=tuple(HostName(name) for name in settings.web_hosts),
        admins=tuple([Address(user, HOME_DOMAIN) for user in USERS]),
        cors=settings.cors,
    )
    return Config(
        hostname=HOME,
        data=data,
        domains=(HOME_DOMAIN,),
        listen=listen,
        clients=ClientsSettings(host=HostName("localhost")),
        web=web,
        accounts=AccountsSettings(require_tls=not settings.clear_logins),
        submission=SubmissionSettings(check_from="allow"),  # applications write any From
        relay=RelaySettings(port=world_port, schedule=settings.schedule),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def world_config(settings: DevSettings, data: Path, routes: StaticRoutes) -> Config:
    """Configuration of the server for all other domains, which relays to home by `routes`."""
    return Config(
        hostname=WORLD,
        data=data,
        relay=RelaySettings(routes=routes, schedule=settings.schedule),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def capture_config(settings: DevSettings, data: Path) -> Config:
    """Configuration of the capture port."""
    size = None if settings.max_size is None else Size(settings.max_size)
    return Config(
        hostname=CAPTURE,
        data=data,
        exchange=ExchangeSettings(max_size=size, max_recipients=settings.max_recipients),
        limits=NO_TARPIT,
        authentication=NO_AUTHENTICATION,
    )


def endpoint_of(settings: DevSettings, service: str) -> Endpoint:
    """Endpoint that a service listens on."""
    if (at := settings.at.get(service)) is not None:
        return endpoint(at.host or settings.host, at.port)
    return endpoint(settings.host, settings.port_base + PORTS[service] if settings.port_base else 0)


def endpoint(host: str, port: int = 0) -> Endpoint:
    """TCP endpoint on a local address. Port 0: a free port."""
    interface = host.replace(":", "\\:")
    return Endpoint(f"tcp:{port}:interface={interface}")
