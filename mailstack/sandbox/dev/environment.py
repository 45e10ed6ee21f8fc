"""Dev environment: home server, capture port, rest of the world, DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mailstack.accounts.directory import OpenDirectory, StoreDirectory
from mailstack.letter.delivery import Journal
from mailstack.letter.envelope import HostPort
from mailstack.net.clock import PeriodicTask
from mailstack.relay.routes import RouteTarget, StaticRoutes
from mailstack.sandbox.dev.capture_access import capture_rules
from mailstack.sandbox.dev.external_relays import AutoForwarder, relay_config
from mailstack.sandbox.dev.parts import EnvironmentParts
from mailstack.sandbox.dev.servers import (
    Servers,
    capture_config,
    dev_site,
    endpoint,
    endpoint_of,
    home_config,
    world_config,
)
from mailstack.sandbox.dev.settings import CAPTURE, HOME_DOMAIN, PORTS, WORLD, DevSettings
from mailstack.server.mail_server import MailServer
from mailstack.server.smtp_listeners import SmtpService


class DevEnvironment:
    """Servers, store, index and pages of `mailstack dev`.

    No connection leaves the machine, except to the relay of the settings.
    """

    def __init__(self, reactor: Any, settings: DevSettings, journal: Journal) -> None:
        self.settings = settings
        self._parts = parts = EnvironmentParts(reactor, settings)
        self.data = parts.data
        self.accounts = parts.accounts
        self.store = parts.store
        self.index = parts.index
        self.faults = parts.faults
        self.travel = parts.travel
        """Control of the environment's clock."""
        self.ca_file = parts.keys / "ca.pem"
        self._servers = servers = Servers(parts)
        self._forwarder = AutoForwarder(settings, parts.store, parts.clock, servers.letter_release)
        servers.journal = self._forwarder.wrap_journal(journal)
        self._trim_task = PeriodicTask(parts.clock, self._trim)

    @property
    def services(self) -> Mapping[str, HostPort]:
        """Addresses of the services, once they listen."""
        return self._servers.services

    async def start(self) -> None:
        """Opens the store and binds all ports.

        Raises StoreError, TlsError, OSError, ValueError (for a letter of `preload`), twisted.internet.error.CannotListenError.
        """
        await self._parts.open()
        await self._listen()
        await self.index.start()
        await self._servers.start()
        await self._forwarder.start()
        if self.settings.preload is not None:
            await self._preload(self.settings.preload)
        if self.settings.max_letters is not None:
            self._trim_task.start(1.0)

    async def _listen(self) -> None:
        """Adds the servers, and binds their ports."""
        settings, data, servers = self.settings, self.data, self._servers
        home_routes: dict[str, RouteTarget] = {}
        world = servers.add(
            world_config(settings, data, StaticRoutes(home_routes)), OpenDirectory([HOME_DOMAIN], WORLD)
        )
        world_mx = await self._bind_mx(world)
        home = servers.add(
            home_config(settings, data, world_mx.port), self.accounts.directory, dev_site(self._parts, servers)
        )
        if (outlet := settings.relay) is not None:
            config = relay_config(outlet, settings, data, world_mx.port)
            servers.add(config, StoreDirectory(self.store.accounts, (), self._parts.clock), outlet=outlet)
        capture = servers.add(capture_config(settings, data), OpenDirectory((), CAPTURE))
        await home.listen()
        # Filled in when the port of home is known: the world relays reports to home.
        home_mx = await self._bind_mx(home)
        home_routes[HOME_DOMAIN] = RouteTarget(home_mx.host, home_mx.port)
        await self._bind_capture(capture)
        listeners = {**capture.listeners.bound, **home.listeners.bound}
        servers.services = {name: listeners[name].addresses[0] for name in (*PORTS, "captures") if name in listeners}

    async def _bind_mx(self, server: MailServer) -> HostPort:
        await server.listeners.bind("mx", server.listeners.smtp.mx(), [endpoint(self.settings.host)])
        (address,) = server.listeners.bound["mx"].addresses
        return address

    async def _bind_capture(self, capture: MailServer) -> None:
        settings, parts = self.settings, self._parts
        station, login = capture_rules(settings, capture.exchange, self.accounts.passwords, parts.clock)
        for name in ("capture", "captures"):
            if name == "capture" or name in settings.at:
                service = SmtpService(
                    "smtp",
                    station,
                    capture.config.exchange,
                    authenticator=login,
                    require_tls=False,
                    implicit_tls=name == "captures",
                    bare_newlines="reject" if settings.strict_newlines else "accept",
                )
                listener = capture.listeners.smtp.listener(service)
                await capture.listeners.bind(name, listener, [endpoint_of(settings, name)])

    async def stop(self, timeout: float = 1.0) -> None:
        """Stops all servers, and removes a temporary data directory.

        Open sessions have `timeout` seconds to finish.
        """
        self._trim_task.stop()
        # Ends requests that wait for a letter.
        self.index.feed.close()
        await self._forwarder.stop(timeout)
        await self._servers.stop(timeout)
        await self._parts.close()

    def facts(self) -> dict[str, Any]:
        """JSON object of `mailstack dev --json`, once all ports listen."""
        web = self.services["web"]
        return {
            "ready": True,
            "ca_file": str(self.ca_file),
            "web": _web_url(web),
            "data": str(self.data),
            "domains": [HOME_DOMAIN],
            "services": {name: {"host": at.host, "port": at.port} for name, at in self.services.items()},
            "ahead": self.travel.ahead,
            "accounts": [{"address": address, "password": password} for address, password in self.settings.accounts],
        }

    async def add_account(self, address: str, password: str) -> None:
        """Adds an account. Raises AddressError, Conflict, and ValueError for an invalid password."""
        await self.accounts.add(address, password)

    async def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Sets the targets of an alias. Raises AddressError, Conflict."""
        await self.accounts.add_alias(address, targets)

    async def _preload(self, directory: Path) -> None:
        """Raises ValueError, OSError."""
        from mailstack.sandbox.dev.accounts import preload  # noqa: PLC0415 - rarely used
        from mailstack.web.submission import WebSubmission  # noqa: PLC0415

        parts = self._parts
        await preload(
            directory, WebSubmission(self._servers.all[CAPTURE].exchange, parts.clock).submit, parts.in_thread
        )

    async def _trim(self) -> None:
        for name in self._servers.all:
            await self.store.history.prune(name, before=0.0, keep=self.settings.max_letters)


def _web_url(web: HostPort) -> str:
    """URL of the pages; a wildcard address, to which no client connects, becomes localhost."""
    is_wildcard = ip_address(web.host).is_unspecified
    host = "localhost" if is_wildcard else f"[{web.host}]" if ":" in web.host else web.host
    return f"http://{host}:{web.port}/"
