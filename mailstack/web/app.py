"""What answers behind the web's door of an office: all its pages, and the channels on which they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.threads import deferToThreadPool

from mailstack.config import Config
from mailstack.config.certificates import identities, made_here, own_directory
from mailstack.protocols.memory_budget import MemoryBudget
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
from mailstack.web.routes import Route
from mailstack.web.server_info import ShownOffice
from mailstack.web.site import AllowAll, Site
from mailstack.web.static_files import inbox_pages


def hosted(
    reactor: Any,
    config: Config,
    bound: Mapping[str, int],
    *,
    accounts: tuple[tuple[str, str], ...] = (),
    more: Sequence[Route] = (),
    behind: ApiContext | None = None,
) -> Speak:
    """For an office whose services have the ports `bound`. `behind` is what the API stands on; None: there is none."""
    ca_file = own_directory(config) / "ca.pem" if made_here(config) else None
    in_thread = behind.in_thread if behind is not None else partial(deferToThreadPool, reactor, reactor.getThreadPool())
    signer = ProfileSigner(in_thread, identities(config)[0])
    shown = ShownOffice(config, services_of(config, bound), reactor.seconds, accounts, ca_file, signer.sign)
    web = config.web
    bounds = Bounds(
        web.max_body,
        web.request_timeout,
        config.limits.session_time,
        web.max_upload,
        max(web.max_upload, web.max_uploads),
    )
    return spoken(reactor, site_of(shown, more, behind), bounds)


def spoken(reactor: Any, site: Site, bounds: Bounds) -> Speak:
    """HTTP, about a site."""
    room = MemoryBudget(bounds.held)
    return lambda gone, remote: WebChannel(reactor, site, bounds, room, gone, remote)


def site_of(office: ShownOffice, more: Sequence[Route] = (), behind: ApiContext | None = None) -> Site:
    """Every page of an office, `more`, and its API."""
    if behind is not None and not behind.around.is_open:
        # Where one has to log in, the page that all may see does not say how.
        office = replace(office, accounts=())
    has_inbox = behind is not None and behind.index is not None
    first = (*inbox_pages(), *front_pages(office, "/office")) if has_inbox else front_pages(office)
    pages = (*first, *instruction_pages(office), *client_files(office), *more)
    if behind is None:
        return Site(pages, office.hosts, root=office.config.web.root)
    login = None if behind.around.is_open else login_of(behind)
    return Site(
        (*pages, *api_routes(behind, login.routes if login else open_routes())),
        office.hosts,
        doorkeeper=login or AllowAll(),
        origins=Origins(office.config.web.cors),
        root=office.config.web.root,
        sessions=behind.sessions,
    )
