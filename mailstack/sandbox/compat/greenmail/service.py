"""GreenMail's service: what it runs with, whether it is ready, and all of it emptied, or as it was at the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct, field

from mailstack.letter.connection import HostPort
from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.mailbox.index.items import ItemFilter
from mailstack.sandbox.compat.greenmail.users import Said, said
from mailstack.store import Conflict, MaildropInUse, Store
from mailstack.store.archive import ARCHIVE
from mailstack.web.http_values import Request, Response, in_json
from mailstack.web.routes import Route, RouteDoc

AT_ONCE = 500
"""Letters that leave a mailbox in one transaction."""


class ServerSetup(Struct, frozen=True, rename="camel"):
    """One service; times in milliseconds, -1: none."""

    port: int
    address: str
    protocol: str
    is_secure: bool
    read_timeout: int = -1
    write_timeout: int = -1
    connection_timeout: int = -1
    server_startup_timeout: int = 2000
    is_dynamic_port: bool = False


class Configuration(Struct, frozen=True, rename="camel"):
    server_setups: tuple[ServerSetup, ...] = field(name="serverSetups")
    authentication_disabled: bool = False
    sieve_ignore_detail: bool = False
    preload_directory: str | None = None


_PROTOCOLS = {
    "capture": "smtp",
    "submission": "smtp",
    "submissions": "smtps",
    "pop3": "pop3",
    "pop3s": "pop3s",
    "web": "api",
}


def service_pages(
    store: Store,
    catalogue: LetterIndex,
    services: Callable[[], Mapping[str, HostPort]],
    reset: Callable[[], Awaitable[None]],
    *,
    any_password: bool,
    preload: Path | None = None,
) -> tuple[Route, ...]:
    """`reset` brings back the accounts of the start."""

    async def configuration(_: Request) -> Response:
        setups = [
            ServerSetup(at.port, at.host, _PROTOCOLS[name], _PROTOCOLS[name].endswith("s"))
            for name, at in services().items()
            if name in _PROTOCOLS
        ]
        directory = None if preload is None else str(preload)
        return in_json(Configuration(tuple(setups), any_password, preload_directory=directory))

    async def purge(_: Request) -> Response:
        await empty(store, catalogue)
        return said("Purged mails")

    async def started_anew(_: Request) -> Response:
        await empty(store, catalogue)
        await reset()
        return said("Performed reset")

    async def ready(_: Request) -> Response:
        return said("Service running") if services() else said("Service not running", 503)

    return (
        Route(
            "GET", "/api/configuration", configuration, "admin", told=RouteDoc("What runs here.", gives=Configuration)
        ),
        Route("POST", "/api/mail/purge", purge, "admin", told=RouteDoc("Empty all mailboxes.", gives=Said)),
        Route(
            "POST",
            "/api/service/reset",
            started_anew,
            "admin",
            told=RouteDoc("As it was at the start: no letters, and the first accounts.", gives=Said),
        ),
        Route("GET", "/api/service/readiness", ready, told=RouteDoc("Whether it runs.", gives=Said)),
    )


async def empty(store: Store, catalogue: LetterIndex) -> None:
    """Every mailbox, and the list of letters. A mailbox that a session holds keeps what that session has not deleted."""
    await catalogue.up_to_date()
    await catalogue.delete(ItemFilter())
    for mailbox in await store.mailboxes():
        # The archive is the catalogue's.
        while mailbox != ARCHIVE and (entries := await store.entries(mailbox, 0, AT_ONCE)):
            try:
                await store.update_maildrop(mailbox, collected=(), deleted=[entry.uid for entry in entries], steps=())
            except (Conflict, MaildropInUse):
                break
