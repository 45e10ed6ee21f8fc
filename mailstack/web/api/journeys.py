"""API route of journeys: steps of a letter over all servers of the store."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.step import Step
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import Store
from mailstack.store.journey import journey_json, journey_of
from mailstack.web.api.filters import visible_to
from mailstack.web.http_messages import HttpError, Request, Response, json_response
from mailstack.web.routes import HttpRoute, RouteDoc


def journey_routes(store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> tuple[HttpRoute, ...]:
    """Returns the route. `hide_client`: only administrators see the client address of a reader."""
    doc = RouteDoc("Get the steps of a letter, oldest first.", response=dict[str, Any])
    pages = JourneyPages(store, index, hide_client=hide_client)
    return (HttpRoute("GET", "/v1/journeys/{id}", pages.journey, "user", doc=doc),)


_READER_FACTS = frozenset({"client", "tls"})
"""Facts of a `collected` step about the client of the mailbox's owner."""


class JourneyPages:
    """Handler of the journey."""

    def __init__(self, store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> None:
        self._store = store
        self._index = index
        self._hide_client = hide_client

    async def journey(self, request: Request) -> Response:
        wanted = request.variables["id"]
        if not request.user.is_admin:
            await self._check_author(request, wanted)
        found = await journey_of(self._store, LetterId(wanted))
        if found is None:
            raise _unknown(wanted)
        if self._hide_client and not request.user.is_admin:
            steps = tuple([_without_reader(step, request.user.account) for step in found.steps])
            found = replace(found, steps=steps)
        return json_response(journey_json(found))

    async def _check_author(self, request: Request, letter: str) -> None:
        """Check that the user is the author, because a journey names all recipients. Raises HttpError 404."""
        item = None
        if self._index is not None:
            await self._index.up_to_date()
            item = await self._index.item(letter, visible_to(request))
        if item is None:
            raise _unknown(letter)
        if item.account != request.user.account:
            raise HttpError(
                404, "Only the sender of this letter may read its journey, because it names all recipients."
            )


def _without_reader(step: Step, account: str) -> Step:
    """Step without the client of another account that collected the letter."""
    if step.step != "collected" or step.facts.get("by") == account:
        return step
    return replace(step, facts={name: fact for name, fact in step.facts.items() if name not in _READER_FACTS})


def _unknown(letter: str) -> HttpError:
    return HttpError(404, f"There is no letter {letter[:40]}.")
