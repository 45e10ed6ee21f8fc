"""Steps in the journeys of messages: read, moved and expunged."""

from __future__ import annotations

import pytest

from mailstack.letter.delivery import Step
from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store import StoreError
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer


def server_with(count: int, limit: int = 1000) -> ImapServer:
    return ImapServer(*[HELLO] * count, limits=ImapLimits(journey_messages=limit))


def steps(server: ImapServer, number: int = 1) -> list[Step]:
    return run(server.store.history.steps(f"letter{number:09}"))


def names(server: ImapServer, number: int = 1) -> list[str]:
    return [step.step for step in steps(server, number)]


def test_the_first_seen_is_read_and_no_later_one() -> None:
    server = server_with(2)
    client = server.selected()
    client.ask("STORE 1 +FLAGS (\\Flagged)")
    assert names(server) == []
    client.ask("STORE 1:2 +FLAGS.SILENT (\\Seen)")
    client.ask("STORE 1 -FLAGS (\\Seen)")
    client.ask("STORE 1 FLAGS (\\Seen)")
    client.ask("FETCH 2 BODY[]")
    (step,) = steps(server)
    assert (step.step, step.server) == ("read", "mx.home.test")
    tls = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}
    assert step.facts == {"by": BOB, "folder": "INBOX", "client": "192.0.2.9", "tls": tls}
    assert server.service.journal.steps == [step, *steps(server, 2)]  # type: ignore[attr-defined]


def test_a_fetch_of_the_text_is_read_and_a_peek_is_not() -> None:
    server = server_with(2)
    client = server.selected()
    client.ask("FETCH 1:2 BODY.PEEK[]")
    assert names(server) + names(server, 2) == []
    client.ask("FETCH 1 BODY[TEXT]")
    assert (names(server), names(server, 2)) == (["read"], [])


def test_moves_and_removals_are_steps_in_their_order() -> None:
    server = server_with(4)
    client = server.selected()
    client.ask("MOVE 1:2 Junk")
    client.ask("STORE 1 +FLAGS (\\Deleted)")
    client.ask("EXPUNGE")
    client.ask("STORE 1 +FLAGS (\\Deleted)")
    client.ask("CLOSE")
    client.ask("SELECT Junk")
    client.ask("STORE 2 +FLAGS (\\Deleted)")
    client.ask("UID EXPUNGE 2")
    moved, *rest = steps(server)
    assert (moved.step, rest) == ("moved", [])
    assert {name: moved.facts[name] for name in ("folder", "source", "use")} == {
        "folder": "Junk",
        "source": "INBOX",
        "use": "\\Junk",
    }
    assert [names(server, number) for number in (2, 3, 4)] == [["moved", "expunged"], ["expunged"], ["expunged"]]
    assert steps(server, 2)[1].facts["folder"] == "Junk"
    assert steps(server, 4)[0].facts["folder"] == "INBOX"


def test_a_replaced_message_is_expunged_and_its_replacement_appended() -> None:
    server = server_with(1)
    client = server.selected()
    client.ask("REPLACE 1 INBOX {6+}\r\nA:\r\n\r\n")
    assert names(server) == ["expunged"]
    journal = server.service.journal.steps  # type: ignore[attr-defined]
    assert [step.step for step in journal] == ["appended", "expunged"]


def test_a_command_has_no_more_steps_than_the_limit() -> None:
    server = server_with(5, limit=2)
    client = server.selected()
    client.ask("STORE 1:* +FLAGS (\\Seen \\Deleted)")
    client.ask("MOVE 3:* Trash")
    client.ask("EXPUNGE")
    assert [names(server, number) for number in range(1, 6)] == [
        ["read", "expunged"],
        ["read", "expunged"],
        ["moved"],
        ["moved"],
        [],
    ]


def test_without_the_setting_nothing_is_recorded() -> None:
    server = ImapServer(HELLO)
    client = server.selected()
    client.ask("STORE 1 +FLAGS (\\Seen \\Deleted)")
    client.ask("EXPUNGE")
    assert names(server) == []


@pytest.mark.parametrize("command", ["STORE 1 +FLAGS (\\Seen)", "MOVE 1 Trash"])
def test_a_command_does_not_fail_with_its_step(command: str, caplog: pytest.LogCaptureFixture) -> None:
    server = server_with(1)
    client = server.selected()
    server.faults["letters_of"] = StoreError("the disk is gone")
    assert client.ask(command).endswith("completed\r\n")
    assert "the disk is gone" in caplog.text
    assert names(server) == []
