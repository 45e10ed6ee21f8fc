"""Journeys: one letter's life, across every office of the store."""

from __future__ import annotations

from typing import Any

from mailstack.catalogue.catalogue import Catalogue
from mailstack.journey.following import journey_of
from mailstack.journey.records import journey_json
from mailstack.letter import LetterId
from mailstack.store import Store
from mailstack.web.api.choosing import seen_by
from mailstack.web.asking import Answer, Ask, Trouble, in_json
from mailstack.web.routes import Route, Told


def journey_routes(store: Store, catalogue: Catalogue | None) -> tuple[Route, ...]:
    """The route about journeys."""
    told = Told("A letter's steps, the oldest first.", gives=dict[str, Any])
    return (Route("GET", "/v1/journeys/{id}", Journeys(store, catalogue).journey, "user", told=told),)


class Journeys:
    """The page behind it."""

    def __init__(self, store: Store, catalogue: Catalogue | None) -> None:
        self._store = store
        self._catalogue = catalogue

    async def journey(self, ask: Ask) -> Answer:
        wanted = ask.variables["id"]
        if not await self._may_see(ask, wanted) or (found := await journey_of(self._store, LetterId(wanted))) is None:
            raise Trouble(404, f"No office here knows a letter {wanted[:40]}.")
        return in_json(journey_json(found))

    async def _may_see(self, ask: Ask, letter: str) -> bool:
        if ask.visitor.is_admin:
            return True
        if self._catalogue is None:
            return False
        await self._catalogue.up_to_date()
        item = await self._catalogue.item(letter, seen_by(ask))
        # A journey names all recipients: it is for who named them.
        return item is not None and item.account == ask.visitor.account
