"""MailHog's APIs v1 and v2: each path, its field names and wrappers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mailstack.sandbox.compat.mailhog.monkey import Jim, jim_rules
from tests.aid import run
from tests.mailbox.index.shelf import ALICE, BOB, text
from tests.sandbox.compat.desk import Desk, whole
from tests.sandbox.compat.test_mailpit import CAROL, HTML


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk(mailhog_first=True)
    yield found
    found.shelf.close()
    assert not found.shelf.clock.bugs


def test_a_page_of_v2_has_items(desk: Desk) -> None:
    letter = desk.shelf.put(HTML, to=(BOB, CAROL), helo="client.test")
    desk.shelf.put()
    page = desk.get("/api/v2/messages?start=1&limit=5")
    (message,) = page.pop("items")
    assert page == {"total": 2, "count": 1, "start": 1}
    assert message["ID"] == letter
    assert message["From"] == {"Relays": None, "Mailbox": "alice", "Domain": "home.test", "Params": ""}
    assert [path["Mailbox"] for path in message["To"]] == ["bob", "carol"]
    assert message["Content"]["Headers"]["Subject"] == ["=?utf-8?q?h=C3=A9?="]
    assert message["Content"]["Size"] == len(HTML)
    assert message["Content"]["Body"].startswith("--a\r\n")
    related, attached = message["MIME"]["Parts"]
    assert [part["Headers"]["Content-Type"] for part in related["MIME"]["Parts"]] == [
        ["text/html"],
        ["image/png; name=i.png"],
    ]
    assert related["MIME"]["Parts"][1]["Body"] == "iVBORw0K"
    assert attached["MIME"] is None
    assert message["Raw"] == {
        "From": "alice@home.test",
        "To": ["bob@home.test", "carol@elsewhere.test"],
        "Data": HTML.decode(),
        "Helo": "client.test",
    }


def test_v1_is_a_bare_list(desk: Desk) -> None:
    letter = desk.shelf.put()
    (message,) = desk.get("/api/v1/messages")
    assert message["ID"] == letter
    assert message["MIME"] is None
    assert desk.get(f"/api/v1/messages/{letter}")["ID"] == letter
    assert desk.ask("GET", "/api/v2/messages").media_type == "text/json; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "query", "count"),
    [
        ("from", "alice@home.test", 2),
        ("from", "alice", 2),
        ("from", "bob", 0),
        ("to", "bob@home.test", 1),
        ("to", "elsewhere", 1),
        ("containing", "needle", 1),
        ("containing", "nothing of it", 0),
    ],
)
def test_searches(desk: Desk, kind: str, query: str, count: int) -> None:
    desk.shelf.put(text(body="a needle"), to=(BOB,), sender=ALICE)
    desk.shelf.put(text(To="carol@elsewhere.test"), to=(CAROL,), sender=ALICE)
    page = desk.get(f"/api/v2/search?kind={kind}&query={query}")
    assert page["total"] == len(page["items"]) == count


def test_a_search_of_no_kind_is_refused(desk: Desk) -> None:
    assert desk.ask("GET", "/api/v2/search?kind=x&query=y").status == 400
    assert desk.ask("GET", "/api/v2/search?kind=to").status == 400


def test_downloads_deletion_and_release(desk: Desk) -> None:
    letter = desk.shelf.put(HTML)
    assert desk.ask("GET", f"/api/v1/messages/{letter}/download").body == HTML
    assert b"bad()" in desk.ask("GET", f"/api/v1/messages/{letter}/mime/part/1/download").body  # type: ignore[operator]
    assert desk.ask("GET", f"/api/v1/messages/{letter}/mime/part/9/download").status == 404
    given = {"Email": "x@y.test", "Host": "localhost", "Port": "25"}
    assert desk.ask("POST", f"/api/v1/messages/{letter}/release", given).status == 200
    assert desk.get("/api/v2/messages")["total"] == 2
    assert desk.ask("DELETE", f"/api/v1/messages/{letter}").status == 200
    assert desk.get("/api/v2/messages")["total"] == 1
    assert desk.ask("DELETE", "/api/v1/messages").status == 200
    assert desk.get("/api/v2/messages")["items"] == []


def test_new_messages_are_told_by_an_event_source(desk: Desk) -> None:
    answer = desk.ask("GET", "/api/v1/events")
    assert answer.media_type == "text/event-stream"
    from tests.aid import run

    body = answer.body
    assert not isinstance(body, bytes)
    run(body.__anext__())
    from twisted.internet.defer import Deferred

    told: list[bytes] = []
    Deferred.fromCoroutine(_next(body)).addCallback(told.append)
    letter = desk.shelf.put()
    assert told
    assert json.loads(told[0].removeprefix(b"data: "))["ID"] == letter
    run(body.aclose())


async def _next(body):  # type: ignore[no-untyped-def]
    return await body.__anext__()


def test_without_its_flag_mailpits_list_stands_where_both_have_one() -> None:
    desk = Desk()
    desk.shelf.put()
    assert desk.get("/api/v1/messages")["messages_count"] == 1
    assert json.loads(whole(desk.ask("GET", "/api/v2/messages")))["total"] == 1
    desk.shelf.close()


def test_jim_is_invited_told_and_sent_home(desk: Desk) -> None:
    assert desk.ask("GET", "/api/v2/jim").status == 404
    assert desk.ask("DELETE", "/api/v2/jim").status == 404
    assert desk.ask("POST", "/api/v2/jim", {"AcceptChance": 1, "RejectSenderChance": 0.5}).status == 201
    assert desk.ask("POST", "/api/v2/jim").status == 400
    jim = desk.get("/api/v2/jim")
    assert (jim["AcceptChance"], jim["RejectSenderChance"], jim["RejectAuthChance"]) == (1, 0.5, 0.05)
    rules = {rule.id: rule.probability for rule, _ in desk.faults.list()}
    assert rules["jim-mail"] == 0.5
    assert "jim-connect" not in rules
    assert (
        desk.ask("PUT", "/api/v2/jim", {"RejectSenderChance": 0, "DisconnectChance": 0, "LinkSpeedAffect": 0}).status
        == 200
    )
    assert {rule.id for rule, _ in desk.faults.list()} == {"jim-rcpt", "jim-auth"}
    for wrong in ({"AcceptChance": 2}, {"LinkSpeedMin": 0}, {"LinkSpeedMin": 99999}, {"AcceptChance": "x"}):
        assert desk.ask("PUT", "/api/v2/jim", wrong).status == 400
    assert desk.ask("DELETE", "/api/v2/jim").status == 200
    assert desk.faults.list() == []


def test_jim_slows_lines_down_at_his_chance() -> None:
    """Speeds from the slowest to the fastest, which happen, all together, as often as he is told."""
    slow = [rule for rule in jim_rules(Jim(link_speed_affect=0.4)) if rule.speed]
    assert (slow[0].speed, slow[-1].speed) == (1024, 10240)
    missed = 1.0
    for rule in slow:
        missed *= 1 - rule.probability
    assert missed == pytest.approx(0.6)
    assert len({rule.probability * 1 for rule in slow}) == len(slow), (
        "each is asked where those before it did not happen"
    )


def test_many_letters_are_read_some_at_a_time_and_not_where_others_wait(desk: Desk) -> None:
    put = [desk.shelf.put(settle=False) for _ in range(45)]
    desk.shelf.settle()
    answer = desk.ask("GET", "/api/v2/messages?limit=250")
    assert not isinstance(answer.body, bytes)
    pieces = run(_all(answer.body))
    assert len(pieces) == 2 + 3, "what stands around them, and 20, 20 and 5 letters"
    assert [each["ID"] for each in json.loads(b"".join(pieces))["items"]] == list(reversed(put))


async def _all(body):  # type: ignore[no-untyped-def]
    return [piece async for piece in body]


def test_streams_take_the_places_that_there_are() -> None:
    """[web] streams is for Mailpit's and MailHog's as for our own."""
    desk = Desk(streams=1)
    stream = desk.ask("GET", "/api/v1/events").body
    assert not isinstance(stream, bytes)
    run(stream.__anext__())
    for path in ("/api/v1/events", "/api/v2/websocket", "/api/events"):
        fields = {
            "upgrade": "websocket",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-version": "13",
        }
        assert desk.ask("GET", path, **fields).status == 503, path
    run(stream.aclose())
    again = desk.ask("GET", "/api/v1/events")
    assert again.status == 200
    desk.shelf.close()
