"""All paths of Mailpit, MailHog and GreenMail: random requests, and removed paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.sandbox.compat.routes import REMOVED
from mailstack.web.http_messages import Response, Upgrade
from tests.mailbox.index.shelf import BOB
from tests.sandbox.compat.desk import Desk
from tests.sandbox.compat.test_mailpit import HTML

NAMES = [
    "IDs", "Tags", "To", "Read", "Search", "Name", "Sender", "ErrorCode", "Probability", "From", "Email", "Headers",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(("latest", "bob@home.test")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", REMOVED)
def test_a_removed_path_says_what_to_use_instead(name: str) -> None:
    answer = Desk(mailhog_first=True).ask(*name.split())
    assert (answer.status, answer.media_type) == (404, "text/plain; charset=utf-8")
    assert answer.body == f"mailstack has no {name}: {REMOVED[name]}\n".encode()


@pytest.fixture(scope="module")
def desks() -> tuple[Desk, Desk]:
    return Desk(), Desk(mailhog_first=True)


@given(st.data(), VALUES | st.binary(max_size=20))
def test_any_request_finds_an_answer(desks: tuple[Desk, Desk], data: Any, body: object) -> None:
    desk = data.draw(st.sampled_from(desks))
    if not desk.shelf.items():
        desk.shelf.put(HTML, to=(BOB,))
    route = data.draw(st.sampled_from([each for each in desk.site.routes.all if not each.path.endswith("-check")]))
    text = st.sampled_from(("latest", "1", "bob", "INBOX", "latest.html", "latest.txt")) | st.text(
        "abc0/%.@", min_size=1, max_size=5
    )
    parts = [data.draw(text).replace("/", "x") if part.startswith("{") else part for part in route.path.split("/")]
    names = ("query", "start", "limit", "before", "tz", "kind", "dl", "remote")
    query = data.draw(st.dictionaries(st.sampled_from(names), st.text("a0-:@.", max_size=6), max_size=3))
    answer = desk.request(route.method, "/".join(parts), query, body)
    assert isinstance(answer, Upgrade) or answer.status < 500 or answer.status in {501, 503}


def test_answers_have_the_status_that_says_so() -> None:
    """The property above would accept a table without routes."""
    desk = Desk()
    assert len(desk.site.routes.all) > 50
    assert isinstance(desk.request("GET", "/livez", {}, None), Response)
