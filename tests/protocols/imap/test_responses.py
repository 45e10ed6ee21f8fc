"""IMAP responses: lines, lists and results, as clients read them."""

from __future__ import annotations

import imaplib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap import responses
from mailstack.protocols.imap.tokenizer import CommandReader


@given(st.text(), st.sampled_from(["", "UIDNEXT 4", "ALERT"]))
def test_a_status_response_is_one_line_of_printable_ascii(text: str, code: str) -> None:
    """IMAP-02: whatever the text is."""
    line = responses.tagged("a1", "NO", text, code)
    assert line.startswith(b"a1 NO [%b] " % code.encode() if code else b"a1 NO ")
    assert line.endswith(b"\r\n")
    assert all(32 <= octet < 127 for octet in line[:-2])
    assert len(line) <= responses.MAX_TEXT + 40
    assert responses.continuation(text).count(b"\r\n") == 1


def test_status_responses() -> None:
    """IMAP-01, IMAP-14"""
    assert responses.tagged("a", "OK", "done") == b"a OK done\r\n"
    assert responses.tagged("a", "NO", "") == b"a NO no\r\n"
    assert responses.tagged("a", "OK", "x\r\n* BYE", "ALERT\r\n") == b"a OK [ALERT??] x??* BYE\r\n"
    assert responses.untagged_ok("hi", "UNSEEN 4") == b"* OK [UNSEEN 4] hi\r\n"
    assert responses.bye("closing") == b"* BYE closing\r\n"
    assert responses.continuation() == b"+ \r\n"
    assert responses.challenge(b"") == b"+ \r\n"


@given(st.binary(max_size=1100), st.booleans())
def test_an_astring_is_read_as_it_was_written(octets: bytes, utf8: bool) -> None:
    """IMAP-10"""
    written = responses.astring(octets, utf8=utf8)
    reader = CommandReader(written)
    assert reader.astring() == octets.replace(b"\0", b"?")
    reader.end()
    assert written.upper() != b"NIL"


def test_atoms_are_not_quoted_but_nil_is() -> None:
    assert responses.astring(b"INBOX/x-1") == b"INBOX/x-1"
    assert responses.astring(b"nil") == b'"nil"'
    assert responses.astring(b"a]b") == b'"a]b"'
    assert responses.mailbox_name("é") == b"&AOk-"
    assert responses.mailbox_name("é", utf8=True) == '"é"'.encode()


@pytest.mark.parametrize("seconds", [0.0, 837596665.9, 1_750_000_000.0, -86400.0])
def test_internal_dates_are_what_imaplib_reads(seconds: float) -> None:
    text = responses.internal_date(seconds)
    parsed = imaplib.Internaldate2tuple(b"INTERNALDATE " + text)
    assert parsed is not None
    assert time.mktime(parsed) == seconds // 1


def test_lines_about_the_server() -> None:
    """IMAP-22, IMAP-28, IMAP-30, IMAP-55"""
    assert responses.words("CAPABILITY", ["IMAP4rev1", "IDLE"]) == b"* CAPABILITY IMAP4rev1 IDLE\r\n"
    assert responses.words("ENABLED") == b"* ENABLED\r\n"
    assert (
        responses.server_id({"name": 'mail"stack', "version": "1"}) == b'* ID ("name" "mail\\"stack" "version" "1")\r\n'
    )
    assert responses.server_id(None) == b"* ID NIL\r\n"
    assert responses.quota("", [("STORAGE", 10, 512)]) == b'* QUOTA "" (STORAGE 10 512)\r\n'
    assert responses.quota("", []) == b'* QUOTA "" ()\r\n'
    assert responses.quota_root("a b", [""]) == b'* QUOTAROOT "a b" ""\r\n'


def test_lines_about_mailboxes() -> None:
    """IMAP-41, IMAP-43, IMAP-48, IMAP-49, IMAP-50"""
    assert responses.flags(["\\Seen", "$Junk"]) == b"* FLAGS (\\Seen $Junk)\r\n"
    assert responses.exists(3) + responses.recent(0) == b"* 3 EXISTS\r\n* 0 RECENT\r\n"
    assert responses.expunge(2) == b"* 2 EXPUNGE\r\n"
    assert responses.vanished("1:3", earlier=True) == b"* VANISHED (EARLIER) 1:3\r\n"
    assert responses.vanished("7") == b"* VANISHED 7\r\n"
    assert responses.list_line(["\\HasNoChildren"], "x") == b'* LIST (\\HasNoChildren) "/" x\r\n'
    assert responses.list_line([], 'a"b', command="LSUB") == b'* LSUB () "/" "a\\"b"\r\n'
    assert (
        responses.list_line(["\\Subscribed"], "x", child_info=["SUBSCRIBED"], old_name="y z")
        == b'* LIST (\\Subscribed) "/" x ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" ("y z"))\r\n'
    )
    assert responses.list_separator() == b'* LIST (\\Noselect) "/" ""\r\n'
    assert responses.status("INBOX", [("MESSAGES", 3), ("MAILBOXID", "(F1)")]) == (
        b"* STATUS INBOX (MESSAGES 3 MAILBOXID (F1))\r\n"
    )


def test_results_of_search_and_sort() -> None:
    """IMAP-103, IMAP-104"""
    assert responses.numbers("SEARCH", []) == b"* SEARCH\r\n"
    assert responses.numbers("SEARCH", [2, 5], 917) == b"* SEARCH 2 5 (MODSEQ 917)\r\n"
    assert responses.numbers("SEARCH", [], 917) == b"* SEARCH\r\n"
    assert responses.numbers("SORT", [5, 2]) == b"* SORT 5 2\r\n"
    assert responses.esearch("a1", by_uid=True) == b'* ESEARCH (TAG "a1") UID\r\n'
    assert responses.esearch("a1", by_uid=False, minimum=2, maximum=9, count=3, all_numbers=[2, 3, 9], modseq=12) == (
        b'* ESEARCH (TAG "a1") MIN 2 MAX 9 COUNT 3 ALL 2:3,9 MODSEQ 12\r\n'
    )
    assert responses.esearch("a1", by_uid=False, count=0, all_numbers=[]) == b'* ESEARCH (TAG "a1") COUNT 0\r\n'
    assert responses.esearch("a1", by_uid=False, all_numbers=[9, 2, 3], is_sorted=False) == (
        b'* ESEARCH (TAG "a1") ALL 9,2:3\r\n'
    )
    assert responses.esearch("a1", by_uid=True, partial=((1, 5), "")) == (
        b'* ESEARCH (TAG "a1") UID PARTIAL (1:5 NIL)\r\n'
    )


@given(st.lists(st.integers(1, 9), unique=True))
def test_numbers_in_their_order_are_ranges_where_they_ascend(numbers: list[int]) -> None:
    """IMAP-105"""
    written = responses.format_ordered(numbers)
    ranges = [part.partition(":") for part in written.split(",") if part]
    assert [number for low, _, high in ranges for number in range(int(low), int(high or low) + 1)] == numbers
    assert all(int(high) > int(low) for low, _, high in ranges if high)
