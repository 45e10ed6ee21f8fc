"""Read-ahead of POP3 sessions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailstack.letter import Content
from mailstack.store import Damaged
from tests.mailbox.pop3.sessions import LETTER, TLS, Server, logged_in


def test_who_fetches_one_after_the_other_has_the_next_ones_read_along() -> None:
    """POP-30"""
    server, telnet = logged_in(*[LETTER] * 20)
    telnet.say("DELE 5")
    for number in range(1, 21):
        assert telnet.say(f"RETR {number}").startswith(b"-ERR " if number == 5 else b"+OK ")
    assert server.shelf.reads == [[2, 3, 4, 6, 7, 8, 9, 10], list(range(11, 21))]


def test_who_jumps_about_has_one_at_a_time() -> None:
    server, telnet = logged_in(*[LETTER] * 9)
    for number in (3, 1, 5, 7, 2, 9):
        assert telnet.say(f"RETR {number}").startswith(b"+OK ")
    assert server.shelf.reads == []


def test_no_more_is_held_than_a_small_amount() -> None:
    """POP-30"""
    server, telnet = logged_in(*[b"x" * 60_000] * 9)
    for number in range(1, 10):
        telnet.say(f"RETR {number}")
        assert server.room.used <= 4 * 60_000
    assert max(map(len, server.shelf.reads)) == 5


def test_no_more_is_held_by_all_together_than_there_is_room_for() -> None:
    server = Server(*[LETTER] * 20)
    server.room.limit = 3 * len(LETTER)
    first, second = server.logged_in(), server.telnet(tls=TLS)
    second.say("USER alice", "PASS a")
    for number in (1, 2, 3):
        assert first.say(f"RETR {number}").startswith(b"+OK ")
    assert server.room.used == 6 * len(LETTER)
    for number in (1, 2, 3, 4):
        assert second.say(f"RETR {number}").startswith(b"+OK ")
    assert server.shelf.reads == [[2, 3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize("end", ["QUIT", "lost"])
def test_nothing_is_kept_for_a_client_that_has_left(end: str) -> None:
    server, telnet = logged_in(*[LETTER] * 20)
    telnet.say("RETR 1", "RETR 2")
    assert server.room.used == 7 * len(LETTER)
    telnet.say("QUIT") if end == "QUIT" else telnet.hang_up()
    assert server.room.used == 0


def test_a_damaged_letter_that_is_read_along_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    server, telnet = logged_in(*[LETTER] * 4)

    async def read_together(mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        raise Damaged("table entries: nonsense")

    monkeypatch.setattr(server.shelf, "read_together", read_together)
    for number in range(1, 5):
        assert telnet.say(f"RETR {number}").startswith(b"+OK ")


def test_letter_read_ahead_that_is_gone_is_an_error_at_retr() -> None:
    server, telnet = logged_in(*[LETTER] * 4)
    telnet.say("RETR 1")
    del server.shelf.letters[3]
    assert telnet.say("RETR 2").startswith(b"+OK ")
    assert telnet.say("RETR 3") == b"-ERR the message has been removed meanwhile\r\n"
    assert telnet.say("RETR 4").startswith(b"+OK ")
