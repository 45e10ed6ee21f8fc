"""Access to letters by the API: own mailbox, blind copies, hidden clients, tags."""

from __future__ import annotations

import pytest

from mailstack.letter import Address
from mailstack.letter.delivery import Step
from tests.mailbox.index.shelf import ALICE, BOB, text
from tests.web.api.desk import Desk

CAROL = Address("carol", "elsewhere.test")


def test_user_sees_only_letters_of_the_own_mailbox(desk: Desk) -> None:
    bobs, carols = desk.put(), desk.put(to=(CAROL,), account=ALICE.key)
    assert [each["id"] for each in desk.json("GET", "/v1/letters", account=BOB.key)["letters"]] == [bobs]
    assert [each["id"] for each in desk.json("GET", "/v1/letters", account=ALICE.key)["letters"]] == [carols]
    for path in ("", "/source", "/html", "/tree", "/parts/1"):
        desk.json("GET", f"/v1/letters/{carols}{path}", account=BOB.key, status=404)
    desk.json("GET", f"/v1/journeys/{carols}", account=BOB.key, status=404)
    desk.json("GET", f"/v1/journeys/{bobs}", account=BOB.key, status=404)
    assert desk.json("GET", f"/v1/journeys/{carols}", account=ALICE.key)["id"] == carols
    assert desk.json("DELETE", "/v1/letters", {"all": True}, account=BOB.key)["deleted"] == 1
    assert desk.json("PATCH", "/v1/letters", {"ids": [carols], "unread": False}, account=BOB.key) == {"changed": 0}
    assert desk.json("GET", "/v1/letters")["total"] == 1


def test_blind_copies_are_shown_to_the_author_only(desk: Desk) -> None:
    """RFC 5321 §7.2"""
    tagged = Address("bob+x", "home.test")
    letter = desk.put(text(Cc="ann@home.test"), to=(BOB, tagged, CAROL, Address("ann", "home.test")), account=ALICE.key)

    def told(account: str) -> str:
        found = desk.json("GET", f"/v1/letters/{letter}", account=account)
        waited = desk.json("GET", "/v1/wait", account=account)["letters"][0]
        listed = desk.json("GET", "/v1/letters", account=account)["letters"][0]
        assert waited == found
        assert listed["recipients"] == found["recipients"]
        return str(found)

    assert CAROL.key not in told(BOB.key)
    assert "bob+x" in told(BOB.key)
    assert "ann@home.test" in told(BOB.key)
    assert "bob+x" not in told(CAROL.key)
    assert CAROL.key in told(CAROL.key)
    assert CAROL.key in told(ALICE.key)
    assert CAROL.key in str(desk.json("GET", f"/v1/letters/{letter}"))


def test_hidden_client_is_shown_to_author_and_administrator_only(desk: Desk) -> None:
    """SUBM-07: what Received leaves out, the API does not tell a recipient either."""
    desk.hide_client = True
    letter = desk.put(to=(BOB, CAROL), account=ALICE.key, helo="alices-laptop.test")
    facts = ("alices-laptop.test", "192.0.2.9", f"'account': '{ALICE.key}'")

    def shown(account: str) -> list[str]:
        found = desk.json("GET", f"/v1/letters/{letter}", account=account)
        assert desk.json("GET", "/v1/wait", account=account)["letters"][0]["envelope"] == found["envelope"]
        return [fact for fact in facts if fact in str(found)]

    assert shown(BOB.key) == []
    assert shown(CAROL.key) == []
    assert shown(ALICE.key) == list(facts)
    assert shown("") == list(facts)
    desk.json("GET", f"/v1/journeys/{letter}", account=BOB.key, status=404)


def test_client_of_another_host_is_shown_to_recipients(desk: Desk) -> None:
    """`hide_client` is for our own users; a stranger's client stands in Received as well."""
    desk.hide_client = True
    letter = desk.put(helo="mx.elsewhere.test")
    envelope = desk.json("GET", f"/v1/letters/{letter}", account=BOB.key)["envelope"]
    assert (envelope["helo"], envelope["client"]) == ("mx.elsewhere.test", "192.0.2.9")


def test_author_does_not_see_where_a_reader_fetched_the_letter(desk: Desk) -> None:
    desk.hide_client = True
    letter = desk.put(account=ALICE.key, mailbox=BOB.key)
    facts = {"by": BOB.key, "client": "192.0.2.77", "protocol": "pop3"}
    step = Step(letter, desk.clock.now(), "mx.home.test", "collected", facts)
    (uid,) = [entry.uid for entry in desk.run(desk.store.mailboxes.entries(BOB.key, 0, 10))]
    desk.run(desk.store.mailboxes.update(BOB.key, collected=[uid], deleted=[], steps=[step]))

    def collected(account: str) -> dict[str, str]:
        steps = desk.json("GET", f"/v1/journeys/{letter}", account=account)["steps"]
        return next(each for each in steps if each["step"] == "collected")

    assert "client" not in collected(ALICE.key)
    assert collected(ALICE.key)["by"] == BOB.key
    assert collected("")["client"] == "192.0.2.77"


def test_id_of_a_letter_that_is_not_the_visitors_is_an_unknown_id(desk: Desk) -> None:
    """`after` tells nobody whether an id exists."""
    carols = desk.put(to=(CAROL,))
    own = desk.put()
    unknown = desk.request("GET", "/v1/wait", account=BOB.key, after="1KZZZZ-unknown", timeout="0")
    foreign = desk.request("GET", "/v1/wait", account=BOB.key, after=carols, timeout="0")
    assert (foreign.status, foreign.body) == (unknown.status, unknown.body) == (400, unknown.body)
    desk.json("GET", "/v1/wait", account=BOB.key, after=own, timeout="0", status=408)
    assert desk.json("GET", "/v1/wait", after=carols)["letters"]


@pytest.mark.parametrize(
    "query",
    ["carol", "ca", "bcc:carol", f"bcc:{CAROL.key}", "bcc:@elsewhere.test", "addressed:carol", "bcc:c", "bcc:ca"],
)
def test_search_does_not_reveal_blind_copies(desk: Desk, query: str) -> None:
    desk.put(to=(BOB, CAROL), account=ALICE.key)
    assert desk.json("GET", "/v1/letters", query=query)["total"] == 1
    assert desk.json("GET", "/v1/letters", query=query, account=BOB.key)["total"] == 0
    assert desk.json("GET", "/v1/letters", query=f"-{query}", account=BOB.key)["total"] == 1
    desk.json("GET", "/v1/wait", to=CAROL.key, timeout="0", account=BOB.key, status=408)
    assert desk.json("GET", "/v1/wait", to=BOB.key, timeout="0", account=BOB.key)["letters"]
    assert desk.json("GET", "/v1/wait", to=CAROL.key, timeout="0", account=CAROL.key)["letters"]


def test_tags_of_invisible_letters_are_hidden(desk: Desk) -> None:
    desk.put(text(X_Tags="Takeover"), to=(CAROL,))
    desk.put(text(X_Tags="Lunch"))
    assert desk.json("GET", "/v1/tags", account=BOB.key) == {"Lunch": 1}
    assert desk.json("GET", "/v1/tags") == {"Lunch": 1, "Takeover": 1}


def test_what_a_reader_does_in_folders_is_not_shown_to_the_author(desk: Desk) -> None:
    """IMAP-123."""
    letter = desk.put(to=(BOB,), account=ALICE.key)
    for name, by in (("read", BOB.key), ("moved", BOB.key), ("expunged", BOB.key), ("read", ALICE.key)):
        step = Step(letter, desk.clock.now(), "mx.home.test", name, {"by": by, "folder": "Love letters"})
        assert desk.run(desk.store.history.add_steps([step])) == [step]

    def shown(account: str) -> list[tuple[str, str]]:
        steps = desk.json("GET", f"/v1/journeys/{letter}", account=account)["steps"]
        return [(each["step"], each["by"]) for each in steps if "folder" in each]

    assert shown(ALICE.key) == [("read", ALICE.key)]
    assert len(shown("")) == 4
