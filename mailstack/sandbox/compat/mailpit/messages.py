"""Mailpit's lists of messages: read, searched, marked, deleted, and their tags."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import Arrived, Term
from mailstack.mailbox.index.tags import tag_of
from mailstack.protocols.connection import Clock
from mailstack.sandbox.compat.bodies import from_form, taken
from mailstack.sandbox.compat.finding import number_of, searched
from mailstack.sandbox.compat.mailpit.request_schemas import Chosen, Marking, Renaming, Tagging
from mailstack.sandbox.compat.mailpit.serialize import summary
from mailstack.sandbox.compat.mailpit.shapes import MessagesSummary
from mailstack.web.http_values import PLAIN, HttpError, Request, Response, in_json
from mailstack.web.routes import Parameter, Route, RouteDoc

MOST = 10_000
"""Messages of one answer."""
USUAL = 50

_QUERY = Parameter("query", "In the language of searches.")
_ZONE = Parameter("tz", "The time zone of dates in the query, as Europe/Berlin; UTC without.")
_PAGE = (
    Parameter("start", "How many are passed over.", int),
    Parameter("limit", f"How many are shown; {USUAL} without, {MOST} at most.", int),
    Parameter("before", "Only those that came before it: milliseconds since 1970.", int),
)

OK = Response(b"ok", "text/plain; charset=utf-8")


def list_pages(catalogue: LetterIndex, clock: Clock) -> tuple[Route, ...]:
    """Everything below /api/v1 that is about many messages."""
    pages = _Lists(catalogue, clock)
    return (
        Route(
            "GET",
            "/api/v1/messages",
            pages.messages,
            "admin",
            told=RouteDoc("Messages, the newest first.", _PAGE, gives=MessagesSummary),
        ),
        Route(
            "PUT",
            "/api/v1/messages",
            pages.mark,
            "admin",
            told=RouteDoc(
                "Mark messages as read or unread; without IDs or Search all of them.", takes=Marking, media_type=PLAIN
            ),
        ),
        Route(
            "DELETE",
            "/api/v1/messages",
            pages.delete,
            "admin",
            told=RouteDoc("Delete messages; without a body all of them.", media_type=PLAIN),
        ),
        Route(
            "GET",
            "/api/v1/search",
            pages.search,
            "admin",
            told=RouteDoc("Messages that a query finds.", (_QUERY, *_PAGE, _ZONE), gives=MessagesSummary),
        ),
        Route(
            "DELETE",
            "/api/v1/search",
            pages.delete_found,
            "admin",
            told=RouteDoc("Delete what a query finds.", (_QUERY, _ZONE), media_type=PLAIN),
        ),
        Route("GET", "/api/v1/tags", pages.tags, "admin", told=RouteDoc("All tags.", gives=tuple[str, ...])),
        Route(
            "PUT",
            "/api/v1/tags",
            pages.set_tags,
            "admin",
            told=RouteDoc("Give messages these tags, and no others.", takes=Tagging, media_type=PLAIN),
        ),
        Route(
            "PUT",
            "/api/v1/tags/{tag}",
            pages.rename,
            "admin",
            told=RouteDoc("Rename a tag.", takes=Renaming, media_type=PLAIN),
        ),
        Route(
            "DELETE",
            "/api/v1/tags/{tag}",
            pages.remove,
            "admin",
            told=RouteDoc("Take a tag off all messages.", media_type=PLAIN),
        ),
    )


class _Lists:
    def __init__(self, catalogue: LetterIndex, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    async def messages(self, ask: Request) -> Response:
        return await self._page(ask, ItemFilter())

    async def search(self, ask: Request) -> Response:
        return await self._page(ask, self._found_by(ask, ask.query.get("query", "")))

    async def _page(self, ask: Request, which: ItemFilter) -> Response:
        await self._catalogue.up_to_date()
        start, limit = number_of(ask, "start", 0), min(number_of(ask, "limit", USUAL), MOST)
        if before := number_of(ask, "before", 0):
            which = replace(which, terms=(*which.terms, Term(Arrived(is_after=False, at=before / 1000))))
        everything = await self._catalogue.listed(ItemFilter(), 0)
        found = await self._catalogue.listed(which, limit, start)
        return in_json(
            MessagesSummary(
                total=everything.total,
                unread=everything.unread,
                count=len(found.items),
                messages_count=found.total,
                messages_unread=found.unread,
                start=start,
                tags=tuple(await self._catalogue.tags()),
                messages=tuple(summary(item) for item in found.items),
            )
        )

    async def mark(self, ask: Request) -> Response:
        """By ids or by a search; neither: all of them."""
        form = from_form(ask)
        wanted = (
            taken(ask, Marking)
            if form is None
            else Marking(
                tuple(form.get("ids", ())),
                form.get("read", [""])[-1].lower() in {"true", "1"},
                form.get("search", [""])[-1],
            )
        )
        if wanted.ids and wanted.search:
            raise HttpError(400, "You may specify either IDs or a search query, not both")
        await self._catalogue.up_to_date()
        which = self._found_by(ask, wanted.search) if wanted.search else _all_or(wanted.ids)
        await self._catalogue.mark(which, unread=not wanted.read)
        return OK

    async def delete(self, ask: Request) -> Response:
        """The ids of the body; without a body, or without ids, all. What can't be read deletes nothing."""
        form = from_form(ask)
        if form is not None:
            ids = tuple(form.get("ids", ()))
        else:
            ids = (taken(ask, Chosen).ids or ()) if ask.body.strip() else ()
        await self._catalogue.up_to_date()
        await self._catalogue.delete(_all_or(ids))
        return OK

    async def delete_found(self, ask: Request) -> Response:
        await self._catalogue.up_to_date()
        await self._catalogue.delete(self._found_by(ask, ask.query.get("query", "")))
        return OK

    async def tags(self, _: Request) -> Response:
        return in_json(tuple(await self._catalogue.tags()))

    async def set_tags(self, ask: Request) -> Response:
        """These and no others, for each of the ids."""
        wanted = taken(ask, Tagging)
        if wanted.ids:
            await self._catalogue.set_tags(ItemFilter(ids=wanted.ids), [_tag(each) for each in wanted.tags or ()])
        return OK

    async def rename(self, ask: Request) -> Response:
        await self._catalogue.rename_tag(ask.variables["tag"], _tag(taken(ask, Renaming).name))
        return OK

    async def remove(self, ask: Request) -> Response:
        await self._catalogue.remove_tag(ask.variables["tag"])
        return OK

    def _found_by(self, ask: Request, query: str) -> ItemFilter:
        return searched(query, self._clock.now(), ask.query.get("tz", ""))


def _all_or(ids: tuple[str, ...] | None) -> ItemFilter:
    return ItemFilter(ids=ids) if ids else ItemFilter()


def _tag(text: str) -> str:
    tag = tag_of(text)
    if not tag:
        raise HttpError(400, f"{text[:60]!r} can't be a tag: it is empty, too long, or has a comma or what nobody sees")
    return tag
