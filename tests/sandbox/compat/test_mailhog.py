"""MailHog's APIs v1 and v2: each path, its field names and wrappers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from tests.aid import run
from tests.mailbox.index.shelf import ALICE, BOB, text
from tests.sandbox.compat.desk import UPGRADE, Desk, Wire, whole
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
    types = [part["Headers"]["Content-Type"] for part in related["MIME"]["Parts"]]
    assert types == [["text/html"], ["image/png; name=i.png"]]
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


def test_without_its_flag_mailpits_list_stands_where_both_have_one() -> None:
    desk = Desk()
    desk.shelf.put()
    assert desk.get("/api/v1/messages")["messages_count"] == 1
    assert json.loads(whole(desk.ask("GET", "/api/v2/messages")))["total"] == 1
    desk.shelf.close()


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


def test_new_messages_are_sent_by_a_websocket(desk: Desk) -> None:
    wire, client = Wire(), Connection(ConnectionType.CLIENT)
    Deferred.fromCoroutine(desk.upgrade("/api/v2/websocket").converse(wire))  # type: ignore[arg-type]
    letter = desk.shelf.put()
    client.receive_data(wire.written)
    (message,) = [json.loads(event.data) for event in client.events() if isinstance(event, TextMessage)]
    assert message["ID"] == letter
    wire.say(client.send(CloseConnection(1000)))


def test_streams_take_the_places_that_there_are() -> None:
    """[web] streams limits Mailpit's and MailHog's as well as our own."""
    desk = Desk(streams=1)
    wire = Wire()
    Deferred.fromCoroutine(desk.upgrade("/api/v2/websocket").converse(wire))  # type: ignore[arg-type]
    for path in ("/api/v2/websocket", "/api/events"):
        assert desk.ask("GET", path, **UPGRADE).status == 503, path
    wire.say(Connection(ConnectionType.CLIENT).send(CloseConnection(1000)))
    desk.upgrade("/api/events")
    desk.shelf.close()
