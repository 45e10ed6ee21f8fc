"""Web site of a server: pages, API, and the protocol of its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from mailstack.config.source import identities, made_here, own_directory
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.web.admin_hooks import SiteExtension
from mailstack.web.api.routes import api_routes
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.channel import WebChannel
from mailstack.web.client_files import ProfileSigner, client_file_routes, inbox_routes
from mailstack.web.cors import CorsPolicy
from mailstack.web.flow_control import HttpLimits
from mailstack.web.html_pages import front_routes, setup_routes
from mailstack.web.listener import ProtocolFactory
from mailstack.web.login import login_from_context, me_routes
from mailstack.web.server_info import ApiContext, PublicServerInfo
from mailstack.web.site import AllowAll, Site


async def protocol_factory(bound: Mapping[str, int], context: ApiContext) -> ProtocolFactory:
    """Return the protocol factory of a server; `bound` has the port of each service."""
    config, options = context.config, context.options
    reactor = context.requests.reactor
    ca_file = own_directory(config) / "ca.pem" if made_here(config) else None
    signer = ProfileSigner(context.requests.in_thread, identities(config)[0])
    services = services_from_config(config, bound)
    shown = PublicServerInfo(config, services, reactor.seconds, options.shown_accounts, ca_file, signer.sign)
    web = config.web
    bounds = HttpLimits(
        web.max_body,
        web.request_timeout,
        config.limits.session_time,
        web.max_upload,
        max(web.max_upload, web.max_uploads),
    )
    extension = None if options.extend is None else await options.extend(context.requests.stream_limits)
    return http_factory(reactor, build_site(shown, context, extension), bounds)


def http_factory(reactor: Any, site: Site, bounds: HttpLimits) -> ProtocolFactory:
    """Return a factory of HTTP connections that serve a site."""
    room = MemoryBudget(bounds.held)
    return lambda gone, remote: WebChannel(reactor, site, bounds, room, gone, remote)


def build_site(
    server: PublicServerInfo, context: ApiContext | None = None, extension: SiteExtension | None = None
) -> Site:
    """Site of a server: pages, `extension`, and the API. Without `behind` there is no API."""
    extension = extension or SiteExtension()
    if context is not None and not context.options.no_login:
        # The front page is public: with a login, it must not show passwords.
        server = replace(server, accounts=())
    has_inbox = context is not None and context.index is not None
    first = (*inbox_routes(), *front_routes(server, "/server")) if has_inbox else front_routes(server)
    pages = (*first, *setup_routes(server), *client_file_routes(server), *extension.pages)
    if context is None:
        return Site(pages, server.hosts, root=server.config.web.root)
    login = None if context.options.no_login else login_from_context(context)
    logins = login.routes if login else me_routes()
    return Site(
        (*pages, *api_routes(context, (*extension.api, *logins))),
        None if context.options.any_host else server.hosts,
        authenticator=login or AllowAll(),
        cors=CorsPolicy(server.config.web.cors),
        root=server.config.web.root,
        sessions=context.requests.sessions,
        host_advice=context.options.host_advice,
    )
