"""Letters: listed, read, marked, tagged, deleted and brought back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal

from msgspec.structs import replace

from mailstack.letter import Content
from mailstack.letter.content import verify
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.tags import tag_of
from mailstack.web.api import serialize
from mailstack.web.api.filters import ANY_NUMBER, Number, limit_of, limit_parameter, number, seen_by, which_of
from mailstack.web.api.letter_index import ApiShelf
from mailstack.web.api.schemas import Back, Changed, Chosen, Gone, Letter, LetterList, Marking, Node, Summary, Undoing
from mailstack.web.http_values import HttpError, Request, Response, from_json, in_json
from mailstack.web.letter_html import disposed, html_page
from mailstack.web.routes import Parameter, Route, RouteDoc

LISTED = 50

_QUERY = Parameter(
    "query", 'Mailpit\'s language: words, "phrases", from:, to:, subject:, tag:, is:unread, has:attachment, before: …'
)
_MAILBOX = Parameter("mailbox", "An address: the letters for this mailbox.")
_REMOTE = Parameter("remote", "1: pictures, styles and fonts of other hosts are loaded.", Literal["0", "1"])
_ONE = RouteDoc(
    "One letter, read; it stays unread.",
    (
        Parameter(
            "max_text", "At most so many characters of its text; `text_truncated` tells whether it has more.", Number
        ),
    ),
    gives=Letter,
)
_LIST = RouteDoc(
    "Letters, the newest first.",
    (
        _MAILBOX,
        _QUERY,
        limit_parameter(LISTED, least=0),
        Parameter("before", "Letters with a lower number: `next` of the page before.", Number),
        Parameter("start", "Without the newest so many: to begin anywhere in the list.", Number),
    ),
    gives=LetterList,
)


def letter_routes(shelf: ApiShelf, now: Callable[[], float]) -> tuple[Route, ...]:
    """The routes about letters."""
    pages = Letters(shelf, now)
    one = "/v1/letters/{id}"
    return (
        Route("GET", "/v1/letters", pages.listed, "user", told=_LIST),
        Route(
            "PATCH",
            "/v1/letters",
            pages.mark,
            "user",
            told=RouteDoc("Mark as read, tag.", takes=Marking, gives=Changed),
        ),
        Route("DELETE", "/v1/letters", pages.delete, "user", told=RouteDoc("Delete.", takes=Chosen, gives=Gone)),
        Route(
            "POST",
            "/v1/undo",
            pages.undo,
            "user",
            told=RouteDoc("Bring back what was deleted.", takes=Undoing, gives=Back),
        ),
        Route(
            "GET",
            "/v1/tags",
            pages.tags,
            "user",
            told=RouteDoc("All tags, and how many letters have each.", gives=dict[str, int]),
        ),
        Route("GET", one, pages.one, "user", told=_ONE),
        Route("GET", one + "/source", pages.source, "user", told=RouteDoc("Its octets.", media_type="text/plain")),
        Route(
            "GET",
            one + "/html",
            pages.html,
            "user",
            told=RouteDoc("Its HTML as a page that runs nothing.", (_REMOTE,), media_type="text/html"),
        ),
        Route("GET", one + "/tree", pages.tree, "user", told=RouteDoc("Its MIME parts.", gives=Node)),
        Route(
            "GET",
            one + "/parts/{part}",
            pages.part,
            "user",
            is_picture=True,
            told=RouteDoc("One part, decoded.", media_type="*/*"),
        ),
    )


class Letters:
    """The pages behind them."""

    def __init__(self, shelf: ApiShelf, now: Callable[[], float]) -> None:
        self._shelf = shelf
        self._now = now

    async def listed(self, ask: Request) -> Response:
        limit = limit_of(ask, LISTED, least=0)
        before = number(ask, "before", None, most=ANY_NUMBER)
        start = number(ask, "start", 0, most=ANY_NUMBER) or 0
        which = which_of(
            ask,
            self._now(),
            query=ask.query.get("query", ""),
            mailbox=ask.query.get("mailbox") or None,
            everything=True,
        )
        found = await self._shelf.index.listed(replace(which, before=before), limit, start)
        following = found.items[-1].number if len(found.items) == limit and limit else None

        def page(shown: list[Summary]) -> Response:
            return in_json(LetterList(shown, found.total, found.unread, found.is_exact, following))

        return await self._shelf.told(found.items, ask.visitor, page)

    def _which(self, ask: Request, wish: Chosen | Marking) -> ItemFilter:
        return which_of(
            ask,
            self._now(),
            ids=wish.ids,
            query=wish.query,
            mailbox=wish.mailbox,
            everything=wish.all,
            without=wish.without,
        )

    async def mark(self, ask: Request) -> Response:
        wish = from_json(ask, Marking)
        which = self._which(ask, wish)
        tags = [_tag(each) for each in wish.add_tags]
        changed = 0
        if wish.unread is not None:
            changed = await self._shelf.index.mark(which, unread=wish.unread)
        if tags or wish.remove_tags:
            # What was chosen by is:unread is not so any longer.
            changed = max(changed, await self._shelf.index.tag(which, tags, wish.remove_tags))
        return in_json(Changed(changed))

    async def delete(self, ask: Request) -> Response:
        wish = from_json(ask, Chosen)
        which = self._which(ask, wish)
        await self._shelf.index.up_to_date()
        deleted = await self._shelf.index.soft_delete(which)
        return in_json(Gone(deleted.count, deleted.token if deleted.count else None))

    async def undo(self, ask: Request) -> Response:
        back = await self._shelf.index.undelete(from_json(ask, Undoing).token)
        if not back:
            raise HttpError(404, "It is too late to bring that back, or nothing was deleted under this token.")
        return in_json(Back(back))

    async def tags(self, ask: Request) -> Response:
        return in_json(await self._shelf.index.tags(seen_by(ask)))

    async def one(self, ask: Request) -> Response:
        item = await self._shelf.item(ask)
        most = number(ask, "max_text", None, most=ANY_NUMBER)
        found = await self._shelf.letters([item], ask.visitor, most)
        if not found:
            raise HttpError(404, f"Of letter {item.id} nothing is left but its history.")
        warnings = serialize.warnings_of(await self._shelf.index.steps_of(item))
        return in_json(replace(found[0], warnings=warnings) if warnings else found[0])

    async def source(self, ask: Request) -> Response:
        item = await self._shelf.item(ask)
        try:
            content = await self._shelf.index.content(item)
            await verify(content)
        except KeyError:
            raise HttpError(404, f"Of letter {item.id} nothing is left but its history.") from None
        name = ("Content-Disposition", f'inline; filename="{item.id}.eml"')
        return Response(_chunks(content), "text/plain; charset=utf-8", 200, (name,), content.size)

    async def html(self, ask: Request) -> Response:
        """For a frame of the inbox; `remote=1` lets other hosts be asked."""
        remote = ask.query.get("remote", "0")
        if remote not in {"0", "1"}:
            raise HttpError(400, f"remote is 0 or 1, not {remote[:20]!r}.")
        reading = await self._shelf.reading(await self._shelf.item(ask))
        if not reading.html:
            raise HttpError(404, "This letter has no HTML; its text is in GET /v1/letters/{id}.")
        return await self._shelf.do(lambda: html_page(reading, "parts/", remote=remote == "1"), len(reading.html))

    async def tree(self, ask: Request) -> Response:
        reading = await self._shelf.reading(await self._shelf.item(ask))
        return in_json(serialize.tree(reading.tree))

    async def part(self, ask: Request) -> Response:
        reading = await self._shelf.reading(await self._shelf.item(ask))
        wanted = ask.variables["part"]
        part = reading.part(wanted)
        if part is None or part.is_multipart:
            raise HttpError(
                404, f"There is no part {wanted[:20]}; {ask.path.rpartition('/parts/')[0]}/tree lists them."
            )
        octets = await self._shelf.do(lambda: reading.content_of(part), part.end - part.start)
        return disposed(part, octets)


async def _chunks(content: Content) -> AsyncGenerator[bytes, None]:
    async for chunk in content.chunks():
        yield chunk


def _tag(text: str) -> str:
    """Raises Trouble 400."""
    tag = tag_of(text)
    if not tag:
        raise HttpError(400, f"{text[:40]!r} can be no tag: it has from 1 to 100 visible characters, and no comma.")
    return tag
