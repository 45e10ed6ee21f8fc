"""Requests to the public pages of a server, for tests."""

from __future__ import annotations

from mailstack.config import Config
from mailstack.web.app import build_site
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.client_files import PublicServerInfo
from mailstack.web.http_messages import Request, Response
from tests.aid import run
from tests.web.autoconfig.servers import USUAL


def shown(config: Config = USUAL, **more: object) -> PublicServerInfo:
    return PublicServerInfo(config, services_from_config(config), lambda: 0.0, **more)  # type: ignore[arg-type]


def get(path: str, *, host: str = "mx.home.test", server: PublicServerInfo | None = None, **query: str) -> Response:
    return run(build_site(server or shown()).respond(Request("GET", path, host, query)))


def post(path: str, body: str) -> Response:
    return run(build_site(shown()).respond(Request("POST", path, "autodiscover.home.test", body=body.encode())))
