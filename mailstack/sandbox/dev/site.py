"""Web site of a dev environment: options, API and compat routes."""

# Loaded when the first page is requested: most environments are never looked at.
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from mailstack.relay.loopback import is_loopback
from mailstack.sandbox.dev.compat import compat_routes
from mailstack.sandbox.dev.parts import EnvironmentParts
from mailstack.sandbox.dev.servers import Servers

if TYPE_CHECKING:
    from mailstack.web.admin_hooks import SiteExtension, WebOptions
    from mailstack.web.api.stream_limits import StreamLimits


def dev_site(parts: EnvironmentParts, servers: Servers) -> WebOptions:
    """Pages that need no login where only this machine reaches them."""
    from mailstack.web.admin_hooks import AdminHooks, WebOptions

    settings, accounts = parts.settings, parts.accounts
    admin = AdminHooks(
        keep_password=accounts.passwords.keep,
        forget=accounts.directory.forget,
        look=parts.look,
        judge=parts.judge if settings.spam_filter else None,
        release=servers.release if settings.relay else None,
    )
    return WebOptions(
        admin,
        in_thread=parts.web_pool.run,
        extend=partial(_extend, parts, servers),
        no_login=is_loopback(settings.web_host) and not settings.web_logins,
        shown_accounts=settings.accounts,
    )


async def _extend(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> SiteExtension:
    await parts.in_thread(partial(import_module, "mailstack.sandbox.compat.pages"))
    from mailstack.sandbox.dev.api import environment_routes
    from mailstack.web.admin_hooks import SiteExtension

    api = environment_routes(servers.infos, parts.zone, parts.travel, parts.faults, parts.log)
    return SiteExtension(api, compat_routes(parts, servers, streams))
