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
        if not ask.visitor.is_admin:
            await self._check_author(ask, wanted)
        found = await journey_of(self._store, LetterId(wanted))
        if found is None:
            raise _unknown(wanted)
        return in_json(journey_json(found))

    async def _check_author(self, ask: Ask, letter: str) -> None:
        """A journey names all recipients: it is for who named them. Raises Trouble 404."""
        item = None
        if self._catalogue is not None:
            await self._catalogue.up_to_date()
            item = await self._catalogue.item(letter, seen_by(ask))
        if item is None:
            raise _unknown(letter)
        if item.account != ask.visitor.account:
            raise Trouble(404, "This letter's journey is for who sent it: it names all recipients.")


def _unknown(letter: str) -> Trouble:
    return Trouble(404, f"No office here knows a letter {letter[:40]}.")
