"""GreenMail's API: users, their messages, and the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailstack.letter import Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.letter import Octets
from mailstack.store import Acceptance, Placement
from tests.mailbox.index.shelf import ALICE, BOB, SERVER, text
from tests.sandbox.compat.desk import Desk


def deliver(desk: Desk, octets: bytes) -> None:
    """Into bob's mailbox."""
    shelf = desk.shelf
    now = shelf.clock.now()
    letter = Letter(
        new_letter_id(now), Envelope(ALICE, (Recipient(BOB),)), Octets(octets), Arrival(now, SERVER, "ESMTP")
    )
    delivery = Delivery(letter.id, 0, Recipient(BOB), "", DeliveryState.DELIVERED, now)
    placement = Placement(BOB.key, (letter.id, 0), b"", len(octets), now)
    shelf.run(shelf.store.queue.accept(Acceptance(letter, (delivery,), (), (placement,))))
    shelf.settle()


def body(answer: Any) -> Any:
    return json.loads(answer.body)


def test_users_are_made_listed_and_removed(desk: Desk) -> None:
    made = desk.ask("POST", "/api/user", {"email": "Bob@home.test", "login": "bob", "password": "secret"})
    assert body(made) == {"login": "bob", "email": "bob@home.test"}
    desk.ask("POST", "/api/user", {"email": "x@elsewhere.test", "password": "y"})
    stranger = {"login": "x@elsewhere.test", "email": "x@elsewhere.test"}
    assert desk.get("/api/user") == [{"login": "bob", "email": "bob@home.test"}, stranger]
    again = desk.ask("POST", "/api/user", {"email": "bob@home.test", "password": "z"})
    assert again.status == 400
    assert "already" in body(again)["message"]
    assert body(desk.ask("DELETE", "/api/user/bob")) == {"message": "User 'bob' deleted"}
    assert desk.ask("DELETE", "/api/user/bob").status == 400
    assert len(desk.get("/api/user")) == 1


def test_a_login_may_be_any_name_that_nobody_has(desk: Desk) -> None:
    for login in ("nobody", "x"):
        user = {"login": f"id-{login}", "email": f"{login}@elsewhere.test"}
        assert body(desk.ask("POST", "/api/user", {**user, "password": "y"})) == user
    assert [each["login"] for each in desk.get("/api/user")] == ["id-nobody", "id-x"]
    taken = desk.ask("POST", "/api/user", {"email": "z@elsewhere.test", "login": "id-x", "password": "y"})
    assert (taken.status, body(taken)["message"]) == (400, "Can not create user: the login id-x is there already")
    assert desk.get("/api/user/id-x/messages") == []
    assert body(desk.ask("DELETE", "/api/user/id-x")) == {"message": "User 'id-x' deleted"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "none", "password": "x"},
        {"email": "a@home.test", "login": "other@home.test", "password": "x"},
        {"email": "a@home.test", "login": "x\0y", "password": "x"},
        {"email": "a@home.test", "login": "a" * 321, "password": "x"},
        {"email": "a@b.test"},
    ],
)
def test_a_user_that_can_not_be_is_refused(desk: Desk, wrong: dict[str, str]) -> None:
    assert desk.ask("POST", "/api/user", wrong).status == 400


def test_messages_of_a_mailbox(desk: Desk) -> None:
    octets = b"Message-ID: <1@a.test>\r\nSubject: =?utf-8?q?=C3=A4?=\r\n\r\nx\r\n"
    deliver(desk, octets)
    message = {"uid": "1", "Message-ID": "<1@a.test>", "subject": "ä", "contentType": "text/plain"}
    for path in ("/api/user/bob/messages/", "/api/user/bob@home.test/messages/INBOX"):
        assert desk.get(path) == [{**message, "mimeMessage": octets.decode()}]
    assert desk.ask("GET", "/api/user/bob/messages/Trash").status == 400


def test_messages_are_told_one_by_one_so_that_not_all_of_them_are_held(desk: Desk) -> None:
    for subject in ("first", "second"):
        deliver(desk, text(subject))
    assert not isinstance(desk.ask("GET", "/api/user/bob/messages").body, bytes)
    assert [each["subject"] for each in desk.get("/api/user/bob/messages")] == ["first", "second"]


def test_purge_empties_mailboxes_and_the_list(desk: Desk) -> None:
    deliver(desk, text())
    desk.ask("POST", "/api/user", {"email": "bob@home.test", "password": "secret"})
    assert body(desk.ask("POST", "/api/mail/purge"))["message"] == "Purged mails"
    assert desk.get("/api/user/bob/messages") == []
    assert desk.get("/api/v1/messages")["total"] == 0
    assert len(desk.get("/api/user")) == 1
    deliver(desk, text())
    assert body(desk.ask("POST", "/api/service/reset"))["message"] == "Performed reset"
    assert desk.resets == 1
    assert desk.get("/api/user/bob/messages") == []


def test_configuration_and_readiness(desk: Desk) -> None:
    found = desk.get("/api/configuration")
    assert found["authenticationDisabled"] is True
    setups = [(each["protocol"], each["port"], each["isSecure"]) for each in found["serverSetups"]]
    assert setups == [("smtp", 1025, False), ("pop3s", 1995, True)]
    assert desk.get("/api/service/readiness") == {"message": "Service running"}
