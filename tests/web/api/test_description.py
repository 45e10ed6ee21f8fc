"""OpenAPI description and reference page: both list the routes of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailstack.web.app import openapi
from mailstack.web.http_messages import HttpRoute
from mailstack.web.login import Login, me_routes
from tests.web.api.desk import Desk, routes

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text()


def all_routes(desk: Desk) -> list[HttpRoute]:
    login = Login(None, desk.store.accounts, desk.clock)  # type: ignore[arg-type]
    return [*routes(desk.index, desk.store, desk.clock), *login.routes]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_route_is_described(desk: Desk) -> None:
    document = json.loads(json.dumps(openapi(all_routes(desk))))
    assert document["openapi"].startswith("3.1")
    for route in all_routes(desk):
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["summary"].endswith(".")
        variables = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert variables == set(re.findall(r"\{(\w+)\}", route.path))
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names)


def test_what_is_referred_to_is_there(desk: Desk) -> None:
    document = openapi(all_routes(desk))
    for reference in references(document):
        assert reference.rpartition("/")[2] in document["components"]["schemas"]


def test_the_reference_has_every_route(desk: Desk) -> None:
    """That it has no other, test_managing.py sees."""
    written = set(re.findall(r"`([A-Z]+ /v1/[^`? ]*)`", REFERENCE))
    assert {f"{route.method} {route.path}" for route in all_routes(desk)} <= written


def test_current_user_has_a_route_without_login() -> None:
    assert [route.path for route in me_routes()] == ["/v1/me"]
