"""Routes of the APIs of Mailpit, MailHog and GreenMail for one dev environment."""

# Few environments are asked for a page: nothing else loads what these routes need.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mailstack.sandbox.dev.settings import HOME_DOMAIN

if TYPE_CHECKING:
    from mailstack.sandbox.dev.environment import DevEnvironment
    from mailstack.web.api.stream_limits import StreamLimits


async def compat_routes(environment: DevEnvironment, places: StreamLimits) -> Sequence[Any]:
    """Routes (mailstack.web.routes) of all three."""
    await environment.in_thread(partial(import_module, "mailstack.sandbox.compat.pages"))
    from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
    from mailstack.sandbox.compat.pages import peer_pages
    from mailstack.web.compose import ComposeLimits
    from mailstack.web.submission import WebSubmission

    settings, clock = environment.settings, environment.clock
    accounts, submission = environment.accounts, environment.home.config.submission
    return peer_pages(
        CompatContext(
            index=environment.index,
            clock=clock,
            in_thread=environment.web_pool.run,
            limits=ComposeLimits(
                settings.max_size or submission.max_size, settings.max_recipients or submission.max_recipients
            ),
            capture=WebSubmission(environment.capture.exchange, clock),
            outward=WebSubmission(environment.home.exchange, clock),
            leaving=environment.relay,
            relay=settings.relay,
            faults=environment.faults,
            look=environment.look,
            places=places,
            tally=environment.tally,
            senders=accounts.senders(),
            judge=environment.judge if settings.spam_filter else None,
            data=environment.data,
        ),
        CompatAccounts(
            environment.store,
            accounts.add,
            accounts.remove,
            accounts.reset,
            lambda: environment.services,
            HOME_DOMAIN,
            accounts.names,
            any_password=settings.any_password,
            preload=settings.preload,
        ),
        mailhog_first=settings.compat == "mailhog",
    )
