"""Checks of a letter by the API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.letter.delivery import DeliveryState
from mailstack.web.api.checks import AuthenticationField, MethodResult, parse_authentication_results
from tests.mailbox.index.shelf import text
from tests.web.api.desk import Desk

HTML = '<style>p { position: fixed }</style><p><a href="https://a.test/x">a</a> <a href="https://dead.test/">b</a></p>'


def test_html_and_links_are_checked(desk: Desk) -> None:
    letter = desk.put(text(body=HTML, **{"Content-Type": "text/html"}))
    html = desk.json("GET", f"/v1/letters/{letter}/checks/html")
    assert "css-position" in {each["Slug"] for each in html["Warnings"]}
    links = desk.json("GET", f"/v1/letters/{letter}/checks/links")
    assert (links["Errors"], [each["StatusCode"] for each in links["Links"]]) == (1, [200, 404])
    plain = desk.put(text())
    desk.json("GET", f"/v1/letters/{plain}/checks/html", status=404)


def test_list_unsubscribe_is_reported(desk: Desk) -> None:
    letter = desk.put(text(List_Unsubscribe="<https://l.test/u>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"))
    found = desk.json("GET", f"/v1/letters/{letter}/checks/unsubscribe")["unsubscribe"]
    assert (found["links"], found["one_click"], found["faults"]) == (["https://l.test/u"], True, [])
    assert desk.json("GET", f"/v1/letters/{desk.put()}/checks/unsubscribe") == {"unsubscribe": None}


def test_authentication_results_of_the_last_server_are_reported(desk: Desk) -> None:
    carol = Address("carol", "elsewhere.test")
    source = desk.put(to=(carol,), state=DeliveryState.RELAYED, account="alice@home.test")
    assert desk.json("GET", f"/v1/letters/{source}/checks/authentication") == {"results": []}
    trace = f"Received: by mx.home.test with ESMTP id {source};\r\n\tdate\r\n".encode()
    field = b"Authentication-Results: mx.world.test;\r\n\tspf=pass smtp.mailfrom=home.test\r\n"
    desk.put(trace + field + text(), to=(carol,), server="mx.world.test", helo="mx.home.test", mailbox=carol.key)
    (found,) = desk.json("GET", f"/v1/letters/{source}/checks/authentication")["results"]
    assert found["server"] == "mx.world.test"
    assert found["methods"] == [{"method": "spf", "result": "pass", "detail": "smtp.mailfrom=home.test"}]


def test_no_spam_filter_is_there(desk: Desk) -> None:
    assert "spam" in desk.json("GET", f"/v1/letters/{desk.put()}/checks/spam", status=404)["detail"]


def test_a_field_is_read_with_its_comments() -> None:
    """RFC 8601 §2.2"""
    assert parse_authentication_results(
        'mx.a.test (x) 1; dkim=fail (bad) reason="no key" header.d=b.test; none; dmarc=none'
    ) == AuthenticationField(
        "mx.a.test 1",
        [MethodResult("dkim", "fail", 'reason="no key" header.d=b.test'), MethodResult("dmarc", "none", "")],
    )


@given(st.text(max_size=300))
def test_any_field_is_read(body: str) -> None:
    assert len(parse_authentication_results(body).methods) <= body.count(";") + 1
