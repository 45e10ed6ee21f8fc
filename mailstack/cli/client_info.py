"""Client settings of a server or a running dev environment."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from mailstack.cli.errors import CommandError
from mailstack.cli.target import TargetServer
from mailstack.config import Config, ConfigError, load
from mailstack.config.key_files import made_here, own_directory
from mailstack.config.values import Domain, HostName
from mailstack.web.autoconfig.services import Services, services_at, services_of

DEV_HOST = "mx.home.test"


class Told(Struct, frozen=True):
    """A server as clients see it."""

    config: Config
    services: Services
    ca_file: str
    """The CA that clients must be told to trust; empty: they know it."""


def told_of(place: TargetServer) -> Told:
    """Raises Refused."""
    if place.config is None:
        return _dev(place)
    try:
        config = load(place.config, os.environ)
    except ConfigError as error:
        raise CommandError(str(error.problems[0])) from error
    ca_file = str(own_directory(config) / "ca.pem") if made_here(config) else ""
    return Told(config, services_of(config), ca_file)


def _dev(place: TargetServer) -> Told:
    """In a dev environment the ports are those that it says it has; a stopped one has none."""
    services = place.facts.get("services")
    if not isinstance(services, dict):
        raise CommandError(f"the dev environment in {place.data} does not run; start it, or name a server with -c FILE")
    ports = {name: int(at["port"]) for name, at in services.items()}
    config = Config(
        hostname=HostName(DEV_HOST), data=Path(place.data), domains=tuple(Domain(each) for each in place.domains)
    )
    return Told(config, services_at("localhost", ports), str(place.facts.get("ca_file", "")))
