"""Server configurations with client services."""

from __future__ import annotations

from mailstack.config import Config, ListenSettings
from mailstack.config.syntax import Endpoint
from mailstack.config.values import Domain, HostName
from mailstack.web.autoconfig.guide import ClientServices, services_from_config

ALL = ("submission", "submissions", "pop3", "pop3s", "imap", "imaps")
PORTS = {"mx": 25, "submission": 587, "submissions": 465, "https": 443}
PORTS |= {"pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993}


def server(*names: str, **settings: object) -> Config:
    """mx.home.test with these services on their usual ports."""
    listen = {name: (Endpoint(f"tcp:{PORTS[name]}"),) for name in names}
    return Config(
        hostname=HostName("mx.home.test"),
        domains=(Domain("home.test"), Domain("other.test")),
        listen=ListenSettings(**listen),
        **settings,  # type: ignore[arg-type]
    )


USUAL = server("mx", "submission", "submissions", "pop3", "pop3s")


def usual() -> ClientServices:
    return services_from_config(USUAL)
