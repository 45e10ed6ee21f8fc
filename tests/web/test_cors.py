"""Cross-origin requests: reads, writes, subresources and preflights."""

from __future__ import annotations

import pytest

from mailstack.web.http_messages import HttpRoute, Request, Response, decode_json, json_response
from mailstack.web.site import AllowAll, CorsPolicy, Site
from tests.aid import run

FRIEND = "http://friend.test:3000"


async def act(ask: Request) -> Response:
    return json_response({"done": ask.user.is_admin})


async def take(ask: Request) -> Response:
    return json_response(decode_json(ask, dict[str, int]))


SITE = Site(
    [
        HttpRoute("GET", "/v1/x", act, "user"),
        HttpRoute("GET", "/v1/part", act, "user", is_picture=True),
        HttpRoute("DELETE", "/v1/x", act, "user"),
        HttpRoute("POST", "/v1/x", take, "user"),
    ],
    ["x.test"],
    authenticator=AllowAll(),
    cors=CorsPolicy([FRIEND]),
)


def ask(method: str, body: bytes = b"", path: str = "/v1/x", **fields: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    found = run(SITE.respond(Request(method, path, "x.test", body=body, fields=named, authority="x.test:8025")))
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://x.test"},
        {"origin": "http://x.test:8025", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(fields: dict[str, str]) -> None:
    answer = ask("DELETE", **fields)
    assert answer.status == 403
    assert answer.media_type.startswith("application/problem+json")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"origin": "http://x.test:8025", "sec_fetch_site": "same-origin"},
        {"origin": "https://x.test:8025"},
        {"sec_fetch_site": "none"},
        {"origin": FRIEND, "sec_fetch_site": "cross-site"},
    ],
)
def test_own_pages_programs_and_allowed_origins_may_write(fields: dict[str, str]) -> None:
    assert ask("DELETE", **fields).status == 200


@pytest.mark.parametrize("mode", ["no-cors", "cors", ""])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_page_of_another_site_may_not_read(site: str, mode: str) -> None:
    """It can't read the answer; but it could take places among those that wait, and have letters marked as read."""
    assert ask("GET", sec_fetch_site=site, sec_fetch_mode=mode).status == 403
    assert ask("HEAD", sec_fetch_site=site, sec_fetch_mode=mode).status == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
        {"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"},
        {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "origin": FRIEND},
    ],
)
def test_navigation_own_pages_and_allowed_origins_may_read(fields: dict[str, str]) -> None:
    assert ask("GET", **fields).status == 200


@pytest.mark.parametrize("dest", ["image", "audio", "video", "style", "font", "script", "object", "embed", "track"])
def test_a_letter_has_its_parts_as_pictures_and_asks_for_nothing_else(dest: str) -> None:
    """To a browser its HTML is a page of ours: <img src="/v1/wait"> would be asked for in our own name."""
    fields = {"sec_fetch_site": "same-origin", "sec_fetch_mode": "no-cors", "sec_fetch_dest": dest}
    assert ask("GET", **fields).status == 403
    assert ask("HEAD", **fields).status == 403
    assert ask("GET", path="/v1/part", **fields).status == 200


@pytest.mark.parametrize("dest", ["document", "iframe", "empty", ""])
def test_own_pages_and_scripts_may_read_everything(dest: str) -> None:
    assert ask("GET", sec_fetch_site="same-origin", sec_fetch_dest=dest).status == 200


def test_only_allowed_origins_get_cors_fields() -> None:
    assert "Access-Control-Allow-Origin" not in dict(ask("GET", origin="http://evil.test").headers)
    assert dict(ask("GET", origin=FRIEND).headers)["Access-Control-Allow-Origin"] == FRIEND


def test_preflight_allows_methods_to_allowed_origins() -> None:
    friend, stranger = (dict(ask("OPTIONS", origin=origin).headers) for origin in (FRIEND, "http://evil.test"))
    assert "DELETE" in friend["Access-Control-Allow-Methods"]
    assert friend["Allow"] == stranger["Allow"] == "GET, DELETE, POST, HEAD, OPTIONS"
    assert "Access-Control-Allow-Methods" not in stranger


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", 200),
        (b'{"a": 1}', "text/plain", 415),
        (b'{"a": 1}', "application/x-www-form-urlencoded", 415),
        (b'{"a": "1"}', "application/json", 400),
        (b'{"a": ', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
    ],
)
def test_a_body_is_json_and_says_so(body: bytes, kind: str, status: int) -> None:
    """A form of another site can send text/plain, and form fields, without being asked first."""
    assert ask("POST", body, content_type=kind).status == status


def test_site_without_authenticator_denies_all() -> None:
    site = Site([HttpRoute("GET", "/v1/x", act, "user")], ["x.test"])
    answer = run(site.respond(Request("GET", "/v1/x", "x.test")))
    assert isinstance(answer, Response)
    assert answer.status == 403
