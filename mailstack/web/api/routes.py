"""API route list, and its OpenAPI 3.1 description."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

import mailstack
from mailstack.net.clock import ReactorClock
from mailstack.web.api.accounts import account_routes
from mailstack.web.api.checks import check_routes
from mailstack.web.api.compose import compose_routes
from mailstack.web.api.events import event_routes, wait_routes
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.letters import journey_routes, letter_routes
from mailstack.web.api.queue import queue_routes
from mailstack.web.http_messages import HttpError, Request, Response, json_response
from mailstack.web.routes import HttpRoute, RouteDoc
from mailstack.web.server_info import ApiContext

_REFERENCE = "#/components/schemas/{name}"
_JSON = "application/json"
_PROBLEM = {
    "description": "A problem (RFC 9457); detail says what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}


def openapi(routes: Iterable[HttpRoute]) -> dict[str, Any]:
    """OpenAPI document of the routes with a description."""
    told = [(route, route.doc) for route in routes if route.doc is not None]
    types = [kind for _, each in told for kind in (each.request, each.response) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route, each in told:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, each, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mailstack",
            "version": mailstack.__version__,
            "description": "Letters, their journeys, the queue, and what else a server has.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM_SCHEMA},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


def _operation(route: HttpRoute, told: RouteDoc, schema_of: dict[int, Any]) -> dict[str, Any]:
    parts = [part for part in route.path.split("/") if part.startswith("{")]
    named = [{"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}} for part in parts]
    asked = [
        {"name": each.name, "in": "query", "description": each.description, "schema": msgspec.json.schema(each.kind)}
        for each in told.query
    ]
    operation: dict[str, Any] = {
        "operationId": "_".join(
            [route.method.lower(), *[p.strip("{}").replace(".", "_") for p in route.path.split("/")[2:]]]
        ),
        "summary": told.summary,
        "parameters": [*named, *asked],
        "responses": {str(told.status): _answer(told, schema_of), "default": _PROBLEM},
    }
    if told.request is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema_of[id(told.request)]}}}
    if route.access != "public":
        operation["security"] = [{"basic": []}, {}]
        operation["x-access"] = route.access
    return operation


def _answer(told: RouteDoc, schema_of: dict[int, Any]) -> dict[str, Any]:
    if told.response is not None:
        return {"description": told.summary, "content": {_JSON: {"schema": schema_of[id(told.response)]}}}
    if told.media_type:
        return {"description": told.summary, "content": {told.media_type: {}}}
    return {"description": told.summary}


class OpenApiPage:
    """Returns the route of the OpenAPI document, which is created on the first request."""

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        self.route = HttpRoute(
            "GET", "/v1/openapi.json", self.page, doc=RouteDoc("Get this description.", response=dict[str, Any])
        )
        self._routes = (*routes, self.route)
        self._answer: Response | None = None

    async def page(self, _: Request) -> Response:
        if self._answer is None:
            self._answer = json_response(openapi(self._routes))
        return self._answer


def api_routes(context: ApiContext, more: Iterable[HttpRoute]) -> tuple[HttpRoute, ...]:
    """Routes in the order of the description, `more` last."""
    hide_client = context.config.submission.hide_client
    routes = (
        *_letters(context),
        *journey_routes(context.store, context.index, hide_client=hide_client),
        *queue_routes(context),
        *account_routes(context),
        *more,
    )
    return (*routes, OpenApiPage(routes).route)


def _letters(context: ApiContext) -> tuple[HttpRoute, ...]:
    """Routes that need the index; without one, an error that says so."""
    if context.index is None:
        return tuple(HttpRoute("GET", path, _no_letters) for path in ("/v1/letters", "/v1/letters/{id}", "/v1/wait"))
    reader = ApiLetterReader(
        context.index, context.requests.in_thread, hide_client=context.config.submission.hide_client
    )
    # Connections time out in real time, independent of an advanced clock of letters.
    timeout = ReactorClock(context.requests.reactor)
    stream_limits = context.requests.stream_limits
    return (
        *letter_routes(reader, context.clock.now),
        *compose_routes(context, reader),
        *check_routes(reader, context.options.admin.head, context.options.admin.check_spam),
        *wait_routes(reader, context.clock.now, timeout, stream_limits),
        *event_routes(reader, timeout, stream_limits),
    )


async def _no_letters(_: Request) -> Response:
    raise HttpError(404, "This server has no letter index; set [index] enabled = true.")
