"""Route table: literal and variable segments of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.web.http_messages import (
    MAX_SEGMENTS,
    HttpRoute,
    Request,
    Response,
    RouteTable,
    path_variables,
    text_response,
)


async def page(_: Request) -> Response:
    return text_response("")


def routes(*paths: str) -> RouteTable:
    return RouteTable(HttpRoute("GET", path, page) for path in paths)


TABLE = routes("/", "/a", "/a/{id}", "/a/latest", "/a/{id}/b/{part}", "/a/latest/c")


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ([""], "/"),
        (["a"], "/a"),
        (["A"], "/a"),
        (["a", "x"], "/a/{id}"),
        (["a", "X"], "/a/{id}"),
        (["a", "latest"], "/a/latest"),
        (["a", "latest", "c"], "/a/latest/c"),
        (["a", "latest", "b", "1"], "/a/{id}/b/{part}"),
    ],
)
def test_a_literal_part_goes_before_a_variable_one(segments: list[str], path: str) -> None:
    assert TABLE.lookup(segments)["GET"].path == path


@pytest.mark.parametrize(
    "segments", [[], ["b"], ["a", ""], ["a", "x", "b", ""], ["a", "x", "c"], ["A", "x"], ["", "a"]]
)
def test_unknown_paths_have_no_route(segments: list[str]) -> None:
    assert TABLE.lookup(segments) == {}


def test_path_variables_are_given_by_name() -> None:
    segments = ["a", "x/y", "b", "1"]
    assert path_variables(TABLE.lookup(segments)["GET"], segments) == {"id": "x/y", "part": "1"}


def test_two_routes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="duplicate route"):
        routes("/a/{id}", "/a/{name}")


@given(st.lists(st.text(max_size=3), max_size=MAX_SEGMENTS + 3))
def test_any_path_leads_to_a_route_that_fits_it_or_nowhere(segments: list[str]) -> None:
    for route in TABLE.lookup(segments).values():
        filled = path_variables(route, segments)
        built = [filled.get(part[1:-1], part) for part in route.path.split("/")[1:]]
        assert [part.lower() for part in built] == [part.lower() for part in segments]
