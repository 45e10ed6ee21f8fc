"""The pages of other tools for tests, together: where two of them have the same path, one answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct

from mailstack.accounts.login_names import LoginNames
from mailstack.letter.connection import HostPort
from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.greenmail.service import service_pages
from mailstack.sandbox.compat.greenmail.users import user_pages
from mailstack.sandbox.compat.james import james_pages
from mailstack.sandbox.compat.mailhog.messages import message_pages
from mailstack.sandbox.compat.mailpit.about import Told
from mailstack.sandbox.compat.mailpit.pages import mailpit_pages
from mailstack.store import Store
from mailstack.web.api.description import About, Description
from mailstack.web.letter_reader import Shelf
from mailstack.web.routes import Route

_GREENMAIL = About(
    "GreenMail's API, answered by mailstack",
    "Users, their messages, and the service, on the paths that GreenMail has. It is JSON, which YAML is a superset of.",
    refused_in=("application/json", "text/plain"),
)


class Accounts(Struct, frozen=True):
    """The accounts of the environment, and its services."""

    store: Store
    add: Callable[[str, str], Awaitable[None]]
    """An account with its password. Raises Conflict, AddressError, ValueError."""
    remove: Callable[[str], Awaitable[None]]
    """By its key."""
    reset: Callable[[], Awaitable[None]]
    """Brings back those of the start, and no others."""
    services: Callable[[], Mapping[str, HostPort]]
    domain: str
    """That of logins without one."""
    names: LoginNames
    """Logins that are no addresses."""
    any_password: bool = False
    preload: Path | None = None
    """Where letters came from at the start."""


def peer_pages(
    ground: CompatContext, accounts: Accounts, told: Told, *, mailhog_first: bool = False
) -> tuple[Route, ...]:
    """Mailpit's, MailHog's, GreenMail's, and the behaviors of James. With `mailhog_first` what Mailpit has as well answers as MailHog does."""
    hog = message_pages(ground, is_first=mailhog_first)
    taken = {(route.method, route.path) for route in hog}
    green = _greenmail(ground, accounts)
    pit = [route for route in mailpit_pages(ground, told) if (route.method, route.path) not in taken]
    return (
        *pit,
        *hog,
        *green,
        *james_pages(ground.faults),
        Description(green, "/greenmail-openapi.yml", _GREENMAIL).route,
    )


def _greenmail(ground: CompatContext, accounts: Accounts) -> tuple[Route, ...]:
    return (
        *user_pages(
            accounts.store,
            Shelf(ground.catalogue, ground.in_thread),
            accounts.add,
            accounts.remove,
            accounts.domain,
            accounts.names,
        ),
        *service_pages(
            accounts.store,
            ground.catalogue,
            accounts.services,
            accounts.reset,
            any_password=accounts.any_password,
            preload=accounts.preload,
        ),
    )
