"""The web's door: pages of one office on its endpoints, in clear or under TLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory

from mailstack.config import Config
from mailstack.config.certificates import identities, made_here, own_directory
from mailstack.net.crowd import Crowd
from mailstack.net.ports import EndpointOf, Ports, bind_anew
from mailstack.policy import Pass
from mailstack.policy.limits import ConnectionLimits
from mailstack.room import Room
from mailstack.setup.services import services_of
from mailstack.web.api.backstage import Backstage
from mailstack.web.api.routes import api_routes
from mailstack.web.channel import Bounds, WebChannel
from mailstack.web.client_files import client_files
from mailstack.web.front import front_pages
from mailstack.web.inbox import inbox_pages
from mailstack.web.instructions import instruction_pages
from mailstack.web.login import login_of, open_routes
from mailstack.web.office import ShownOffice
from mailstack.web.origins import Origins
from mailstack.web.routes import Route
from mailstack.web.signing import ProfileSigner
from mailstack.web.site import Everybody, Site
from mailstack.wire import HostPort


def web_door(
    reactor: Any,
    config: Config,
    bound: Mapping[str, int],
    limits: ConnectionLimits,
    *,
    implicit_tls: IOpenSSLServerConnectionCreator | None = None,
    accounts: tuple[tuple[str, str], ...] = (),
    more: Sequence[Route] = (),
    behind: Backstage | None = None,
    endpoint: EndpointOf = bind_anew,
) -> WebDoor:
    """The door of an office whose other services have the ports `bound`; with `implicit_tls` it is HTTPS.

    `behind` is what the API stands on; None: there is none.
    """
    ca_file = own_directory(config) / "ca.pem" if made_here(config) else None
    signer = ProfileSigner(reactor, identities(config)[0])
    shown = ShownOffice(config, services_of(config, bound), reactor.seconds, accounts, ca_file, signer.sign)
    ports = Ports(
        reactor,
        implicit_tls=implicit_tls,
        proxies=config.proxy.networks,
        proxy_timeout=config.proxy.timeout,
        endpoint=endpoint,
    )
    web = config.web
    bounds = Bounds(
        web.max_body,
        web.request_timeout,
        config.limits.session_time,
        web.max_upload,
        max(web.max_upload, web.max_uploads),
    )
    return WebDoor(reactor, site_of(shown, more, behind), ports, limits=limits, bounds=bounds)


def site_of(office: ShownOffice, more: Sequence[Route] = (), behind: Backstage | None = None) -> Site:
    """Every page of an office, `more`, and its API."""
    if behind is not None and not behind.around.is_open:
        # Where one has to log in, the page that all may see does not say how.
        office = replace(office, accounts=())
    has_inbox = behind is not None and behind.catalogue is not None
    first = (*inbox_pages(), *front_pages(office, "/office")) if has_inbox else front_pages(office)
    pages = (*first, *instruction_pages(office), *client_files(office), *more)
    if behind is None:
        return Site(pages, office.hosts)
    login = None if behind.around.is_open else login_of(behind)
    return Site(
        (*pages, *api_routes(behind, login.routes if login else open_routes())),
        office.hosts,
        doorkeeper=login or Everybody(),
        origins=Origins(office.config.web.cors),
    )


class WebDoor(Factory):
    """A mailstack.net.listening.Listener that speaks HTTP. Its connections count among those of all services."""

    noisy = False

    def __init__(self, reactor: Any, site: Site, ports: Ports, *, limits: ConnectionLimits, bounds: Bounds) -> None:
        self._reactor = reactor
        self._site = site
        self._ports = ports
        self._limits = limits
        self._bounds = bounds
        self._room = Room(bounds.held)
        self._channels: Crowd[WebChannel] = Crowd(reactor)

    @property
    def addresses(self) -> list[HostPort]:
        """Where it listens."""
        return self._ports.addresses

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
        await self._ports.listen(descriptions, self)

    def buildProtocol(self, addr: IAddress | None) -> WebChannel | None:  # noqa: N802
        remote = HostPort(getattr(addr, "host", ""), getattr(addr, "port", 0))
        if not isinstance(self._limits.admit(remote), Pass):
            return None

        def gone(channel: WebChannel) -> None:
            self._limits.release(remote)
            self._channels.gone(channel)

        channel = WebChannel(self._reactor, self._site, self._bounds, self._room, gone)
        self._channels.add(channel)
        return channel

    async def stop_listening(self) -> None:
        """Take no more connections, and end those that wait for a request."""
        await self._ports.close()
        for channel in self._channels:
            channel.end()

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the connections to end; after `timeout` seconds they are dropped."""
        await self._channels.wait_until_empty(timeout)
