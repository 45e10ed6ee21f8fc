"""Searches that are kept up to date (RFC 5267)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.mailbox.imap.service import ImapLimits
from tests.aid import examples
from tests.mailbox.imap.sessions import HELLO, ImapServer, ImapTelnet


def esearch(lines: list[str]) -> list[str]:
    return [line.removeprefix("* ESEARCH ") for line in lines if line.startswith("* ESEARCH")]


def sized(octets: int) -> bytes:
    return HELLO + b"x" * octets + b"\r\n"


def test_changed_flags_new_messages_and_removals_are_reported() -> None:
    """IMAP-104: in every session, and while it idles."""
    server = ImapServer(*[HELLO] * 4)
    telnet, other = server.selected(), server.selected()
    assert telnet.send("s1 SEARCH RETURN (UPDATE) SEEN\r\n") == '* ESEARCH (TAG "s1")\r\ns1 OK SEARCH completed\r\n'
    assert telnet.send("s2 UID SEARCH RETURN (UPDATE COUNT) UNSEEN\r\n").startswith('* ESEARCH (TAG "s2") UID COUNT 4')
    lines = esearch(telnet.lines("STORE 1,2,4 +FLAGS (\\Seen)"))
    assert lines == ['(TAG "s1") ADDTO (0 1:2,4)', '(TAG "s2") UID REMOVEFROM (0 1:2,4)']
    telnet.send("i IDLE\r\n")
    other.ask("STORE 2 -FLAGS (\\Seen)")
    assert esearch(telnet.read().splitlines()) == ['(TAG "s1") REMOVEFROM (0 2)', '(TAG "s2") UID ADDTO (0 2)']
    server.deliver(HELLO)
    lines = telnet.read().splitlines()
    assert lines == ["* 5 EXISTS", '* ESEARCH (TAG "s2") UID ADDTO (0 5)']
    telnet.send("DONE\r\n")
    other.ask("STORE 1,3 +FLAGS (\\Deleted)")
    other.ask("EXPUNGE")
    lines = telnet.lines("NOOP")
    assert lines.index('* ESEARCH (TAG "s1") REMOVEFROM (0 1)') < lines.index("* 1 EXPUNGE")
    assert '* ESEARCH (TAG "s2") UID REMOVEFROM (0 3)' in lines
    telnet.ask('CANCELUPDATE "s1" "unknown"')
    assert esearch(telnet.lines("STORE 1:* +FLAGS (\\Seen)")) == ['(TAG "s2") UID REMOVEFROM (0 2,5)']
    telnet.ask("UNSELECT")
    telnet.ask("SELECT INBOX")
    assert esearch(telnet.lines("STORE 1:* -FLAGS (\\Seen)")) == []


def test_a_sorted_result_has_places() -> None:
    """IMAP-104, IMAP-105"""
    server = ImapServer(sized(30), sized(10), sized(50))
    telnet, other = server.selected(), server.selected()
    answer = telnet.send("s SORT RETURN (UPDATE ALL) (SIZE) UTF-8 UNSEEN\r\n")
    assert answer.startswith('* ESEARCH (TAG "s") ALL 2,1,3\r\n')
    server.deliver(sized(20))
    server.deliver(sized(1))
    assert esearch(telnet.lines("NOOP")) == ['(TAG "s") ADDTO (1 5 3 4)']
    assert esearch(telnet.lines("STORE 1,5 +FLAGS (\\Seen)")) == ['(TAG "s") REMOVEFROM (4 1 1 5)']
    other.ask("STORE 2 +FLAGS (\\Deleted)")
    other.ask("EXPUNGE")
    assert telnet.lines("NOOP")[:2] == ['* ESEARCH (TAG "s") REMOVEFROM (1 2)', "* 2 EXPUNGE"]
    assert esearch(telnet.lines("STORE 1 -FLAGS (\\Seen)")) == ['(TAG "s") ADDTO (2 1)']


@pytest.mark.parametrize("key", ["1:2 UNSEEN", "$", "NOT 1", "OR SEEN 2"])
def test_a_search_by_message_numbers_is_not_updated(key: str) -> None:
    """IMAP-104"""
    telnet = ImapServer(HELLO, HELLO).selected()
    answer = telnet.send(f"s SEARCH RETURN (UPDATE ALL) {key}\r\n")
    assert answer.startswith('* NO [NOUPDATE "s"] ')
    assert "s OK SEARCH completed" in answer
    assert esearch(telnet.lines("STORE 1:2 +FLAGS (\\Seen)")) == []


def test_searches_of_a_session_are_limited_and_have_different_tags() -> None:
    """IMAP-107"""
    telnet = ImapServer(HELLO, limits=ImapLimits(search_contexts=2)).selected()
    for tag in ("a", "b"):
        telnet.send(f"{tag} SEARCH RETURN (UPDATE) SEEN\r\n")
    assert telnet.send("b SEARCH RETURN (UPDATE) SEEN\r\n").startswith("b BAD ")
    assert '[NOUPDATE "c"]' in telnet.send("c SEARCH RETURN (UPDATE) SEEN\r\n")
    assert len(esearch(telnet.lines("STORE 1 +FLAGS (\\Seen)"))) == 2
    telnet.ask('CANCELUPDATE "a"')
    assert "NOUPDATE" not in telnet.send("c SEARCH RETURN (UPDATE) SEEN\r\n")


def test_a_context_ends_when_its_search_takes_too_long() -> None:
    """IMAP-104, IMAP-107"""
    server = ImapServer(limits=ImapLimits(search_time=-1.0))
    telnet = server.selected()
    telnet.send("s SEARCH RETURN (UPDATE) BODY first\r\n")
    server.deliver(HELLO)
    assert '* NO [NOUPDATE "s"] the result is not updated' in telnet.lines("NOOP")
    server.deliver(HELLO)
    assert "NOUPDATE" not in telnet.ask("NOOP")


def test_partial_of_rfc_5267_and_the_hint_context() -> None:
    """IMAP-104"""
    telnet = ImapServer(*[HELLO] * 5).selected()
    assert telnet.lines("SEARCH RETURN (CONTEXT PARTIAL 4:2) ALL")[0].endswith(" PARTIAL (2:4 2:4)")
    assert telnet.lines("SORT RETURN (PARTIAL 9:6) (REVERSE ARRIVAL) UTF-8 ALL")[0].endswith(" PARTIAL (6:9 NIL)")
    for line in ("SEARCH RETURN (PARTIAL 1) ALL", "CANCELUPDATE", "CANCELUPDATE a", 'CANCELUPDATE "a" b'):
        assert telnet.ask(line).startswith("BAD ")


_CHANGE = re.compile(r"UID (ADDTO|REMOVEFROM) \(0 ([\d:,]+)\)")


class ResultModel:
    """Result as a client knows it."""

    def __init__(self, telnet: ImapTelnet, key: str) -> None:
        self.telnet = telnet
        self.key = key
        self.uids = self.searched()
        self.take(telnet.send(f"ctx UID SEARCH RETURN (UPDATE) {key}\r\n"))

    def searched(self) -> set[int]:
        return set(map(int, self.telnet.lines(f"UID SEARCH {self.key}")[0].split()[2:]))

    def take(self, answer: str) -> None:
        for change, numbers in _CHANGE.findall(answer):
            uids = {uid for part in numbers.split(",") for uid in _expanded(part)}
            assert uids.isdisjoint(self.uids) if change == "ADDTO" else uids <= self.uids
            self.uids = self.uids | uids if change == "ADDTO" else self.uids - uids


def _expanded(part: str) -> range:
    first, _, last = part.partition(":")
    return range(int(first), int(last or first) + 1)


@settings(max_examples=examples(30), deadline=None)
@given(
    st.sampled_from(["UNSEEN", "OR SEEN SUBJECT hello", "DELETED UID 1:3", "NOT FLAGGED"]),
    st.lists(
        st.one_of(
            st.just("DELIVER"),
            st.sampled_from(["EXPUNGE", "UID MOVE 2:3 INBOX", "NOOP"]),
            st.builds(
                "{} {} {}FLAGS ({})".format,
                st.sampled_from(["UID STORE"]),
                st.sampled_from(["1:*", "2,4", "3"]),
                st.sampled_from(["+", "-", ""]),
                st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged"]),
            ),
        ),
        max_size=15,
    ),
    st.booleans(),
)
def test_updates_lead_to_the_result_of_a_new_search(key: str, commands: list[str], own: bool) -> None:
    """IMAP-104, IMAP-112"""
    server = ImapServer(*[HELLO] * 4)
    telnet, other = server.selected(), server.selected()
    model = ResultModel(telnet, key)
    for command in commands:
        if command == "DELIVER":
            server.deliver(HELLO)
        elif own:
            model.take(telnet.ask(command))
        else:
            other.ask(command)
            model.take(telnet.ask("FETCH 1:* UID"))
    model.take(telnet.ask("NOOP"))
    assert model.uids == model.searched()
