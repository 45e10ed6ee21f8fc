"""Two IMAP sessions at once on one mailbox: news, message numbers and IDLE."""

from __future__ import annotations

from mailstack.mailbox.imap.mailbox_views import MAX_UNUSED
from mailstack.mailbox.imap.service import ImapLimits
from mailstack.protocols.connection import TimedOut
from mailstack.store import StoreError
from mailstack.store.mailboxes import DELETED
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer


def test_noop_shows_what_another_session_did() -> None:
    """IMAP-110, IMAP-112"""
    server = ImapServer(HELLO, HELLO, HELLO)
    one, other = server.selected(), server.selected()
    one.ask("STORE 1 +FLAGS (\\Flagged)")
    one.ask("STORE 2 +FLAGS (\\Deleted)")
    one.ask("EXPUNGE")
    server.deliver(HELLO)
    assert other.lines("NOOP") == [
        "* 2 EXPUNGE",
        "* 3 EXISTS",
        "* 1 FETCH (UID 1 FLAGS (\\Flagged))",
        "OK NOOP completed",
    ]
    assert one.lines("NOOP") == ["* 3 EXISTS", "OK NOOP completed"]
    assert one.ask("UID FETCH 1:* FLAGS").replace("UID FETCH", "") == other.ask("UID FETCH 1:* FLAGS")


def test_own_changes_are_reported_once_and_silent_ones_never() -> None:
    """IMAP-69"""
    server = ImapServer(HELLO)
    one, other = server.selected(), server.selected()
    assert one.lines("STORE 1 FLAGS (\\Seen)") == ["* 1 FETCH (UID 1 FLAGS (\\Seen))", "OK STORE completed"]
    assert one.lines("NOOP") == ["OK NOOP completed"]
    assert one.lines("STORE 1 +FLAGS.SILENT (\\Flagged)") == ["OK STORE completed"]
    assert one.lines("NOOP") == ["OK NOOP completed"]
    assert other.lines("NOOP")[0] == "* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged))"


def test_a_silent_store_still_reports_a_flag_of_another_session() -> None:
    """IMAP-70"""
    server = ImapServer(HELLO)
    one, other = server.selected(), server.selected()
    other.ask("STORE 1 +FLAGS.SILENT (\\Answered)")
    assert one.lines("STORE 1 +FLAGS.SILENT (\\Flagged)") == [
        "* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged))",
        "OK STORE completed",
    ]


def test_no_expunge_during_fetch_store_and_search_by_number() -> None:
    """IMAP-67, IMAP-69"""
    server = ImapServer(HELLO, HELLO, HELLO)
    one, other = server.selected(), server.selected()
    one.ask("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.ask("EXPUNGE")
    server.deliver(HELLO)
    answer = other.lines("FETCH 1:3 FLAGS")
    assert answer == [
        "* 2 FETCH (FLAGS ())",
        "* 3 FETCH (FLAGS ())",
        "* 1 FETCH (FLAGS (\\Deleted))",
        "* 4 EXISTS",
        "OK FETCH completed",
    ]
    assert other.lines("STORE 1:4 +FLAGS (\\Seen)") == [
        "* 2 FETCH (UID 2 FLAGS (\\Seen))",
        "* 3 FETCH (UID 3 FLAGS (\\Seen))",
        "* 4 FETCH (UID 4 FLAGS (\\Seen))",
        "* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted))",
        "OK STORE completed",
    ]
    assert other.lines("FETCH 4 UID")[0] == "* 4 FETCH (UID 4)"
    assert other.lines("UID FETCH 1:* UID") == [
        "* 2 FETCH (UID 2)",
        "* 3 FETCH (UID 3)",
        "* 4 FETCH (UID 4)",
        "* 1 FETCH (UID 1)",
        "* 1 EXPUNGE",
        "OK FETCH completed",
    ]
    assert other.lines("FETCH 1 UID")[0] == "* 1 FETCH (UID 2)"


def test_many_expunges_leave_the_right_numbers() -> None:
    """IMAP-110"""
    server = ImapServer(*[HELLO] * 30)
    one, other = server.selected(), server.selected()
    one.ask("STORE 1:30 +FLAGS.SILENT (\\Seen)")
    one.ask("UID STORE 2,3,7:11,30 +FLAGS.SILENT (\\Deleted)")
    one.ask("EXPUNGE")
    for telnet in (one, other):
        telnet.ask("NOOP")
        lines = telnet.lines("UID FETCH 1:* FLAGS")
        uids = [uid for uid in range(1, 31) if uid not in {2, 3, 7, 8, 9, 10, 11, 30}]
        assert lines[:-1] == [f"* {n} FETCH (UID {uid} FLAGS (\\Seen))" for n, uid in enumerate(uids, 1)]


def test_idle_reports_news_at_once() -> None:
    """IMAP-111"""
    server = ImapServer(HELLO)
    telnet, other = server.selected(), server.selected()
    assert telnet.send("x IDLE\r\n") == "+ idling\r\n"
    server.deliver(HELLO)
    assert telnet.read() == "* 2 EXISTS\r\n"
    other.ask("STORE 1 +FLAGS (\\Deleted)")
    assert telnet.read() == "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n"
    other.ask("EXPUNGE")
    assert telnet.read() == "* 1 EXPUNGE\r\n"
    assert telnet.send("DONE\r\n") == "x OK IDLE completed\r\n"
    server.deliver(HELLO)
    assert telnet.read() == ""


def test_idle_reports_a_change_that_another_session_read_before_the_store_published_it() -> None:
    """IMAP-111"""
    server = ImapServer(HELLO)
    telnet, other = server.selected(), server.selected()
    telnet.send("x IDLE\r\n")
    server.service.views.close()
    server.deliver(HELLO)
    assert other.lines("NOOP")[0] == "* 2 EXISTS"
    assert telnet.read() == ""
    server.service.views.on_change(BOB)
    assert telnet.read() == "* 2 EXISTS\r\n"


def test_idle_shows_first_what_came_before_it() -> None:
    """IMAP-111"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    server.deliver(HELLO)
    assert telnet.send("x IDLE\r\n") == "+ idling\r\n* 2 EXISTS\r\n"
    assert telnet.send("DONE\r\ny NOOP\r\n") == "x OK IDLE completed\r\ny OK NOOP completed\r\n"


def test_idle_without_a_mailbox_and_with_another_line_than_done() -> None:
    """IMAP-08"""
    telnet = ImapServer().logged_in()
    assert telnet.send("x IDLE\r\n") == "+ idling\r\n"
    answer = telnet.send("y NOOP\r\n")
    assert answer.startswith("x BAD ")
    assert telnet.send("z NOOP\r\n") == "z OK NOOP completed\r\n"


def test_idle_has_signs_of_life_and_an_end() -> None:
    """IMAP-26, IMAP-111"""
    server = ImapServer(limits=ImapLimits(idle_timeout=1800, still_here=120))
    telnet = server.selected()
    telnet.send("x IDLE\r\n")
    server.clock.advance(121)
    assert telnet.read() == "* OK still here\r\n"
    server.clock.advance(1660)
    assert telnet.read() == "* OK still here\r\n" * 13
    server.clock.advance(30)
    assert telnet.read().startswith("* BYE ")
    assert telnet.closed


def test_a_connection_that_reaches_its_lifetime_in_idle_ends() -> None:
    """IMAP-26"""
    server = ImapServer()
    telnet = server.selected()
    telnet.send("x IDLE\r\n")
    telnet.peer._ending = TimedOut(0)
    telnet.peer.wake()
    assert telnet.read().startswith("* BYE ")
    assert telnet.closed


def test_a_change_by_another_process_wakes_the_sessions_of_changed_mailboxes() -> None:
    """IMAP-111, IMAP-116"""
    server = ImapServer(HELLO)
    telnet, bystander = server.selected(), server.selected("Sent")
    telnet.send("x IDLE\r\n")
    bystander.send("x IDLE\r\n")
    server.service.views.close()
    server.deliver(HELLO)
    assert telnet.read() == ""
    server.service.views.on_change(None)
    assert telnet.read() == "* 2 EXISTS\r\n"
    assert bystander.read() == ""


def test_a_mailbox_that_is_deleted_ends_the_sessions_that_have_it_selected() -> None:
    """IMAP-47"""
    server = ImapServer()
    one = server.logged_in()
    one.ask("CREATE old")
    idle, other = server.selected("old"), server.selected("old")
    idle.send("x IDLE\r\n")
    assert one.ask("DELETE old").startswith("OK ")
    assert idle.read().startswith("* BYE ")
    assert "* BYE " in other.ask("FETCH 1:* FLAGS")
    one.ask("CREATE old")
    assert "* 0 EXISTS" in one.ask("SELECT old")


def test_expunges_of_a_session_that_was_expunged_twice() -> None:
    """IMAP-66"""
    server = ImapServer()
    for _ in range(4):
        server.deliver(HELLO, system=DELETED)
    one, other = server.selected(), server.selected()
    run(server.store.mailboxes.expunge(BOB, [2]))
    run(server.store.mailboxes.expunge(BOB, [4]))
    server.deliver(HELLO)
    assert one.lines("NOOP")[:3] == ["* 4 EXPUNGE", "* 2 EXPUNGE", "* 3 EXISTS"]
    assert other.lines("EXPUNGE")[:5] == ["* 4 EXPUNGE", "* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE", "* 1 EXISTS"]


def test_views_without_a_session_are_kept_up_to_a_limit() -> None:
    """IMAP-116"""
    server = ImapServer()
    telnet = server.logged_in()
    for number in range(MAX_UNUSED + 5):
        telnet.ask(f"CREATE f{number}")
        telnet.ask(f"SELECT f{number}")
    telnet.ask("UNSELECT")
    views = server.service.views
    assert len(views._views) == len(views._unused) == MAX_UNUSED
    telnet.ask("SELECT f3")
    telnet.ask("SELECT f68")
    assert "* 0 EXISTS" in telnet.ask("SELECT f4")
    telnet.ask("LOGOUT")
    assert len(views._views) == MAX_UNUSED
    assert all(view.users == 0 for view in views._views.values())


def test_changes_of_other_processes_are_read_by_one_query_at_a_time() -> None:
    """IMAP-116"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    telnet.send("x IDLE\r\n")
    server.service.views.close()
    server.faults["statuses"] = StoreError("the disk is slow")
    server.service.views.on_change(None)
    server.faults.clear()
    server.deliver(HELLO)
    for _ in range(3):
        server.service.views.on_change(None)
    assert telnet.read() == "* 2 EXISTS\r\n"
