"""API routes of the queue: list, hold, release, retry, remove, redirect."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mailstack.letter import Address, AddressError, Letter, LetterId
from mailstack.letter.delivery import OWED, Delivery
from mailstack.mailbox.index.items import ItemFilter
from mailstack.queue.admin import ActionResult, QueueAdmin
from mailstack.queue.bounce import Bouncer
from mailstack.queue.recipient_routes import Router
from mailstack.store import Filter, Record
from mailstack.store.journey import record_json
from mailstack.web.api.letter_index import limit_of, limit_parameter
from mailstack.web.context import ApiContext
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    Page,
    QueryParameter,
    Request,
    Response,
    RouteDoc,
    decode_json,
    json_response,
)

DEFAULT_LIMIT = 100
ACTIONS = ("hold", "release", "retry", "remove", "redirect")


class QueueActionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a queue action."""

    recipient: str = ""
    """Recipient; empty: all."""
    to: str = ""
    """New address for `redirect`."""
    bounce: bool = False
    """Whether `remove` sends a bounce."""


class QueueActionResult(Struct, frozen=True):
    """Result of an action for one recipient."""

    letter: str
    recipient: str
    done: bool
    why_not: str


class QueueActionResults(Struct, frozen=True):
    acts: list[QueueActionResult]


class QueueList(Struct, frozen=True):
    """Letters with pending deliveries, newest first."""

    letters: list[dict[str, Any]]
    total: int
    more: bool
    """Whether there is a next page."""
    next: str | None
    """`before` of the next page; null at the end."""


def queue_routes(context: ApiContext) -> tuple[HttpRoute, ...]:
    pages = QueuePages(context)
    query = (
        limit_parameter(DEFAULT_LIMIT),
        QueryParameter("before", "Messages older than this id: `next` of the previous page."),
    )
    summaries = {
        "hold": "Hold deliveries: no attempts until their release.",
        "release": "Release held deliveries, which are due then.",
        "retry": "Retry deliveries now.",
        "remove": "Remove deliveries; with `bounce`, the sender gets a bounce.",
        "redirect": "Deliver to another address instead.",
    }
    return (
        HttpRoute(
            "GET",
            "/v1/queue",
            pages.listed,
            "admin",
            RouteDoc("List messages in the queue, with reasons.", QueueList, query=query),
        ),
        HttpRoute("GET", "/v1/queue/{id}", pages.one, "admin", RouteDoc("Get a message in the queue.", dict[str, Any])),
        *(
            HttpRoute(
                "POST",
                f"/v1/queue/{{id}}/{action}",
                pages.handler(action),
                "admin",
                RouteDoc(summaries[action], QueueActionResults, QueueActionRequest),
            )
            for action in ACTIONS
        ),
    )


class QueuePages:
    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._store = context.store
        self._router = Router(context.access.directory)

    async def listed(self, request: Request) -> Response:
        limit = limit_of(request, DEFAULT_LIMIT)
        before = await self._position(request.query.get("before", ""))
        found = await self._store.history.records(Filter(states=OWED, before=before, limit=limit + 1))
        more = len(found) > limit
        following = found[limit - 1].letter.id if more else None
        return json_response(
            QueueList(await self._records_json(found[:limit]), await self._store.queue.pending_count(), more, following)
        )

    async def _position(self, letter: str) -> tuple[float, LetterId] | None:
        """Position of a letter in the list. Raises HttpError 400."""
        if not letter:
            return None
        found = await self._store.history.records(Filter(ids=(LetterId(letter),), limit=1))
        if not found:
            raise HttpError(
                400, "before must be the id of a message that was in the queue: `next` of the previous page"
            )
        return found[0].letter.arrival.at, found[0].letter.id

    async def one(self, request: Request) -> Response:
        letter_id = request.variables["id"]
        found = await self._store.history.records(Filter(ids=(LetterId(letter_id),), limit=1))
        if not found:
            raise HttpError(404, f"There is no message {letter_id[:40]}.")
        return json_response((await self._records_json(found))[0])

    async def _records_json(self, records: list[Record]) -> list[dict[str, Any]]:
        """Adds the subjects that are in the index."""
        subjects: dict[str, str] = {}
        if self._context.index is not None and records:
            ids = tuple(record.letter.id for record in records)
            for item in await self._context.index.first(ItemFilter(ids=ids), len(ids)):
                subjects |= dict.fromkeys((item.id, *item.copies), item.subject)
        return [{**record_json(record), "subject": subjects.get(record.letter.id, "")} for record in records]

    def handler(self, action: str) -> Page:
        async def page(request: Request) -> Response:
            options = decode_json(request, QueueActionRequest) if request.body else QueueActionRequest()
            acts = await self._run(request, action, options)
            if not any(each.done for each in acts):
                status = 404 if not acts or not acts[0].recipient else 409
                raise HttpError(status, acts[0].refusal_reason if acts else "The message has no such recipient.")
            steps = [each.step for each in acts if each.step is not None]
            self._context.journal.record(steps)
            return json_response(
                QueueActionResults(
                    [QueueActionResult(each.letter, each.recipient, each.done, each.refusal_reason) for each in acts]
                )
            )

        return page

    async def _run(self, request: Request, action: str, options: QueueActionRequest) -> list[ActionResult]:
        """Raises HttpError."""

        def selects(_: Letter, delivery: Delivery) -> bool:
            recipient = delivery.recipient
            return options.recipient in {"", str(recipient.address), str(recipient.original or "")}

        ids = [LetterId(request.variables["id"])]
        by = request.user.account or "operator"
        admin = QueueAdmin(self._store, self._context.clock.now, by=by, selects=selects)
        match action:
            case "hold":
                return await admin.hold(ids)
            case "release":
                return await admin.release(ids)
            case "retry":
                return await admin.retry(ids)
            case "remove":
                return await admin.remove(ids, bouncer=self._bouncer() if options.bounce else None)
        try:
            target = Address.parse(options.to)
        except AddressError as error:
            raise HttpError(400, f'to is not an address: {{"to": "dora@elsewhere.test"}} ({error})') from None
        return await admin.redirect(ids, target, self._router)

    def _bouncer(self) -> Bouncer:
        config = self._context.config
        return Bouncer(self._router, config.hostname, max_returned=config.limits.report_size)
