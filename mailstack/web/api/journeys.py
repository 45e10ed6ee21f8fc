"""Journeys: one letter's life, across every server of the store."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.step import Step
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import Store
from mailstack.store.journey import journey_of
from mailstack.store.journey_json import journey_json
from mailstack.web.api.filters import seen_by
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.routes import Route, RouteDoc


def journey_routes(store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> tuple[Route, ...]:
    """The route about journeys. `hide_client` shows the address of a reader's client to administrators only."""
    told = RouteDoc("A letter's steps, the oldest first.", gives=dict[str, Any])
    pages = Journeys(store, index, hide_client=hide_client)
    return (Route("GET", "/v1/journeys/{id}", pages.journey, "user", told=told),)


_READER = frozenset({"client", "tls"})
"""Facts of a `collected` step about the client of the mailbox's owner."""


class Journeys:
    """The page behind it."""

    def __init__(self, store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> None:
        self._store = store
        self._index = index
        self._hide_client = hide_client

    async def journey(self, ask: Request) -> Response:
        wanted = ask.variables["id"]
        if not ask.visitor.is_admin:
            await self._check_author(ask, wanted)
        found = await journey_of(self._store, LetterId(wanted))
        if found is None:
            raise _unknown(wanted)
        if self._hide_client and not ask.visitor.is_admin:
            steps = tuple([_without_reader(step, ask.visitor.account) for step in found.steps])
            found = replace(found, steps=steps)
        return in_json(journey_json(found))

    async def _check_author(self, ask: Request, letter: str) -> None:
        """A journey names all recipients: it is for who named them. Raises Trouble 404."""
        item = None
        if self._index is not None:
            await self._index.up_to_date()
            item = await self._index.item(letter, seen_by(ask))
        if item is None:
            raise _unknown(letter)
        if item.account != ask.visitor.account:
            raise HttpError(404, "This letter's journey is for who sent it: it names all recipients.")


def _without_reader(step: Step, account: str) -> Step:
    """The step, without the client of another account that fetched the letter."""
    if step.step != "collected" or step.facts.get("by") == account:
        return step
    return replace(step, facts={name: fact for name, fact in step.facts.items() if name not in _READER})


def _unknown(letter: str) -> HttpError:
    return HttpError(404, f"No server here knows a letter {letter[:40]}.")
