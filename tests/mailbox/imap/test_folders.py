"""Folder commands of IMAP, as octets."""

from __future__ import annotations

import pytest

from mailstack.mailbox.imap.service import ImapLimits
from mailstack.store.mailboxes import SEEN
from tests.mailbox.imap.sessions import HELLO, ImapServer, ImapTelnet


def names(telnet: ImapTelnet, command: str = 'LIST "" *') -> dict[str, str]:
    """Attributes by name, of the lines of a LIST or LSUB."""
    verb = command.partition(" ")[0]
    lines = [line for line in telnet.lines(command) if line.startswith(f"* {verb} ")]
    return {line.split('"/" ')[1].split(" (")[0]: line.split("(")[1].split(")")[0] for line in lines}


def test_the_first_login_makes_folders_with_special_uses_in_plain_list() -> None:
    """IMAP-40, IMAP-41"""
    telnet = ImapServer().logged_in()
    assert names(telnet) == {
        "INBOX": "\\HasNoChildren",
        "Archive": "\\HasNoChildren \\Archive",
        "Drafts": "\\HasNoChildren \\Drafts",
        "Junk": "\\HasNoChildren \\Junk",
        "Sent": "\\HasNoChildren \\Sent",
        "Trash": "\\HasNoChildren \\Trash",
    }
    assert set(names(telnet, 'LSUB "" *')) == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}


def test_separator_and_patterns() -> None:
    """IMAP-41"""
    telnet = ImapServer().logged_in()
    assert telnet.lines('LIST "" ""')[0] == '* LIST (\\Noselect) "/" ""'
    telnet.ask("CREATE a/b/c")
    assert set(names(telnet, 'LIST "" a*')) == {"a", "a/b", "a/b/c"}
    assert set(names(telnet, "LIST a/ %")) == {"a/b"}
    assert names(telnet, 'LIST "" a')["a"] == "\\HasChildren"
    assert set(names(telnet, 'LIST "" inbox')) == {"INBOX"}


def test_create_makes_parents_and_refuses_what_exists() -> None:
    """IMAP-45"""
    telnet = ImapServer().logged_in()
    assert telnet.ask("CREATE x/y/").startswith("OK [MAILBOXID (F")
    assert telnet.ask("SELECT x").startswith("* ")
    assert telnet.ask("CREATE x/y").startswith("NO [ALREADYEXISTS]")
    assert telnet.ask("CREATE inbox").startswith("NO [ALREADYEXISTS]")
    assert telnet.ask("CREATE Papers (USE (\\Sent))").startswith("NO [USEATTR]")
    assert telnet.ask("CREATE Papers (USE (\\All))").startswith("NO [USEATTR]")
    telnet.ask("DELETE Sent")
    assert telnet.ask("CREATE Outgoing (USE (\\sent))").startswith("OK ")
    assert names(telnet)["Outgoing"] == "\\HasNoChildren \\Sent"


def test_delete_of_inbox_of_parents_and_of_what_is_not_there() -> None:
    """IMAP-47, IMAP-14"""
    telnet = ImapServer().logged_in()
    telnet.ask("CREATE a/b")
    assert telnet.ask("DELETE INBOX").startswith("NO [CANNOT]")
    assert telnet.ask("DELETE a").startswith("NO [HASCHILDREN]")
    assert telnet.ask("DELETE nothing").startswith("NO [NONEXISTENT]")
    assert telnet.ask("DELETE a/b").startswith("OK ")
    assert telnet.ask("SELECT a/b").startswith("NO [NONEXISTENT]")


def test_a_folder_that_is_made_anew_has_a_greater_validity() -> None:
    """IMAP-46"""
    telnet = ImapServer().logged_in()
    validities = []
    for _ in range(3):
        telnet.ask("CREATE again")
        (line,) = [line for line in telnet.lines("STATUS again (UIDVALIDITY)") if line.startswith("* STATUS")]
        validities.append(int(line.split()[-1].rstrip(")")))
        telnet.ask("DELETE again")
    assert validities == sorted(set(validities))


def test_rename_keeps_messages_and_children() -> None:
    """IMAP-48"""
    server = ImapServer(HELLO)
    telnet = server.selected()
    telnet.ask("CREATE a/b")
    telnet.ask("COPY 1 a/b")
    before = telnet.lines("STATUS a/b (UIDVALIDITY UIDNEXT MAILBOXID)")[0]
    assert telnet.ask("RENAME a z/y").startswith("OK ")
    assert telnet.lines("STATUS z/y/b (UIDVALIDITY UIDNEXT MAILBOXID)")[0] == before.replace("a/b", "z/y/b")
    assert telnet.ask("RENAME z z/q").startswith("NO [CANNOT]")
    assert telnet.ask("RENAME z INBOX").startswith("NO [ALREADYEXISTS]")
    assert telnet.ask("RENAME z Sent").startswith("NO [ALREADYEXISTS]")
    assert telnet.ask("RENAME nothing other").startswith("NO [NONEXISTENT]")


def test_rename_of_inbox_leaves_it_empty() -> None:
    """IMAP-48"""
    telnet = ImapServer(HELLO, HELLO).logged_in()
    assert telnet.ask("RENAME INBOX old").startswith("OK ")
    assert "MESSAGES 0" in telnet.ask("STATUS INBOX (MESSAGES)")
    assert "MESSAGES 2" in telnet.ask("STATUS old (MESSAGES)")


def test_subscriptions_survive_delete() -> None:
    """IMAP-42, IMAP-47"""
    telnet = ImapServer().logged_in()
    telnet.ask("CREATE list/one")
    assert telnet.ask("SUBSCRIBE list/one").startswith("OK ")
    assert telnet.ask("SUBSCRIBE not/there").startswith("OK ")
    telnet.ask("DELETE list/one")
    assert names(telnet, 'LIST (SUBSCRIBED) "" list/*') == {"list/one": "\\NonExistent \\HasNoChildren \\Subscribed"}
    assert names(telnet, 'LSUB "" l%') == {"list": "\\Noselect"}
    assert names(telnet, 'LSUB "" n%') == {"not": "\\Noselect"}
    assert names(telnet, 'LSUB "" n*') == {"not/there": ""}
    telnet.ask("UNSUBSCRIBE list/one")
    assert names(telnet, 'LIST (SUBSCRIBED) "" list/*') == {}
    assert "list/one" not in names(telnet)


def test_list_with_selection_and_return_options() -> None:
    """IMAP-43"""
    telnet = ImapServer().logged_in()
    telnet.ask("CREATE a/b")
    telnet.ask("SUBSCRIBE a/b")
    assert set(names(telnet, 'LIST (SPECIAL-USE) "" *')) == {"Archive", "Drafts", "Junk", "Sent", "Trash"}
    assert telnet.lines('LIST (SUBSCRIBED RECURSIVEMATCH) "" a%')[:-1] == [
        '* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))'
    ]
    assert telnet.lines('LIST (SUBSCRIBED RECURSIVEMATCH) "" (a %/b)')[:-1] == [
        '* LIST (\\HasNoChildren \\Subscribed) "/" a/b'
    ]
    assert names(telnet, 'LIST "" a/b RETURN (SUBSCRIBED CHILDREN)') == {"a/b": "\\HasNoChildren \\Subscribed"}
    assert telnet.ask('LIST (RECURSIVEMATCH) "" *').startswith("BAD ")


def test_list_with_status_as_ios_asks_for_it() -> None:
    """IMAP-44"""
    server = ImapServer(HELLO, HELLO)
    server.deliver(HELLO, system=SEEN)
    telnet = server.logged_in()
    telnet.ask("SUBSCRIBE gone")
    lines = telnet.lines('LIST "" "*" RETURN (SPECIAL-USE STATUS (UNSEEN))')
    assert "* STATUS INBOX (UNSEEN 2)" in lines
    assert "* STATUS Sent (UNSEEN 0)" in lines
    assert '* LIST (\\HasNoChildren \\Sent) "/" Sent' in lines
    assert not any("gone" in line for line in lines)
    assert not any("STATUS gone" in line for line in telnet.lines('LIST (SUBSCRIBED) "" * RETURN (STATUS (UNSEEN))'))


def test_status_counts() -> None:
    """IMAP-49"""
    server = ImapServer(HELLO)
    server.deliver(HELLO, system=SEEN | 8)
    (line,) = server.selected().lines("STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN SIZE DELETED APPENDLIMIT)")[:1]
    assert line == (
        f"* STATUS INBOX (MESSAGES 2 RECENT 0 UIDNEXT 3 UNSEEN 1 SIZE {2 * len(HELLO)} DELETED 1 APPENDLIMIT 52428800)"
    )


def test_namespace() -> None:
    """IMAP-54"""
    assert ImapServer().logged_in().lines("NAMESPACE")[0] == '* NAMESPACE (("" "/")) NIL NIL'


def test_names_in_modified_utf7() -> None:
    """IMAP-12"""
    telnet = ImapServer().logged_in()
    assert telnet.ask("CREATE &ZeVnLIqe-").startswith("OK ")
    assert "&ZeVnLIqe-" in names(telnet)


@pytest.mark.parametrize("command", ["CREATE a/b/c/d", "SUBSCRIBE x"])
def test_folders_are_limited(command: str) -> None:
    """IMAP-14"""
    telnet = ImapServer(limits=ImapLimits(folders=6)).logged_in()
    assert telnet.ask(command).startswith("NO [LIMIT]")
