"""What answers behind the web's door of a server: all its pages, and the channels on which they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from mailstack.config.key_files import identities, made_here, own_directory
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.web.admin_hooks import SiteExtension
from mailstack.web.api.context import ApiContext
from mailstack.web.api.routes import api_routes
from mailstack.web.autoconfig.services import services_of
from mailstack.web.body import Bounds
from mailstack.web.channel import WebChannel
from mailstack.web.client_files import ProfileSigner, client_files
from mailstack.web.cors import Origins
from mailstack.web.html_pages import front_pages, instruction_pages
from mailstack.web.listener import Speak
from mailstack.web.login import login_of, open_routes
from mailstack.web.server_info import ShownServer
from mailstack.web.site import AllowAll, Site
from mailstack.web.static_files import inbox_pages


async def hosted(bound: Mapping[str, int], behind: ApiContext) -> Speak:
    """HTTP for a server whose services listen on the ports `bound`."""
    config, options = behind.config, behind.options
    reactor = behind.requests.reactor
    ca_file = own_directory(config) / "ca.pem" if made_here(config) else None
    signer = ProfileSigner(behind.requests.in_thread, identities(config)[0])
    services = services_of(config, bound)
    shown = ShownServer(config, services, reactor.seconds, options.shown_accounts, ca_file, signer.sign)
    web = config.web
    bounds = Bounds(
        web.max_body,
        web.request_timeout,
        config.limits.session_time,
        web.max_upload,
        max(web.max_upload, web.max_uploads),
    )
    extension = None if options.extend is None else await options.extend(behind.requests.places)
    return spoken(reactor, site_of(shown, behind, extension), bounds)


def spoken(reactor: Any, site: Site, bounds: Bounds) -> Speak:
    """HTTP, about a site."""
    room = MemoryBudget(bounds.held)
    return lambda gone, remote: WebChannel(reactor, site, bounds, room, gone, remote)


def site_of(server: ShownServer, behind: ApiContext | None = None, extension: SiteExtension | None = None) -> Site:
    """Site of a server: pages, `extension`, and the API. Without `behind` there is no API."""
    extension = extension or SiteExtension()
    if behind is not None and not behind.options.no_login:
        # Where one has to log in, the page that all may see does not say how.
        server = replace(server, accounts=())
    has_inbox = behind is not None and behind.index is not None
    first = (*inbox_pages(), *front_pages(server, "/server")) if has_inbox else front_pages(server)
    pages = (*first, *instruction_pages(server), *client_files(server), *extension.pages)
    if behind is None:
        return Site(pages, server.hosts, root=server.config.web.root)
    login = None if behind.options.no_login else login_of(behind)
    logins = login.routes if login else open_routes()
    return Site(
        (*pages, *api_routes(behind, (*extension.api, *logins))),
        server.hosts,
        doorkeeper=login or AllowAll(),
        origins=Origins(server.config.web.cors),
        root=server.config.web.root,
        sessions=behind.requests.sessions,
    )
