"""Compat routes of a dev environment: the APIs of Mailpit, MailHog and GreenMail."""

# Few environments are asked for a page: nothing else loads what these routes need.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING

from mailstack.sandbox.dev.parts import EnvironmentParts
from mailstack.sandbox.dev.servers import Servers
from mailstack.sandbox.dev.settings import CAPTURE, HOME, HOME_DOMAIN

if TYPE_CHECKING:
    from mailstack.web.api.stream_limits import StreamLimits
    from mailstack.web.routes import Route


def compat_routes(parts: EnvironmentParts, servers: Servers, streams: StreamLimits) -> tuple[Route, ...]:
    """Routes of all three."""
    from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
    from mailstack.sandbox.compat.pages import peer_pages
    from mailstack.web.compose import ComposeLimits
    from mailstack.web.submission import WebSubmission

    settings, clock, accounts = parts.settings, parts.clock, parts.accounts
    capture, home = servers.all[CAPTURE], servers.all[HOME]
    submission = home.config.submission
    return peer_pages(
        CompatContext(
            index=parts.index,
            clock=clock,
            in_thread=parts.web_pool.run,
            limits=ComposeLimits(
                settings.max_size or submission.max_size, settings.max_recipients or submission.max_recipients
            ),
            capture=WebSubmission(capture.exchange, clock),
            outward=WebSubmission(home.exchange, clock),
            leaving=servers.relay,
            relay=settings.relay,
            faults=parts.faults,
            look=parts.look,
            places=streams,
            tally=parts.tally,
            senders=accounts.senders(),
            judge=parts.judge if settings.spam_filter else None,
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
