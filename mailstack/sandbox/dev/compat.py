"""What a dev environment has of other tools for tests: their pages, Mailpit's webhook, and MailHog's monkey."""

# Few have more than the pages of them, and those only when somebody has come to the web: nothing else pays for them.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mailstack.sandbox.dev.settings import HOME_DOMAIN

if TYPE_CHECKING:
    from mailstack.sandbox.compat.mailhog.monkey import Monkey
    from mailstack.sandbox.compat.mailpit.webhook import Hooked
    from mailstack.sandbox.dev.environment import DevEnvironment
    from mailstack.web.api.stream_limits import StreamLimits


async def compat_routes(environment: DevEnvironment, places: StreamLimits) -> Sequence[Any]:
    """Routes (mailstack.web.routes)."""
    await environment.in_thread(partial(import_module, "mailstack.sandbox.compat.pages"))
    from mailstack.sandbox.compat.context import CompatContext
    from mailstack.sandbox.compat.mailhog.monkey import Monkey
    from mailstack.sandbox.compat.mailpit.about import Told
    from mailstack.sandbox.compat.pages import Accounts, peer_pages
    from mailstack.web.compose import ComposeLimits
    from mailstack.web.submission import WebSubmission

    settings, clock = environment.settings, environment.clock
    accounts, submission = environment.accounts, environment.home.config.submission
    return peer_pages(
        CompatContext(
            catalogue=environment.catalogue,
            clock=clock,
            in_thread=environment.web_pool.run,
            limits=ComposeLimits(
                settings.max_size or submission.max_size, settings.max_recipients or submission.max_recipients
            ),
            capture=WebSubmission(environment.capture.exchange, clock),
            outward=WebSubmission(environment.home.exchange, clock),
            leaving=environment.relay,
            faults=environment.faults,
            look=environment.look,
            places=places,
            senders=environment.accounts.senders(),
            jim=environment.jim or Monkey(environment.faults),
            judge=environment.judge if settings.spam_filter else None,
        ),
        Accounts(
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
        Told(
            tally=environment.tally,
            label=settings.label,
            relay=settings.relay,
            spam_assassin=settings.spam_filter is not None,
            data=environment.data,
        ),
        mailhog_first=settings.compat == "mailhog",
    )


def mailpit_webhook(environment: DevEnvironment) -> Hooked | None:
    """Mailpit's webhook; to be made before the store is opened."""
    settings = environment.settings
    if not settings.webhook:
        return None
    from mailstack.sandbox.compat.mailpit.webhook import Hooked

    return Hooked(
        environment.reactor,
        environment.store,
        environment.clock,
        environment.catalogue,
        url=settings.webhook,
        label=settings.label,
    )


def chaos_monkey(environment: DevEnvironment) -> Monkey | None:
    """MailHog's Jim, as he is when he comes with it."""
    if (jim := environment.settings.jim) is None:
        return None
    from mailstack.sandbox.compat.mailhog.monkey import Monkey

    monkey = Monkey(environment.faults)
    monkey.come(jim)
    return monkey
