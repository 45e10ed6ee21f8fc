"""Mailpit's API v1: sending, release, events, chaos, checks."""

from __future__ import annotations

import base64
import json
import sys

import pytest
from twisted.internet.defer import Deferred
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from tests.sandbox.compat.desk import Desk, Wire, whole
from tests.sandbox.compat.test_mailpit import HTML

SENT = {
    "From": {"Email": "a@a.test", "Name": "Jörg"},
    "To": [{"Email": "bob@home.test", "Name": "Bob"}],
    "Cc": [{"Email": "c@c.test"}],
    "Bcc": ["d@d.test"],
    "ReplyTo": [{"Email": "r@a.test", "Name": ""}],
    "Subject": "Grüße",
    "Text": "Hallo",
    "HTML": '<img src="cid:x">',
    "Attachments": [
        {
            "Content": "data:image/png;base64," + base64.b64encode(b"png").decode(),
            "Filename": "i.png",
            "ContentID": "x",
        },
        {"Content": base64.b64encode(b"pdf").decode(), "Filename": "ä.pdf", "ContentType": "application/pdf"},
    ],
    "Tags": ["one", "two"],
    "Headers": {"X-Custom": "y"},
}


def test_what_is_sent_is_a_message_with_all_that_was_given(desk: Desk) -> None:
    answer = desk.ask("POST", "/api/v1/send", SENT)
    letter = json.loads(whole(answer))["ID"]
    message = desk.get(f"/api/v1/message/{letter}")
    assert message["From"] == {"Name": "Jörg", "Address": "a@a.test"}
    assert (message["Subject"], message["Text"].strip(), message["HTML"].strip()) == (
        "Grüße",
        "Hallo",
        '<img src="cid:x">',
    )
    assert [each["Address"] for each in message["Bcc"]] == ["d@d.test"]
    assert sorted(message["Tags"]) == ["one", "two"]
    assert [(each["FileName"], each["ContentID"]) for each in message["Inline"]] == [("i.png", "x")]
    assert [(each["FileName"], each["Size"]) for each in message["Attachments"]] == [("ä.pdf", 3)]
    assert desk.get(f"/api/v1/message/{letter}/headers")["X-Custom"] == ["y"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"From": {"Email": "no address"}},
        {"To": [], "Cc": None, "Bcc": None},
        {"To": [{"Email": "a\r\nb@c.test"}]},
        {"Headers": {"Subject": "other"}},
        {"Headers": {"X Y": "z"}},
        {"Attachments": [{"Content": "!", "Filename": "x"}]},
        {"Subject": 1},
    ],
)
def test_what_makes_no_letter_is_refused_in_json(desk: Desk, wrong: dict[str, object]) -> None:
    answer = desk.ask("POST", "/api/v1/send", {**SENT, **wrong})
    assert answer.status == 400
    assert json.loads(whole(answer))["Error"]
    assert desk.get("/api/v1/messages")["total"] == 0


def test_no_field_can_be_smuggled_in(desk: Desk) -> None:
    desk.ask("POST", "/api/v1/send", {**SENT, "Subject": "a\r\nX-Evil: 1", "Headers": {"X-A": "b\r\nX-Evil: 1"}})
    assert "X-Evil" not in desk.get("/api/v1/message/latest/headers")


def test_a_message_is_released_to_other_addresses(desk: Desk) -> None:
    letter = desk.shelf.put(HTML)
    assert desk.ask("POST", f"/api/v1/message/{letter}/release", {"To": ["x@y.test"]}).body == b"ok"
    assert desk.get("/api/v1/message/latest")["Bcc"] == [{"Name": "", "Address": "x@y.test"}]
    assert desk.ask("POST", "/api/v1/message/latest/release", ["z@y.test"]).status == 200
    assert desk.ask("POST", "/api/v1/message/latest/release", {"To": []}).status == 400
    assert desk.ask("POST", "/api/v1/message/latest/release", {"To": ["no"]}).status == 400


def test_events_are_told_by_a_websocket(desk: Desk) -> None:
    wire, client = Wire(), Connection(ConnectionType.CLIENT)
    upgrade = desk.upgrade("/api/events")
    assert ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in upgrade.headers
    ended: list[object] = []
    Deferred.fromCoroutine(upgrade.converse(wire)).addBoth(ended.append)  # type: ignore[arg-type]
    letter = desk.shelf.put()
    desk.ask("PUT", "/api/v1/messages", {"IDs": [letter], "Read": True})
    desk.ask("DELETE", "/api/v1/messages", {"IDs": [letter]})
    # Who listens is told in a turn of its own.
    desk.shelf.settle()
    wire.say(client.send(Ping(b"x")))
    wire.say(client.send(CloseConnection(1000)))
    client.receive_data(wire.written)
    events = list(client.events())
    told = [json.loads(event.data) for event in events if isinstance(event, TextMessage)]
    kinds = [each["Type"] for each in told]
    assert [kind for kind in kinds if kind != "stats"] == ["new", "update", "delete"]
    assert told[0]["Data"]["ID"] == letter
    assert told[-1]["Data"]["Total"] == 0
    assert any(isinstance(event, Pong) and event.payload == b"x" for event in events)
    assert ended == [None]


def test_a_websocket_wants_its_handshake(desk: Desk) -> None:
    assert desk.ask("GET", "/api/events").status == 426
    assert desk.ask("GET", "/api/events", upgrade="websocket").status == 426


@pytest.mark.parametrize("path", ["/api/events", "/api/v2/websocket"])
def test_without_wsproto_a_websocket_is_refused_with_the_cure(
    desk: Desk, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mailstack.web.websocket", raising=False)
    monkeypatch.setitem(sys.modules, "wsproto", None)
    for name in ("wsproto.connection", "wsproto.events", "wsproto.utilities"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    refused = desk.ask("GET", path)
    assert refused.status == 501
    assert b"pip install 'mailstack[websocket]'" in whole(refused)


def test_chaos_is_a_rule_for_each_trigger(desk: Desk) -> None:
    off = {"Sender": 451, "Recipient": 451, "Authentication": 535}
    assert desk.get("/api/v1/chaos") == {name: {"ErrorCode": code, "Probability": 0} for name, code in off.items()}
    answer = desk.ask("PUT", "/api/v1/chaos", {"Recipient": {"ErrorCode": 552, "Probability": 100}})
    assert json.loads(whole(answer))["Recipient"] == {"ErrorCode": 552, "Probability": 100}
    ((rule, _),) = desk.faults.list()
    assert (rule.at, rule.probability) == ("rcpt", 1.0)
    for wrong in (
        {"ErrorCode": 200, "Probability": 1},
        {"Probability": 101},
        {"Probability": -1},
        {"Probability": "x"},
    ):
        assert desk.ask("PUT", "/api/v1/chaos", {"Sender": wrong}).status == 400
        assert len(desk.faults.list()) == 1
    desk.ask("PUT", "/api/v1/chaos", {})
    assert desk.faults.list() == []


def test_checks_of_html_and_links(desk: Desk) -> None:
    html = b'<style>.a{display:flex}</style><p style="gap:1em"><a href="https://a.test/missing">a</a><img src="http://b.test/gone"><a href="https://c.test">c</a>'
    letter = desk.shelf.put(b"Content-Type: text/html\r\n\r\n" + html)
    checked = desk.get(f"/api/v1/message/{letter}/html-check")
    slugs = [each["Slug"] for each in checked["Warnings"]]
    assert {"css-display-flex", "css-gap", "html-style"} <= set(slugs)
    total = checked["Total"]
    assert round(total["Supported"] + total["Partial"] + total["Unsupported"]) == 100
    assert "ios" in checked["Platforms"]["apple-mail"]
    links = desk.get(f"/api/v1/message/{letter}/link-check")
    assert links["Errors"] == 2
    assert [(each["URL"][-7:], each["StatusCode"], each["Status"]) for each in links["Links"]] == [
        ("missing", 404, "Not Found"),
        ("st/gone", 0, "nobody is there"),
        ("/c.test", 200, "OK"),
    ]
    desk.shelf.put()
    assert desk.ask("GET", "/api/v1/message/latest/html-check").status == 400
