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
from mailstack.web.autoconfig.services import ClientServices, services_at, services_from_config

DEV_HOST = "mx.home.test"


class ClientInfo(Struct, frozen=True):
    """Services of a server, and the CA that clients must trust."""

    config: Config
    services: ClientServices
    ca_file: str
    """Path of the CA file that clients must trust; empty for a public CA."""


def client_info_of(target: TargetServer) -> ClientInfo:
    """Raises CommandError."""
    if target.config is None:
        return _dev(target)
    try:
        config = load(target.config, os.environ)
    except ConfigError as error:
        raise CommandError(str(error.problems[0])) from error
    ca_file = str(own_directory(config) / "ca.pem") if made_here(config) else ""
    return ClientInfo(config, services_from_config(config), ca_file)


def _dev(target: TargetServer) -> ClientInfo:
    """Client settings of a running dev environment, with its ports."""
    services = target.facts.get("services")
    if not isinstance(services, dict):
        raise CommandError(
            f"the dev environment in {target.data} isn't running; start it, or name a server with -c FILE"
        )
    ports = {name: int(at["port"]) for name, at in services.items()}
    config = Config(
        hostname=HostName(DEV_HOST), data=Path(target.data), domains=tuple(Domain(each) for each in target.domains)
    )
    return ClientInfo(config, services_at("localhost", ports), str(target.facts.get("ca_file", "")))
