"""Web site of a dev environment: options, API and compat routes."""

# Loaded with the first request for a page.
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from mailstack.relay.external_relay import is_loopback
from mailstack.sandbox.dev.parts import EnvironmentParts
from mailstack.sandbox.dev.servers import Servers
from mailstack.sandbox.dev.settings import CAPTURE, HOME, HOME_DOMAIN

if TYPE_CHECKING:
    from mailstack.web.api.events import StreamLimits
    from mailstack.web.context import SiteExtension, WebOptions
    from mailstack.web.http_messages import HttpRoute


def dev_site(parts: EnvironmentParts, servers: Servers) -> WebOptions:
    """Options of the pages; on loopback they need no login."""
    from mailstack.web.context import AdminHooks, WebOptions

    settings, accounts = parts.settings, parts.accounts
    admin = AdminHooks(
        hash_password=accounts.passwords.hash,
        invalidate_directory=accounts.directory.forget,
        head=parts.head,
        check_spam=parts.check_spam if settings.spam_filter else None,
        release=servers.release if settings.relay else None,
    )
    return WebOptions(
        admin,
        in_thread=parts.web_pool.run,
        extend=partial(_extend, parts, servers),
        no_login=(settings.open or is_loopback(settings.web_host)) and not settings.web_logins,
        any_host=settings.open,
        host_advice="start `mailstack dev` with --web-host NAME, or with --open",
        shown_accounts=settings.accounts,
    )


async def _extend(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> SiteExtension:
    await parts.in_thread(partial(import_module, "mailstack.sandbox.compat.pages"))
    from mailstack.sandbox.dev.api import environment_routes
    from mailstack.web.context import SiteExtension

    api = environment_routes(servers.infos, parts.zone, parts.travel, parts.faults, parts.log)
    return SiteExtension(api, compat_routes(parts, servers, streams))


def compat_routes(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> tuple[HttpRoute, ...]:
    """Routes of the Mailpit, MailHog and GreenMail APIs."""
    from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
    from mailstack.sandbox.compat.pages import tool_routes
    from mailstack.web.compose import ComposeLimits
    from mailstack.web.submission import WebSubmission

    settings, clock, accounts = parts.settings, parts.clock, parts.accounts
    capture, home = servers.all[CAPTURE], servers.all[HOME]
    submission = home.config.submission
    return tool_routes(
        CompatContext(
            index=parts.index,
            clock=clock,
            in_thread=parts.web_pool.run,
            limits=ComposeLimits(
                settings.max_size or submission.max_size, settings.max_recipients or submission.max_recipients
            ),
            capture=WebSubmission(capture.exchange, clock),
            outward=WebSubmission(home.exchange, clock),
            letter_release=servers.relay,
            relay=settings.relay,
            faults=parts.faults,
            head=parts.head,
            stream_limits=streams,
            counters=parts.counters,
            senders=accounts.senders(),
            check_spam=parts.check_spam if settings.spam_filter else None,
            data=parts.data,
        ),
        CompatAccounts(
            parts.store,
            accounts.add,
            accounts.remove,
            accounts.reset,
            lambda: servers.services,
            HOME_DOMAIN,
            accounts.names,
            any_password=settings.any_password,
            preload=settings.preload,
        ),
        mailhog_first=settings.compat == "mailhog",
    )
