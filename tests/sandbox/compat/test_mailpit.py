"""Mailpit's API v1: each path, its field names, its wrappers and its refusals."""

from __future__ import annotations

import io

import pytest

from mailstack.letter import Address
from mailstack.sandbox.compat.mailpit.message import thumbnail
from tests.mailbox.index.shelf import BOB, text
from tests.sandbox.compat.desk import Desk, whole

HTML = b"""\
From: "Doe, Jane" <jane@a.test>\r
To: Bob <bob@home.test>\r
Subject: =?utf-8?q?h=C3=A9?=\r
Date: Thu, 26 Nov 2026 22:41:22 +0100\r
Message-ID: <1@a.test>\r
List-Unsubscribe: <https://a.test/u>\r
Reply-To: r@a.test\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=a\r
\r
--a\r
Content-Type: multipart/related; boundary=b\r
\r
--b\r
Content-Type: text/html\r
\r
<script>bad()</script><p>Hi <img src="cid:i@a"> <img src="https://a.test/t.gif"></p>\r
--b\r
Content-Type: image/png; name=i.png\r
Content-ID: <i@a>\r
Content-Transfer-Encoding: base64\r
\r
iVBORw0K\r
--b--\r
--a\r
Content-Type: text/html; name=evil.html\r
Content-Disposition: attachment\r
\r
<script>bad()</script>\r
--a--\r
"""

CAROL = Address("carol", "elsewhere.test")


def test_a_list_has_mailpits_wrapper_and_its_summaries(desk: Desk) -> None:
    letter = desk.shelf.put(HTML, to=(BOB, CAROL), account="alice@home.test")
    desk.shelf.put()
    page = desk.get("/api/v1/messages?start=1&limit=1")
    (summary,) = page.pop("messages")
    counts = {"total": 2, "unread": 2, "count": 1, "messages_count": 2, "messages_unread": 2}
    assert page == {**counts, "start": 1, "tags": []}
    assert summary.pop("Created").endswith("Z")
    assert summary == {
        "ID": letter,
        "MessageID": "1@a.test",
        "Read": False,
        "From": {"Name": "Doe, Jane", "Address": "jane@a.test"},
        "To": [{"Name": "Bob", "Address": "bob@home.test"}],
        "Cc": [],
        "Bcc": [{"Name": "", "Address": "carol@elsewhere.test"}],
        "ReplyTo": [{"Name": "", "Address": "r@a.test"}],
        "Subject": "hé",
        "Username": "alice@home.test",
        "Tags": [],
        "Size": len(HTML),
        "Attachments": 1,
        "Snippet": "Hi",
    }


def test_an_opened_message_has_its_parts_and_is_read_then(desk: Desk) -> None:
    letter = desk.shelf.put(HTML, to=(BOB,))
    message = desk.get(f"/api/v1/message/{letter}")
    assert message["Date"] == "2026-11-26T22:41:22.000+01:00"
    assert message["ReturnPath"] == "alice@home.test"
    assert message["Text"] == "Hi"
    assert "<script>" in message["HTML"]
    links = {"Links": ["https://a.test/u"], "Errors": "", "HeaderPost": ""}
    assert message["ListUnsubscribe"] == {"Header": "<https://a.test/u>", **links}
    (inline,), (attached,) = message["Inline"], message["Attachments"]
    assert (inline["PartID"], inline["ContentID"], inline["Size"]) == ("1.2", "i@a", 6)
    assert inline["Checksums"]["MD5"] == "a21cd8e0b5d5a2f9a4e7ab4c8c9ca4be" or len(inline["Checksums"]["MD5"]) == 32
    assert (attached["FileName"], attached["ContentType"]) == ("evil.html", "text/html")
    assert desk.get("/api/v1/messages")["messages"][0]["Read"] is True
    assert desk.get("/api/v1/message/latest")["ID"] == letter


def test_header_source_and_parts(desk: Desk) -> None:
    letter = desk.shelf.put(HTML)
    headers = desk.get(f"/api/v1/message/{letter}/headers")
    assert headers["Subject"] == ["=?utf-8?q?h=C3=A9?="]
    assert headers["Message-Id"] == ["<1@a.test>"]
    assert list(headers) == sorted(headers)
    raw = desk.ask("GET", "/api/v1/message/latest/raw?dl=1")
    assert (raw.body, raw.media_type) == (HTML, "text/plain; charset=utf-8")
    assert ("Content-Disposition", f'attachment; filename="{letter}.eml"') in raw.headers
    image = desk.ask("GET", f"/api/v1/message/{letter}/part/1.2")
    assert (image.body, image.media_type) == (b"\x89PNG\r\n", "image/png")
    long = desk.shelf.put(b"Content-Type: image/png\r\nContent-ID: <" + b"\xc3\xa9" * 9000 + b">\r\n\r\nx")
    fields = desk.ask("GET", f"/api/v1/message/{long}/part/1").headers
    assert sum(len(value) for _, value in fields) < 4096, "no client has room for more"
    evil = desk.ask("GET", f"/api/v1/message/{letter}/part/2")
    assert evil.media_type == "application/octet-stream"
    assert ("Content-Security-Policy", "default-src 'none'; sandbox") in evil.headers


def test_a_letter_as_a_page_runs_nothing_and_asks_nobody_unless_told_to(desk: Desk) -> None:
    letter = desk.shelf.put(HTML)
    page = desk.ask("GET", f"/view/{letter}.html")
    assert f'src="../api/v1/message/{letter}/part/1.2"'.encode() in page.body  # type: ignore[operator]
    policies = [value for name, value in page.headers if name == "Content-Security-Policy"]
    assert "script-src" not in policies[-1]
    assert policies[-1].startswith("default-src 'none'; img-src data: 'self';")
    assert "https:" not in policies[-1]
    wide = desk.ask("GET", f"/view/{letter}.html?remote=1")
    assert "img-src data: https:" in [value for name, value in wide.headers if name == "Content-Security-Policy"][-1]
    assert desk.ask("GET", "/view/latest.txt").body == b"Hi"
    assert ("Location", f"../#/letter/{letter}") in desk.ask("GET", "/view/latest?query=subject:h").headers
    assert ("Location", "../") in desk.ask("GET", "/view/latest?query=subject:nothing").headers
    plain = desk.shelf.put()
    assert desk.ask("GET", f"/view/{plain}.html").status == 404


def test_a_search_counts_what_it_finds_and_what_there_is(desk: Desk) -> None:
    desk.shelf.put(text("one"))
    desk.shelf.put(text("two"))
    page = desk.get("/api/v1/search?query=subject:two")
    assert (page["total"], page["messages_count"], page["messages_unread"]) == (2, 1, 1)
    assert desk.ask("GET", "/api/v1/search").status == 400
    assert desk.ask("GET", "/api/v1/search?query=is:nothing").status == 400
    assert desk.ask("GET", "/api/v1/search?query=after:2020-01-01&tz=Nowhere").status == 400
    assert desk.get("/api/v1/search?query=after:2120-01-01&tz=Europe/Berlin")["messages"] == []


def test_marking_by_ids_by_search_and_all(desk: Desk) -> None:
    one, two = desk.shelf.put(text("one")), desk.shelf.put(text("two"))

    def unread() -> set[str]:
        return {each["ID"] for each in desk.get("/api/v1/messages")["messages"] if not each["Read"]}

    assert desk.ask("PUT", "/api/v1/messages", {"IDs": [one], "Read": True}).body == b"ok"
    assert unread() == {two}
    desk.ask("PUT", "/api/v1/messages", {"Search": "subject:two", "Read": True})
    assert unread() == set()
    desk.ask("PUT", "/api/v1/messages", {"ids": [one]})
    assert unread() == {one}
    desk.ask("PUT", "/api/v1/messages", {})
    assert unread() == {one, two}
    assert desk.ask("PUT", "/api/v1/messages", {"IDs": [one], "Search": "x"}).status == 400


def test_deleting_by_ids_by_search_and_all_but_never_by_mistake(desk: Desk) -> None:
    letters = [desk.shelf.put(text(f"number {n}")) for n in range(5)]
    assert desk.ask("DELETE", "/api/v1/messages", b"{bad").status == 400
    assert desk.ask("DELETE", "/api/v1/messages", {"IDs": [letters[0]]}).body == b"ok"
    form = {"content-type": "application/x-www-form-urlencoded"}
    desk.ask("DELETE", "/api/v1/messages", f"ids={letters[1]}".encode(), **form)
    assert desk.ask("DELETE", "/api/v1/search").status == 400
    desk.ask("DELETE", "/api/v1/search?query=subject:2")
    assert [each["ID"] for each in desk.get("/api/v1/messages")["messages"]] == [letters[4], letters[3]]
    assert desk.ask("DELETE", "/api/v1/messages").status == 200
    assert desk.get("/api/v1/messages")["total"] == 0
    assert desk.ask("GET", "/api/v1/message/latest").status == 404


def test_tags_are_replaced_renamed_and_removed(desk: Desk) -> None:
    letter = desk.shelf.put()
    desk.ask("PUT", "/api/v1/tags", {"IDs": [letter], "Tags": ["New", "old"]})
    assert desk.get("/api/v1/tags") == ["New", "old"]
    desk.ask("PUT", "/api/v1/tags/old", {"Name": "Older"})
    desk.ask("DELETE", "/api/v1/tags/New")
    assert desk.get("/api/v1/message/latest")["Tags"] == ["Older"]
    assert desk.get("/api/v1/info")["Tags"] == {"Older": 1}
    assert desk.ask("PUT", "/api/v1/tags", {"IDs": [letter], "Tags": ["a,b"]}).status == 400
    desk.ask("PUT", "/api/v1/tags", {"IDs": [letter], "Tags": []})
    assert desk.get("/api/v1/tags") == []


def test_refusals_are_plain_text(desk: Desk) -> None:
    for path in ("/api/v1/message/none", "/api/v1/message/none/raw", "/api/v1/message/latest", "/view/none.html"):
        answer = desk.ask("GET", path)
        assert (answer.status, answer.media_type) == (404, "text/plain; charset=utf-8")
    letter = desk.shelf.put()
    assert desk.ask("GET", f"/api/v1/message/{letter}/part/7").status == 404


def test_what_it_says_of_itself(desk: Desk) -> None:
    desk.shelf.put()
    info = desk.get("/api/v1/info")
    assert (info["Messages"], info["Unread"], info["RuntimeStats"]["SMTPAccepted"]) == (1, 1, 1)
    assert desk.get("/api/v1/webui")["MessageRelay"]["Enabled"] is True
    assert desk.ask("GET", "/livez").status == desk.ask("GET", "/readyz").status == 200


def test_thumbnails_are_of_one_size_whatever_is_asked_for(desk: Desk) -> None:
    image = pytest.importorskip("PIL.Image")
    letter = desk.shelf.put(HTML)
    for part in ("1.2", "2"):
        small = desk.ask("GET", f"/api/v1/message/{letter}/part/{part}/thumb")
        assert small.media_type == "image/jpeg"
        assert image.open(io.BytesIO(whole(small))).size == (180, 120)
    red = io.BytesIO()
    image.new("RGB", (400, 400), "red").save(red, "PNG")
    made = image.open(io.BytesIO(thumbnail(red.getvalue())))
    assert made.getpixel((90, 60))[0] > 200 > made.getpixel((90, 60))[1]


@pytest.mark.parametrize(
    ("html", "stays"),
    [
        ('<meta http-equiv="refresh" content="0;url=https://a.test">', False),
        ('<META content="0" http-equiv=refresh>', False),
        ("<meta name=viewport http-equiv=refresh content='0'>", False),
        ('<meta charset="utf-8" http-equiv="refresh">', False),
        ('<meta charset="utf-8">', True),
        ('<meta name="viewport" content="width=device-width" />', True),
        ('<link rel="preconnect" href="https://a.test">', False),
        ('<iframe src="https://a.test">', False),
        ("<p>meta link</p>", True),
    ],
)
def test_nothing_in_a_page_leads_a_browser_away(desk: Desk, html: str, stays: bool) -> None:
    letter = desk.shelf.put(b"Content-Type: text/html\r\n\r\n" + html.encode())
    assert (html.encode() in whole(desk.ask("GET", f"/view/{letter}.html"))) is stays


def test_what_a_browser_could_run_is_for_saving(desk: Desk) -> None:
    letter = desk.shelf.put(b"Content-Type: text/javascript\r\nContent-Disposition: attachment\r\n\r\nbad()")
    assert desk.ask("GET", f"/api/v1/message/{letter}/part/1").media_type == "application/octet-stream"
