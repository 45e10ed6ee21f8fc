"""NOTIFY: news of several folders (RFC 5465)."""

from __future__ import annotations

import pytest

from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store.mailboxes import SEEN, FlagChange, Flags
from tests.aid import run
from tests.mailbox.imap.sessions import BOB, HELLO, ImapServer, ImapTelnet

EVENTS = "(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)"


def told(telnet: ImapTelnet) -> list[str]:
    """What has come unasked; UIDVALIDITY is left out."""
    return [line for line in telnet.read().split("\r\n") if line]


def notified(server: ImapServer, groups: str) -> ImapTelnet:
    telnet = server.logged_in()
    assert telnet.ask(f"NOTIFY SET {groups}") == "OK NOTIFY completed\r\n"
    return telnet


def test_new_and_removed_messages_and_flags_of_any_folder_are_reported_between_commands() -> None:
    """IMAP-115: by whichever process they were changed."""
    server = ImapServer()
    telnet = notified(server, f"(personal {EVENTS})")
    other = server.logged_in()
    other.ask("APPEND Sent (\\Seen) {3+}\r\na\r\n")
    assert told(telnet) == ["* STATUS Sent (MESSAGES 1 UIDNEXT 2 HIGHESTMODSEQ 2)"]
    other.ask("SELECT Sent")
    other.ask("STORE 1 -FLAGS (\\Seen)")
    validity = run(server.store.mailboxes.status(run(mailbox_of(server, "Sent")))).validity
    assert told(telnet) == [f"* STATUS Sent (UIDVALIDITY {validity} HIGHESTMODSEQ 3)"]
    other.ask("MOVE 1 Trash")
    assert told(telnet) == [
        "* STATUS Sent (MESSAGES 0 UIDNEXT 2 HIGHESTMODSEQ 4)",
        "* STATUS Trash (MESSAGES 1 UIDNEXT 2 HIGHESTMODSEQ 2)",
    ]
    server.service.views.close()
    server.deliver(HELLO)
    assert told(telnet) == []
    server.service.views.on_change(None)
    assert told(telnet) == ["* STATUS INBOX (MESSAGES 1 UIDNEXT 2 HIGHESTMODSEQ 2)"]
    server.service.views.on_change(None)
    assert told(telnet) == []
    telnet.ask("NOTIFY NONE")
    server.deliver(HELLO)
    server.service.views.on_change(None)
    assert told(telnet) == []


async def mailbox_of(server: ImapServer, path: str) -> str:
    return next(folder.mailbox for folder in await server.store.folders.list(BOB) if folder.path == path)


def test_status_is_sent_first_if_it_is_asked_for() -> None:
    """IMAP-115"""
    server = ImapServer(HELLO)
    telnet = server.logged_in()
    validity = run(server.store.mailboxes.status(BOB)).validity
    assert telnet.lines("NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge)) (mailboxes Sent NONE)") == [
        f"* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY {validity})",
        "OK NOTIFY completed",
    ]
    telnet.ask("SELECT INBOX")
    assert telnet.lines("NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge))") == ["OK NOTIFY completed"]


def test_names_and_subscriptions_are_reported() -> None:
    """IMAP-115"""
    server = ImapServer()
    telnet, other = (
        notified(server, f"(subtree (a Work) {EVENTS}) (subscribed (SubscriptionChange))"),
        server.logged_in(),
    )
    other.ask("CREATE a/b")
    other.ask("CREATE c")
    assert told(telnet) == ['* LIST () "/" a', '* LIST () "/" a/b']
    other.ask("RENAME a/b Work")
    assert told(telnet) == ['* LIST () "/" Work ("OLDNAME" (a/b))']
    other.ask("SUBSCRIBE c")
    other.ask("SUBSCRIBE Work")
    assert told(telnet) == ['* LIST (\\Subscribed) "/" c', '* LIST (\\Subscribed) "/" Work']
    other.ask("DELETE Work")
    other.ask("UNSUBSCRIBE c")
    assert told(telnet) == ['* LIST (\\NonExistent \\Subscribed) "/" Work', '* LIST () "/" c']
    other.ask("CREATE Work")
    other.ask("APPEND Work {3+}\r\na\r\n")
    created, status = told(telnet)
    assert (created, status.partition(" UIDNEXT")[0]) == ('* LIST (\\Subscribed) "/" Work', "* STATUS Work (MESSAGES 1")


def test_the_first_group_of_a_folder_counts() -> None:
    """IMAP-115"""
    server = ImapServer()
    telnet = notified(server, "(mailboxes (Sent Junk) NONE) (personal (MessageNew MessageExpunge))")
    other = server.logged_in()
    for folder in ("Sent", "Junk", "Trash"):
        other.ask(f"APPEND {folder} {{3+}}\r\na\r\n")
    assert told(telnet) == ["* STATUS Trash (MESSAGES 1 UIDNEXT 2)"]
    run(server.store.mailboxes.store_flags(run(mailbox_of(server, "Trash")), [1], FlagChange(Flags(SEEN, 0))))
    assert told(telnet) == []


def test_the_selected_mailbox_is_reported_without_idle_and_new_messages_with_items() -> None:
    """IMAP-115, IMAP-67"""
    server = ImapServer(HELLO, HELLO)
    telnet, delayed, other = server.selected(), server.selected(), server.selected()
    events = "(MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge FlagChange)"
    assert telnet.ask(f"NOTIFY SET (selected {events})") == "OK NOTIFY completed\r\n"
    delayed.ask("NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))")
    other.ask("STORE 1 +FLAGS (\\Deleted)")
    assert told(telnet) == told(delayed) == ["* 1 FETCH (UID 1 FLAGS (\\Deleted))"]
    other.ask("EXPUNGE")
    assert (told(telnet), told(delayed)) == (["* 1 EXPUNGE"], [])
    server.deliver(HELLO)
    lines = told(telnet)
    assert lines[:2] == ["* 2 EXISTS", "* 2 FETCH (UID 3 BODY[HEADER.FIELDS (SUBJECT)] {18}"]
    assert told(delayed) == ["* 3 EXISTS"]
    assert delayed.lines("NOOP")[0] == "* 1 EXPUNGE"
    telnet.send("i IDLE\r\n")
    telnet.send("DONE\r\n")
    server.deliver(HELLO)
    assert told(telnet)[0] == "* 3 EXISTS"
    telnet.ask("SELECT Sent")
    server.deliver(HELLO)
    assert told(telnet) == []
    other.ask("APPEND Sent {3+}\r\na\r\n")
    assert told(telnet)[0] == "* 1 EXISTS"


def test_the_selected_mailbox_has_no_status() -> None:
    """IMAP-115"""
    server = ImapServer()
    telnet = server.selected()
    telnet.ask("NOTIFY SET (personal (MessageNew MessageExpunge))")
    server.deliver(HELLO)
    assert told(telnet) == []
    assert telnet.lines("NOOP")[0] == "* 1 EXISTS"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("", "BAD"),
        ("SET", "BAD"),
        ("SET (personal)", "BAD"),
        ("SET (others (MessageNew MessageExpunge))", "BAD"),
        ("SET (personal (MessageNew))", "BAD"),
        ("SET (personal (FlagChange))", "BAD"),
        ("SET (personal (MessageNew (UID) MessageExpunge))", "BAD"),
        ("SET (selected (MailboxName))", "BAD"),
        ("SET (selected NONE) (selected-delayed NONE)", "BAD"),
        ("SET (subtree (MessageNew MessageExpunge))", "BAD"),
        ("SET (personal (AnnotationChange))", "NO [BADEVENT "),
        ("SET (personal (Whatever))", "NO [BADEVENT "),
        (
            "SET (mailboxes (" + " ".join(f"f{number}" for number in range(1001)) + ") NONE)",
            "NO [NOTIFICATIONOVERFLOW]",
        ),
    ],
)
def test_wrong_arguments_of_notify(arguments: str, answer: str) -> None:
    """IMAP-115, IMAP-02"""
    assert ImapServer().logged_in().ask(f"NOTIFY {arguments}".rstrip()).startswith(answer)


def test_folders_of_notify_are_limited() -> None:
    """IMAP-115: when it is asked for, and when there are more later."""
    server = ImapServer(limits=ImapLimits(notify_folders=7))
    telnet, other = notified(server, "(personal (MessageNew MessageExpunge))"), server.logged_in()
    other.ask("CREATE one")
    assert told(telnet) == []
    other.ask("CREATE two")
    assert told(telnet) == ["* OK [NOTIFICATIONOVERFLOW] NOTIFY has ended"]
    server.deliver(HELLO)
    assert told(telnet) == []
    answer = telnet.ask("NOTIFY SET (personal (MessageNew MessageExpunge))")
    assert answer.startswith("NO [NOTIFICATIONOVERFLOW] ")


def test_a_session_that_ends_is_not_woken_any_longer() -> None:
    """IMAP-116"""
    server = ImapServer()
    telnet = notified(server, "(personal (MessageNew MessageExpunge))")
    assert server.service.views._watchers
    telnet.ask("LOGOUT")
    assert not server.service.views._watchers
