"""Letters by the API: lists, contents and changes."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.letter.delivery import DeliveryState
from mailstack.web.http_messages import Response
from tests.aid import examples, run
from tests.mailbox.index.shelf import ALICE, BOB, text
from tests.web.api.desk import Desk

CAROL = Address("carol", "elsewhere.test")


def rich() -> bytes:
    """A letter of text, HTML, a picture within it, and files."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "Alice <alice@home.test>", "bob@home.test", "Your code"
    message["Reply-To"] = "desk@home.test"
    message["List-Unsubscribe"] = "<https://list.test/u>, <mailto:u@list.test>"
    message.set_content("Your code is 482910: https://x.test/verify?t=1")
    message.add_alternative(
        '<p>Your code is 482910 <a href="https://x.test/verify?t=1">go</a><img src="cid:logo"></p>', subtype="html"
    )
    html = message.get_payload()[1]
    html.add_related(b"\x89PNG", "image", "png", cid="<logo>")
    message.add_attachment(b"<script>alert(1)</script>", "text", "html", filename="evil ü.html")
    message.add_attachment(b"%PDF", "application", "pdf", filename='a"b.pdf')
    return message.as_bytes()


def test_a_letter_is_given_as_people_read_it(desk: Desk) -> None:
    letter = desk.put(rich())
    found = desk.json("GET", f"/v1/letters/{letter}")
    assert (found["id"], found["subject"]) == (letter, "Your code")
    assert found["from"] == {"name": "Alice", "address": "alice@home.test"}
    assert "482910" in found["codes"]
    assert found["links"] == ["https://x.test/verify?t=1"]
    assert found["reply_to"] == [{"name": "", "address": "desk@home.test"}]
    assert found["list_unsubscribe"]["links"] == ["https://list.test/u", "mailto:u@list.test"]
    assert [part["inline"] for part in found["parts"]] == [False, False, True]
    assert found["recipients"] == [{"address": "bob@home.test", "state": "delivered"}]
    assert found["unread"] is True, "to look does not mark it"
    assert ["Subject", "Your code"] in found["headers"]


def test_summary_and_letter_have_the_names_that_are_promised(desk: Desk) -> None:
    letter = desk.put(rich())
    summary = desk.json("GET", "/v1/letters")["letters"][0]
    assert set(summary) == {
        "id", "number", "subject", "from", "to", "cc", "sender", "recipients", "size", "arrived", "unread", "flagged", "tags",
        "attachments", "snippet", "state",
    }  # fmt: skip
    assert set(desk.json("GET", f"/v1/letters/{letter}")) == set(summary) | {
        "bcc", "reply_to", "date", "message_id", "text", "text_truncated", "html", "parts", "headers", "links", "codes", "envelope",
        "list_unsubscribe", "events", "folders", "warnings",
    }  # fmt: skip


def test_of_a_long_text_the_beginning_is_given(desk: Desk) -> None:
    long = desk.put(b"Subject: x\r\n\r\nhttp://a.test/\r\n" + b"line\r\n" * 500_000 + b"http://z.test/\r\n")
    short = desk.put(text("n"))
    found = desk.json("GET", f"/v1/letters/{long}", max_text="20")
    assert (found["text"], found["text_truncated"]) == ("http://a.test/\nline\n", True)
    assert found["links"][0] == "http://a.test/"
    whole = desk.json("GET", f"/v1/letters/{long}")
    assert len(whole["text"]) > 1_500_000
    assert whole["text_truncated"] is True
    found = desk.json("GET", f"/v1/letters/{short}", max_text="1000")
    assert found["text_truncated"] is False
    assert found["text"] == desk.json("GET", f"/v1/letters/{short}")["text"]
    assert desk.json("GET", f"/v1/letters/{short}", max_text="0")["text"] == ""
    desk.json("GET", f"/v1/letters/{short}", max_text="-1", status=400)


def test_pages_of_a_list_follow_each_other(desk: Desk) -> None:
    letters = [desk.put(text(f"n {n}")) for n in range(5)]
    first = desk.json("GET", "/v1/letters", limit="2")
    second = desk.json("GET", "/v1/letters", limit="2", before=str(first["next"]))
    last = desk.json("GET", "/v1/letters", limit="2", before=str(second["next"]))
    assert [each["id"] for page in (first, second, last) for each in page["letters"]] == letters[::-1]
    assert (first["total"], last["next"]) == (5, None)


def test_a_large_search_is_counted_in_full_on_request(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailstack.mailbox.index.queries.MAX_COUNTED", 3)
    for n in range(5):
        desk.put(text(f"n {n}"))
    few = desk.json("GET", "/v1/letters", query="from:alice", limit="2")
    assert (few["total"], few["exact"]) == (3, False)
    exact = desk.json("GET", "/v1/letters", query="from:alice", limit="2", exact="1")
    assert (exact["total"], exact["unread"], exact["exact"], len(exact["letters"])) == (5, 5, True, 2)
    desk.json("GET", "/v1/letters", exact="yes", status=400)


def test_the_state_is_that_of_the_copy_which_was_delivered(desk: Desk) -> None:
    source = desk.put(to=(CAROL, BOB), state=DeliveryState.RELAYED, account=ALICE.key)
    trace = f"Received: by mx.home.test with ESMTP id {source};\r\n\tdate\r\n".encode()
    copy = desk.put(trace + text(), to=(CAROL,), server="mx.world.test", helo="mx.home.test")
    shown = desk.json("GET", f"/v1/letters/{copy}")
    assert shown["id"] == source
    states = {each["address"]: each["state"] for each in shown["recipients"]}
    assert states == {"carol@elsewhere.test": "delivered", "bob@home.test": "relayed"}
    assert shown["state"] == "mixed"
    for query, found in {"is:delivered": 1, "is:relayed": 1, "is:bounced": 0}.items():
        assert desk.json("GET", "/v1/letters", query=query)["total"] == found, query


@pytest.mark.parametrize("query", ["is:foo", "fooo:bar"])
def test_an_unknown_filter_is_refused_with_the_known_ones(desk: Desk, query: str) -> None:
    desk.put()
    for known in ("is:", "is:bounced") if query == "is:foo" else ("from:", "before:"):
        assert known in desk.json("GET", "/v1/letters", query=query, status=400)["detail"]
    desk.json("DELETE", "/v1/letters", {"query": query}, status=400)
    assert desk.json("GET", "/v1/letters")["total"] == 1


def test_marks_and_tags_are_changed_by_id_and_by_query(desk: Desk) -> None:
    first, second = desk.put(text("one")), desk.put(text("two"))
    assert desk.json("PATCH", "/v1/letters", {"ids": [first], "unread": False}) == {"changed": 1}
    assert desk.json("PATCH", "/v1/letters", {"query": "subject:two", "add_tags": [" Red ", "x"]}) == {"changed": 1}
    assert desk.json("GET", "/v1/tags") == {"Red": 1, "x": 1}
    listed = desk.json("GET", "/v1/letters", query="tag:red")
    assert [each["id"] for each in listed["letters"]] == [second]
    desk.json("PATCH", "/v1/letters", {"all": True, "remove_tags": ["red"]})
    assert desk.json("GET", "/v1/tags") == {"x": 1}
    unread = desk.json("GET", f"/v1/letters/{first}")["unread"]
    desk.json("PATCH", "/v1/letters", {"ids": [first], "add_tags": ["a,b"], "unread": not unread}, status=400)
    assert desk.json("GET", f"/v1/letters/{first}")["unread"] is unread, "what is refused changes nothing"


def test_what_is_deleted_comes_back_within_its_time(desk: Desk) -> None:
    letter = desk.put()
    gone = desk.json("DELETE", "/v1/letters", {"all": True})
    assert gone["deleted"] == 1
    desk.json("GET", f"/v1/letters/{letter}", status=404)
    assert desk.json("POST", "/v1/undo", {"token": gone["undo"]}) == {"restored": 1}
    assert desk.json("GET", f"/v1/letters/{letter}")["id"] == letter
    desk.json("POST", "/v1/undo", {"token": gone["undo"]}, status=404)
    assert desk.json("DELETE", "/v1/letters", {"ids": ["none"]}) == {"deleted": 0, "undo": None}
    assert desk.json("DELETE", "/v1/letters", {"all": True, "undo": False}) == {"deleted": 1, "undo": None}
    assert desk.json("GET", "/v1/letters")["total"] == 0


@pytest.mark.parametrize("body", [{}, {"ids": None}, {"all": False}])
def test_a_body_that_chooses_nothing_deletes_nothing(desk: Desk, body: dict[str, object]) -> None:
    desk.put()
    assert "Select messages" in desk.json("DELETE", "/v1/letters", body, status=400)["detail"]
    assert desk.json("GET", "/v1/letters")["total"] == 1


LIMITS = [("limit", value) for value in ("-1", "1001", "x", "")]


@pytest.mark.parametrize(
    ("name", "value"), [*LIMITS, ("start", ""), ("before", "1.5"), ("query", "larger:x"), ("query", "x" * 5000)]
)
def test_bad_parameter_is_refused(desk: Desk, name: str, value: str) -> None:
    assert set(desk.json("GET", "/v1/letters", status=400, **{name: value})) == {"title", "status", "detail"}


def test_parts_are_decoded_and_nothing_active_is_shown(desk: Desk) -> None:
    """A page of a letter must never run under our name."""
    letter = desk.put(rich())
    by_name = {part["name"]: part for part in desk.json("GET", f"/v1/letters/{letter}")["parts"]}

    def part(name: str) -> tuple[Response, dict[str, str]]:
        answer = desk.request("GET", f"/v1/letters/{letter}/parts/{by_name[name]['part']}")
        return answer, dict(answer.headers)

    evil, headers = part("evil ü.html")
    assert evil.body.strip() == b"<script>alert(1)</script>"
    assert evil.media_type == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment; filename=\"evil _.html\"; filename*=UTF-8''evil%20%C3%BC.html"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    pdf, headers = part('a"b.pdf')
    assert pdf.media_type == "application/pdf"
    assert headers["Content-Disposition"].startswith('attachment; filename="a_b.pdf"')
    logo, headers = part("")
    assert (logo.media_type, logo.body) == ("image/png", b"\x89PNG")
    assert headers["Content-Disposition"].startswith("inline")
    assert desk.request("GET", f"/v1/letters/{letter}/parts/99").status == 404


def test_html_page_has_no_scripts_and_remote_content_only_on_request(desk: Desk) -> None:
    letter = desk.put(rich())
    page = desk.request("GET", f"/v1/letters/{letter}/html")
    assert isinstance(page.body, bytes)
    assert b"<p>" in page.body
    policy = [value for name, value in page.headers if name == "Content-Security-Policy"][-1]
    assert policy.startswith("default-src 'none'; img-src data: 'self';")
    assert "sandbox" in policy
    assert "script" not in policy
    assert "https:" not in policy
    wide = dict(desk.request("GET", f"/v1/letters/{letter}/html", remote="1").headers)
    assert "img-src data: https:" in wide["Content-Security-Policy"]
    desk.json("GET", f"/v1/letters/{letter}/html", remote="yes", status=400)
    desk.json("GET", f"/v1/letters/{desk.put()}/html", status=404)


def test_pictures_in_html_are_parts_of_the_letter(desk: Desk) -> None:
    """RFC 2392"""
    letter = desk.put(
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src='cid:a@b'>\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <a@b>\r\n\r\nx\r\n--b--\r\n"
    )
    assert desk.request("GET", f"/v1/letters/{letter}/html").body.strip() == b"<img src='parts/2'>"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "kind",
    [
        "text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/javascript",
        "TEXT/HTML ; x", "multipart/x",
    ],
)  # fmt: skip
def test_no_active_type_is_named_to_a_browser(desk: Desk, kind: str) -> None:
    letter = desk.put(
        f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: {kind}\r\n\r\nx\r\n--b--\r\n".encode()
    )
    for number in ("1", "1.1"):
        answer = desk.request("GET", f"/v1/letters/{letter}/parts/{number}")
        assert answer.status == 404 or answer.media_type.partition(";")[0] in {"application/octet-stream", "text/plain"}


def test_the_source_and_the_tree_are_given(desk: Desk) -> None:
    letter = desk.put(rich())
    answer = desk.request("GET", f"/v1/letters/{letter}/source")
    assert answer.size == len(rich())

    async def whole() -> bytes:
        assert not isinstance(answer.body, bytes)
        return b"".join([piece async for piece in answer.body])

    assert run(whole()).count(b"\r\n") == rich().count(b"\r\n")
    tree = desk.json("GET", f"/v1/letters/{letter}/tree")
    assert tree["type"] == "multipart/mixed"
    assert [part["type"] for part in tree["parts"]] == ["multipart/alternative", "text/html", "application/pdf"]
    assert desk.json("GET", "/v1/letters/latest")["id"] == letter


def test_waiting_gives_what_is_there_already(desk: Desk) -> None:
    first, second = desk.put(rich()), desk.put(text("other"))
    found = desk.json("GET", "/v1/wait", to="bob@home.test", subject="CODE")
    assert [each["id"] for each in found["letters"]] == [first]
    assert found["letters"][0]["codes"][0] == "482910"
    both = desk.json("GET", "/v1/wait", to="bob@home.test", count="2", **{"from": "alice@home.test"})
    assert [each["id"] for each in both["letters"]] == [first, second]
    after = desk.json("GET", "/v1/wait", after=first)
    assert [each["id"] for each in after["letters"]] == [second]
    number = str(after["letters"][0]["number"])
    assert desk.json("GET", "/v1/wait", after=number, timeout="0", status=408)["letters"] == []
    assert desk.json("GET", "/v1/wait", to="ob@home.test", timeout="0", status=408)["letters"] == []
    few = desk.json("GET", "/v1/wait", to="bob@home.test", count="3", timeout="0", status=408)
    assert [each["id"] for each in few["letters"]] == [first, second], "what came is told"


TIMEOUTS = [("timeout", value) for value in ("-1", "nan", "", "601")]


@pytest.mark.parametrize(
    ("name", "value"), [("count", "0"), ("count", "101"), *TIMEOUTS, ("after", "soon"), ("query", "is:x")]
)
def test_a_wait_with_a_bad_parameter_is_refused(desk: Desk, name: str, value: str) -> None:
    desk.json("GET", "/v1/wait", status=400, **{name: value})


PATHS = (
    "/v1/letters", "/v1/letters/x", "/v1/letters/latest", "/v1/letters/x/parts/1", "/v1/letters/latest/html",
    "/v1/wait", "/v1/undo", "/v1/tags", "/v1/journeys/x",
)  # fmt: skip


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"]),
    path=st.sampled_from(PATHS),
    body=st.binary(max_size=60)
    | st.sampled_from([b"{}", b"[]", b"null", b'{"ids":[1]}', b'{"token":""}', b'{"query":"larger:"}']),
    query=st.dictionaries(
        st.sampled_from(["limit", "before", "query", "count", "timeout", "after", "to"]), st.text(max_size=20)
    ),
)
def test_no_request_fails(desk: Desk, method: str, path: str, body: bytes, query: dict[str, str]) -> None:
    query = {**query, "timeout": query.get("timeout", "0")}
    if path == "/v1/wait":
        query["timeout"] = "0"
    assert desk.request(method, path, body, **query).status < 500
