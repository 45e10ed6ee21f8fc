"""API routes of letters and of their journeys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

from msgspec.structs import replace

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.letter import verify
from mailstack.mailbox.index.items import ItemFilter, tag_of
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import Store
from mailstack.store.journey import journey_json, journey_of
from mailstack.web.api import serialize
from mailstack.web.api.letter_index import (
    MAX_NUMBER,
    ApiLetterReader,
    Number,
    flag,
    item_filter,
    limit_of,
    limit_parameter,
    number,
    visible_to,
)
from mailstack.web.api.schemas import (
    ChangedLetters,
    DeletedLetters,
    LetterDeletion,
    LetterDetail,
    LetterList,
    LetterSelection,
    LetterSummary,
    LetterUpdate,
    PartNode,
    RestoredLetters,
    UndoRequest,
)
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    QueryParameter,
    Request,
    Response,
    RouteDoc,
    decode_json,
    json_response,
)
from mailstack.web.safe_html import html_page, part_response

DEFAULT_LIMIT = 50

_QUERY = QueryParameter(
    "query",
    'Mailpit\'s language: words, "phrases", from:, to:, subject:, tag:, is:unread, is:bounced, has:attachment, before: …',
)
_MAILBOX = QueryParameter("mailbox", "Address of a mailbox: only its messages.")
_REMOTE = QueryParameter("remote", "1: pictures, styles and fonts are loaded from other hosts.", Literal["0", "1"])
_ONE = RouteDoc(
    "One message, read; it stays unread.",
    LetterDetail,
    query=(
        QueryParameter("max_text", "Maximum characters of the text; `text_truncated` is true if it has more.", Number),
    ),
)
_LIST = RouteDoc(
    "Messages, the newest first.",
    LetterList,
    query=(
        _MAILBOX,
        _QUERY,
        limit_parameter(DEFAULT_LIMIT, minimum=0),
        QueryParameter("before", "Messages with a lower number: `next` of the previous page.", Number),
        QueryParameter("start", "Number of newest messages to skip.", Number),
        QueryParameter("exact", "1: `total` counts all matches, however many.", Literal["0", "1"]),
    ),
)


def letter_routes(reader: ApiLetterReader, now: Callable[[], float]) -> tuple[HttpRoute, ...]:
    pages = LetterPages(reader, now)
    one = "/v1/letters/{id}"
    return (
        HttpRoute("GET", "/v1/letters", pages.listed, "user", _LIST),
        HttpRoute(
            "PATCH",
            "/v1/letters",
            pages.mark,
            "user",
            RouteDoc("Mark messages as read, unread or flagged, and change tags.", ChangedLetters, LetterUpdate),
        ),
        HttpRoute(
            "DELETE", "/v1/letters", pages.delete, "user", RouteDoc("Delete messages.", DeletedLetters, LetterDeletion)
        ),
        HttpRoute(
            "POST", "/v1/undo", pages.undo, "user", RouteDoc("Restore deleted messages.", RestoredLetters, UndoRequest)
        ),
        HttpRoute(
            "GET",
            "/v1/tags",
            pages.tags,
            "user",
            RouteDoc("List all tags with the number of messages.", dict[str, int]),
        ),
        HttpRoute("GET", one, pages.one, "user", _ONE),
        HttpRoute(
            "GET", one + "/source", pages.source, "user", RouteDoc("Get the raw message.", media_type="text/plain")
        ),
        HttpRoute(
            "GET",
            one + "/html",
            pages.html,
            "user",
            RouteDoc("Get the HTML as a page without scripts.", query=(_REMOTE,), media_type="text/html"),
        ),
        HttpRoute("GET", one + "/tree", pages.tree, "user", RouteDoc("Get the tree of MIME parts.", PartNode)),
        HttpRoute(
            "GET",
            one + "/parts/{part}",
            pages.part,
            "user",
            RouteDoc("Get a decoded part.", media_type="*/*"),
            is_picture=True,
        ),
    )


class LetterPages:
    def __init__(self, reader: ApiLetterReader, now: Callable[[], float]) -> None:
        self._reader = reader
        self._now = now

    async def listed(self, request: Request) -> Response:
        limit = limit_of(request, DEFAULT_LIMIT, minimum=0)
        before = number(request, "before", None, maximum=MAX_NUMBER)
        start = number(request, "start", 0, maximum=MAX_NUMBER) or 0
        which = item_filter(
            request,
            self._now(),
            query=request.query.get("query", ""),
            mailbox=request.query.get("mailbox") or None,
            everything=True,
        )
        exact = flag(request, "exact")
        # Other commands and processes put letters into the store too, such as `mailstack ingest`.
        await self._reader.index.up_to_date()
        found = await self._reader.index.find(replace(which, before=before), limit, start, exact=exact)
        following = found.items[-1].number if len(found.items) == limit and limit else None

        def page(summaries: list[LetterSummary]) -> Response:
            return json_response(LetterList(summaries, found.total, found.unread, found.is_exact, following))

        return await self._reader.map_summaries(found.items, request.user, page)

    def _filter(self, request: Request, selection: LetterSelection | LetterUpdate) -> ItemFilter:
        return item_filter(
            request,
            self._now(),
            ids=selection.ids,
            query=selection.query,
            mailbox=selection.mailbox,
            everything=selection.all,
            without=selection.without,
        )

    async def mark(self, request: Request) -> Response:
        update = decode_json(request, LetterUpdate)
        which = self._filter(request, update)
        tags = [_tag(each) for each in update.add_tags]
        changed = 0
        if update.unread is not None or update.flagged is not None:
            changed = await self._reader.index.mark(which, unread=update.unread, flagged=update.flagged)
        if tags or update.remove_tags:
            # Letters selected by is:unread do not match after the change.
            changed = max(changed, await self._reader.index.tag(which, tags, update.remove_tags))
        return json_response(ChangedLetters(changed))

    async def delete(self, request: Request) -> Response:
        deletion = decode_json(request, LetterDeletion)
        which = self._filter(request, deletion)
        await self._reader.index.up_to_date()
        deleted = await self._reader.index.soft_delete(which, undo=deletion.undo)
        token = deleted.token if deleted.count and deletion.undo else None
        return json_response(DeletedLetters(deleted.count, token))

    async def undo(self, request: Request) -> Response:
        back = await self._reader.index.undelete(decode_json(request, UndoRequest).token)
        if not back:
            raise HttpError(404, "The token is unknown or has expired.")
        return json_response(RestoredLetters(back))

    async def tags(self, request: Request) -> Response:
        return json_response(await self._reader.index.tags(visible_to(request)))

    async def one(self, request: Request) -> Response:
        item = await self._reader.item(request)
        max_text = number(request, "max_text", None, maximum=MAX_NUMBER)
        found = await self._reader.letters([item], request.user, max_text)
        if not found:
            raise HttpError(404, f"The content of message {item.id} is deleted; only its history is left.")
        warnings = serialize.warnings_of(await self._reader.index.steps_of(item))
        index, user = self._reader.index, request.user
        folders = await index.folders_of(item, None if index.shares_flags else user.account)
        return json_response(replace(found[0], warnings=warnings, folders=folders))

    async def source(self, request: Request) -> Response:
        item = await self._reader.item(request)
        try:
            content = await self._reader.index.content(item)
            await verify(content)
        except KeyError:
            raise HttpError(404, f"The content of message {item.id} is deleted; only its history is left.") from None
        name = ("Content-Disposition", f'inline; filename="{item.id}.eml"')
        return Response(_chunks(content), "text/plain; charset=utf-8", 200, (name,), content.size)

    async def html(self, request: Request) -> Response:
        """Returns the HTML for a frame of the inbox; `remote=1` allows content from other hosts."""
        remote = flag(request, "remote")
        reading = await self._reader.reading(await self._reader.item(request))
        if not reading.html:
            raise HttpError(404, "This message has no HTML; its text is in GET /v1/letters/{id}.")
        return await self._reader.do(lambda: html_page(reading, "parts/", remote=remote), len(reading.html))

    async def tree(self, request: Request) -> Response:
        reading = await self._reader.reading(await self._reader.item(request))
        return json_response(serialize.tree(reading.tree))

    async def part(self, request: Request) -> Response:
        reading = await self._reader.reading(await self._reader.item(request))
        wanted = request.variables["part"]
        part = reading.part(wanted)
        if part is None or part.is_multipart:
            raise HttpError(
                404, f"There is no part {wanted[:20]}; {request.path.rpartition('/parts/')[0]}/tree lists them."
            )
        octets = await self._reader.do(lambda: reading.content_of(part), part.end - part.start)
        return part_response(part, octets)


async def _chunks(content: Content) -> AsyncGenerator[bytes, None]:
    async for chunk in content.chunks():
        yield chunk


def _tag(text: str) -> str:
    """Raises HttpError 400."""
    tag = tag_of(text)
    if not tag:
        raise HttpError(400, f"{text[:40]!r} is not a tag: a tag has 1 to 100 visible characters and no comma.")
    return tag


def journey_routes(store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> tuple[HttpRoute, ...]:
    """Returns the route. `hide_client`: only administrators see the client address of a reader."""
    doc = RouteDoc("Get the steps of a message, oldest first.", dict[str, Any])
    pages = JourneyPages(store, index, hide_client=hide_client)
    return (HttpRoute("GET", "/v1/journeys/{id}", pages.journey, "user", doc),)


_READER_FACTS = frozenset({"client", "tls"})
"""Facts of a `collected` step about the client of the mailbox's owner."""
_IN_FOLDERS = frozenset({"appended", "read", "moved", "expunged"})
"""Steps in the folders of an account, which only it and administrators see."""


class JourneyPages:
    def __init__(self, store: Store, index: LetterIndex | None, *, hide_client: bool = False) -> None:
        self._store = store
        self._index = index
        self._hide_client = hide_client

    async def journey(self, request: Request) -> Response:
        letter = request.variables["id"]
        if not request.user.is_admin:
            await self._check_author(request, letter)
        found = await journey_of(self._store, LetterId(letter))
        if found is None:
            raise _unknown(letter)
        if not request.user.is_admin:
            account = request.user.account
            steps = [each for each in found.steps if each.step not in _IN_FOLDERS or each.facts.get("by") == account]
            if self._hide_client:
                steps = [_without_reader(step, account) for step in steps]
            found = replace(found, steps=tuple(steps))
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
                404, "Only the sender of this message may read its journey, because it names all recipients."
            )


def _without_reader(step: Step, account: str) -> Step:
    """Step without the client of another account that collected the letter."""
    if step.step != "collected" or step.facts.get("by") == account:
        return step
    return replace(step, facts={name: fact for name, fact in step.facts.items() if name not in _READER_FACTS})


def _unknown(letter: str) -> HttpError:
    return HttpError(404, f"There is no message {letter[:40]}.")
