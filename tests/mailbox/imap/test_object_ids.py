"""MAILBOXID, EMAILID and THREADID (RFC 8474)."""

from __future__ import annotations

import re

from tests.mailbox.imap.sessions import HELLO, ImapServer, ImapTelnet


def mailbox_id(telnet: ImapTelnet, folder: str) -> str:
    found = re.search(r"MAILBOXID \((F\w+)\)", telnet.ask(f"STATUS {folder} (MAILBOXID)"))
    assert found is not None
    return found[1]


def email_ids(telnet: ImapTelnet, folder: str) -> list[str]:
    telnet.ask(f"SELECT {folder}")
    answer = telnet.ask("UID FETCH 1:* (EMAILID THREADID)")
    assert answer.count("THREADID NIL") == answer.count("EMAILID (M")
    return re.findall(r"EMAILID \((M[\w-]+)\)", answer)


def test_a_mailbox_id_stays_when_a_folder_is_renamed_and_is_never_given_again() -> None:
    """IMAP-56"""
    telnet = ImapServer().logged_in()
    created = re.search(r"\[MAILBOXID \((F\w+)\)\]", telnet.ask("CREATE one"))
    assert created is not None
    first = created[1]
    assert mailbox_id(telnet, "one") == first
    assert f"MAILBOXID ({first})" in telnet.ask("SELECT one")
    telnet.ask("UNSELECT")
    telnet.ask("RENAME one two/three")
    assert mailbox_id(telnet, "two/three") == first
    telnet.ask("DELETE two/three")
    telnet.ask("CREATE one")
    ids = [mailbox_id(telnet, folder) for folder in ("INBOX", "Sent", "two", "one")]
    assert len({first, *ids}) == 5


def test_an_email_id_stays_when_a_message_is_copied_and_moved() -> None:
    """IMAP-56"""
    server = ImapServer(HELLO, HELLO)
    telnet = server.logged_in()
    one, two = email_ids(telnet, "INBOX")
    assert one != two
    telnet.ask("COPY 1 Trash")
    telnet.ask("MOVE 2 Trash")
    telnet.ask("MOVE 1 INBOX")
    assert email_ids(telnet, "Trash") == [one, two]
    assert email_ids(telnet, "INBOX") == [one]
    telnet.ask("APPEND INBOX {3+}\r\na\r\n")
    assert len(set(email_ids(telnet, "INBOX")) - {one, two}) == 1
    assert len(telnet.lines(f"UID SEARCH EMAILID {one}")[0].split()) == 3
