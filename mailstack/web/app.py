"""Site of a server: pages and API, and the OpenAPI description of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

import mailstack
from mailstack.config.derived import certificate_files, made_by_mailstack, private_ca_directory
from mailstack.net.clock import ReactorClock
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.web.api.accounts import account_routes
from mailstack.web.api.checks import check_routes
from mailstack.web.api.compose import compose_routes
from mailstack.web.api.events import event_routes, wait_routes
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.letters import journey_routes, letter_routes
from mailstack.web.api.queue import queue_routes
from mailstack.web.api.screenshots import screenshot_routes
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.channel import WebChannel
from mailstack.web.client_files import ProfileSigner, PublicServerInfo, client_file_routes, inbox_routes
from mailstack.web.context import ApiContext, SiteExtension
from mailstack.web.flow_control import HttpLimits
from mailstack.web.html_pages import front_routes, setup_routes
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, RouteDoc, json_response
from mailstack.web.listener import ProtocolFactory
from mailstack.web.login import login_from_context, me_routes
from mailstack.web.screenshots import Screenshots
from mailstack.web.site import AllowAll, CorsPolicy, Site


async def protocol_factory(bound: Mapping[str, int], context: ApiContext) -> ProtocolFactory:
    """Return the protocol factory of a server; `bound` has the port of each service."""
    config, options = context.config, context.options
    reactor = context.requests.reactor
    ca_file = private_ca_directory(config) / "ca.pem" if made_by_mailstack(config) else None
    signer = ProfileSigner(context.requests.in_thread, certificate_files(config)[0])
    services = services_from_config(config, bound)
    info = PublicServerInfo(config, services, reactor.seconds, options.shown_accounts, ca_file, signer.sign)
    web = config.web
    max_uploads = max(web.max_upload, web.max_uploads)
    bounds = HttpLimits(web.max_body, web.request_timeout, config.limits.session_time, web.max_upload, max_uploads)
    extension = None if options.extend is None else await options.extend(context.requests.stream_limits)
    return http_factory(reactor, build_site(info, context, extension), bounds)


def http_factory(reactor: Any, site: Site, bounds: HttpLimits) -> ProtocolFactory:
    """Return a factory of HTTP connections that serve a site."""
    room = MemoryBudget(bounds.held)
    return lambda gone, remote: WebChannel(reactor, site, bounds, room, gone, remote)


def build_site(
    server: PublicServerInfo, context: ApiContext | None = None, extension: SiteExtension | None = None
) -> Site:
    """Site of a server: pages, `extension`, and the API. Without `context` there is no API."""
    extension = extension or SiteExtension()
    if context is not None and not context.options.no_login:
        # The front page is public: with a login, it must not show passwords.
        server = replace(server, accounts=())
    has_inbox = context is not None and context.index is not None
    first = (*inbox_routes(), *front_routes(server, "/server")) if has_inbox else front_routes(server)
    pages = (*first, *setup_routes(server), *client_file_routes(server), *extension.pages)
    if context is None:
        return Site(pages, server.hosts, root=server.config.web.root)
    login = None if context.options.no_login else login_from_context(context)
    logins = login.routes if login else me_routes()
    return Site(
        (*pages, *api_routes(context, (*extension.api, *logins))),
        None if context.options.any_host else server.hosts,
        authenticator=login or AllowAll(),
        cors=CorsPolicy(server.config.web.cors),
        root=server.config.web.root,
        sessions=context.requests.sessions,
        host_advice=context.options.host_advice,
    )


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
    """Return the routes that need the index; without an index, they respond with an error."""
    if context.index is None:
        return tuple(HttpRoute("GET", path, _no_letters) for path in ("/v1/letters", "/v1/letters/{id}", "/v1/wait"))
    reader = ApiLetterReader(
        context.index, context.requests.in_thread, hide_client=context.config.submission.hide_client
    )
    # Connections time out in real time, independent of an advanced clock of letters.
    timeout = ReactorClock(context.requests.reactor)
    stream_limits = context.requests.stream_limits
    screenshots = Screenshots(context.requests.reactor, context.config.screenshots, context.requests.in_thread)
    return (
        *letter_routes(reader, context.clock.now),
        *screenshot_routes(reader, screenshots),
        *compose_routes(context, reader),
        *check_routes(reader, context.options.admin.head, context.options.admin.check_spam),
        *wait_routes(reader, context.clock.now, timeout, stream_limits),
        *event_routes(reader, timeout, stream_limits),
    )


async def _no_letters(_: Request) -> Response:
    raise HttpError(404, "This server has no message index; set [index] enabled = true.")


_REFERENCE = "#/components/schemas/{name}"

_JSON = "application/json"

_PROBLEM = {
    "description": "Error (RFC 9457); `detail` has the reason and what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
}

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}


class OpenApiPage:
    """OpenAPI document, made at the first request."""

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        self.route = HttpRoute(
            "GET", "/v1/openapi.json", self.page, doc=RouteDoc("Get this description.", dict[str, Any])
        )
        self._routes = (*routes, self.route)
        self._response: Response | None = None

    async def page(self, _: Request) -> Response:
        if self._response is None:
            self._response = json_response(openapi(self._routes))
        return self._response


def openapi(routes: Iterable[HttpRoute]) -> dict[str, Any]:
    """OpenAPI document of the routes with a description."""
    docs = [(route, route.doc) for route in routes if route.doc is not None]
    types = [kind for _, doc in docs for kind in (doc.request, doc.response) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route, doc in docs:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, doc, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mailstack",
            "version": mailstack.__version__,
            "description": "Messages, journeys, the queue and accounts of a server.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM_SCHEMA},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


def _operation(route: HttpRoute, doc: RouteDoc, schema_of: dict[int, Any]) -> dict[str, Any]:
    parts = [part for part in route.path.split("/") if part.startswith("{")]
    path_variables = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}} for part in parts
    ]
    query = [
        {"name": each.name, "in": "query", "description": each.description, "schema": msgspec.json.schema(each.kind)}
        for each in doc.query
    ]
    operation: dict[str, Any] = {
        "operationId": "_".join(
            [route.method.lower(), *[p.strip("{}").replace(".", "_") for p in route.path.split("/")[2:]]]
        ),
        "summary": doc.summary,
        "parameters": [*path_variables, *query],
        "responses": {str(doc.status): _response_doc(doc, schema_of), "default": _PROBLEM},
    }
    if doc.request is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema_of[id(doc.request)]}}}
    if route.access != "public":
        operation["security"] = [{"basic": []}, {}]
        operation["x-access"] = route.access
    return operation


def _response_doc(doc: RouteDoc, schema_of: dict[int, Any]) -> dict[str, Any]:
    if doc.response is not None:
        return {"description": doc.summary, "content": {_JSON: {"schema": schema_of[id(doc.response)]}}}
    if doc.media_type:
        return {"description": doc.summary, "content": {doc.media_type: {}}}
    return {"description": doc.summary}
