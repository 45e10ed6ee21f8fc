"""Mailpit's and GreenMail's APIs described for programs: every path that answers is there, and the inbox's search is found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.compat.desk import Desk
from tests.web.api.test_description import references


def paths(desk: Desk, *beginnings: str) -> set[tuple[str, str]]:
    """Methods and paths that answer."""
    return {(route.method.lower(), route.path) for route in desk.site.routes.all if route.path.startswith(beginnings)}


def told(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, path) for path, methods in document["paths"].items() for method in methods}


@pytest.mark.parametrize("mailhog_first", [False, True])
def test_all_that_is_told_answers(*, mailhog_first: bool) -> None:
    desk = Desk(mailhog_first=mailhog_first)
    for path in ("/api/v1/swagger.json", "/greenmail-openapi.yml"):
        document = desk.get(path)
        assert told(document) <= {(route.method.lower(), route.path) for route in desk.site.routes.all}
        for reference in references(document):
            assert reference.rpartition("/")[2] in document["components"]["schemas"]
        names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
        assert len(set(names)) == len(names)


def test_all_of_mailpits_api_is_told() -> None:
    desk = Desk()
    document = desk.get("/api/v1/swagger.json")
    answering = {each for each in paths(desk, "/api/v1/") if not _is_mailhogs(desk, *each)}
    assert answering <= told(document)
    shown = document["components"]["schemas"]
    assert {"ID", "MessageID", "From", "Snippet"} <= set(shown["MessageSummary"]["properties"])


def _is_mailhogs(desk: Desk, method: str, path: str) -> bool:
    (route,) = [each for each in desk.site.routes.all if (each.method.lower(), each.path) == (method, path)]
    return "mailhog" in getattr(route.page, "__module__", "")


def test_an_answer_is_as_it_is_told() -> None:
    desk = Desk()
    schemas = desk.get("/api/v1/swagger.json")["components"]["schemas"]
    assert set(desk.get("/api/v1/info")) == set(schemas["Information"]["properties"])
    assert set(desk.get("/api/v1/messages")) == set(schemas["MessagesSummary"]["properties"])


def test_all_of_greenmails_api_is_told() -> None:
    desk = Desk()
    answering = {
        (method, path)
        for method, path in paths(desk, "/api/user", "/api/mail/", "/api/service", "/api/configuration")
        if not path.endswith("/")
    }
    assert answering <= told(desk.get("/greenmail-openapi.yml"))


@pytest.mark.parametrize(
    ("query", "found"), [("q=tag:x", "query=tag%3Ax"), ("query=from:a", "query=from%3Aa"), ("", "query=")]
)
def test_the_search_of_mailpits_pages_leads_to_ours(query: str, found: str) -> None:
    answer = Desk().ask("GET", f"/search?{query}")
    assert (answer.status, dict(answer.headers)["Location"]) == (302, f"./#/letters?{found}")
