"""What Mailpit says of itself: its state, the settings of its interface, and whether it is alive."""

from __future__ import annotations

import resource
from pathlib import Path

from msgspec import Struct

from mailstack import __version__
from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.mailbox.index.feed import Tally
from mailstack.mailbox.index.items import ItemFilter
from mailstack.protocols.connection import Clock
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.mailpit.metrics import metric_pages
from mailstack.sandbox.compat.mailpit.shapes import Information, Interface, MessageRelay, RuntimeStats
from mailstack.web.http_values import Request, Response, in_json, plain
from mailstack.web.routes import Route
from mailstack.web.routes import RouteDoc as Says

VERSION = f"v1.30.5 (mailstack {__version__})"
"""Whose API this is: clients look at the number for what they can ask."""


class Told(Struct, frozen=True):
    """What an instance was told, and what it can."""

    tally: Tally
    label: str = ""
    spam_assassin: bool = False
    relay: ExternalRelay | None = None
    """By which released letters leave; None: they stay here."""
    data: Path | None = None
    """Its directory."""


def about_pages(catalogue: LetterIndex, clock: Clock, told: Told) -> tuple[Route, ...]:
    """Pages that are about no message."""
    pages = _About(catalogue, clock, told)
    return (
        Route("GET", "/api/v1/info", pages.info, "admin", told=Says("What there is.", gives=Information)),
        Route("GET", "/api/v1/webui", pages.interface, "admin", told=Says("What the pages may show.", gives=Interface)),
        *metric_pages(pages.information),
        Route("GET", "/livez", pages.alive),
        Route("GET", "/readyz", pages.ready),
    )


class _About:
    def __init__(self, catalogue: LetterIndex, clock: Clock, told: Told) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._told = told

    async def info(self, _: Request) -> Response:
        return in_json(await self.information())

    async def information(self) -> Information:
        """As of now."""
        await self._catalogue.up_to_date()
        listed = await self._catalogue.listed(ItemFilter(), 0)
        data, tally = self._told.data, self._told.tally
        files = [each for each in (data.iterdir() if data else ()) if ".sqlite3" in each.name]
        return Information(
            version=VERSION,
            latest_version=VERSION,
            database=str(data or ""),
            database_size=sum(each.stat().st_size for each in files),
            messages=listed.total,
            unread=listed.unread,
            tags=await self._catalogue.tags(),
            runtime_stats=RuntimeStats(
                uptime=int(self._clock.now() - tally.begun),
                memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                messages_deleted=tally.deleted,
                smtp_accepted=tally.accepted,
                smtp_accepted_size=tally.octets,
                smtp_rejected=0,
                smtp_ignored=0,
            ),
        )

    async def interface(self, _: Request) -> Response:
        told = self._told
        return in_json(
            Interface(
                label=told.label,
                message_relay=_shown(told.relay),
                spam_assassin=told.spam_assassin,
                chaos_enabled=True,
                duplicates_ignored=False,
                hide_delete_all_button=False,
            )
        )

    async def alive(self, _: Request) -> Response:
        return plain("OK")

    async def ready(self, _: Request) -> Response:
        """Once the catalogue can be asked."""
        await self._catalogue.listed(ItemFilter(), 0)
        return plain("OK")


def _shown(relay: ExternalRelay | None) -> MessageRelay:
    """Letters can always be released: without a relay they stay here."""
    if relay is None:
        return MessageRelay(enabled=True)
    return MessageRelay(
        enabled=True,
        smtp_server=f"{relay.host}:{relay.port}",
        return_path=relay.return_path,
        allowed_recipients=relay.allowed,
        blocked_recipients=relay.blocked,
        override_from=relay.override_from,
        preserve_message_ids=relay.keeps_message_id,
    )
