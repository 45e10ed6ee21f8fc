"""Received, Return-Path and the fields that submission completes."""

from __future__ import annotations

import email.policy
import re
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, LetterId, Recipient, trace
from mailstack.letter.envelope import HostPort, TlsInfo

AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC).timestamp()
ID = LetterId("01hzzzzzzzabcde")
BOB = Recipient(Address("bob", "home.test"))
ARRIVAL = Arrival(AT, "mx.home.test", "ESMTPSA", HostPort("192.0.2.1", 5000), "laptop", "alice@home.test", "PLAIN")
TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")


def test_received_names_every_clause_in_the_order_of_the_grammar():
    """SMTP-32, RCVD-01."""
    assert trace.received(replace(ARRIVAL, tls=TLS), ID, [BOB]) == (
        b"Received: from laptop ([192.0.2.1])\r\n"
        b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384) by mx.home.test\r\n"
        b"\twith ESMTPSA\r\n"
        b"\tid 01hzzzzzzzabcde for <bob@home.test>;\r\n"
        b"\tMon, 23 Nov 2026 21:00:00 +0000\r\n"
    )


def test_a_priority_that_was_said_is_told():
    """PRIO-01: the clause of RFC 6710 §7, behind all others."""
    field = trace.received(ARRIVAL, ID, [BOB], priority=-3)
    assert b"\r\n\tid 01hzzzzzzzabcde for <bob@home.test> PRIORITY -3;\r\n" in field
    assert b"PRIORITY 0;" in trace.received(ARRIVAL, ID, [BOB], priority=0)


def test_the_recipient_shows_only_when_there_is_one():
    assert b"for <bob@home.test>" in trace.received(ARRIVAL, ID, [BOB])
    assert b"bob" not in trace.received(ARRIVAL, ID, [BOB, Recipient(Address("carol", "home.test"))])


def test_the_account_shows_only_when_asked_and_the_client_not_when_forbidden():
    """SUBM-07."""
    assert b"alice" not in trace.received(ARRIVAL, ID, [BOB])
    assert b"(authenticated as alice@home.test)" in trace.received(ARRIVAL, ID, [BOB], show_account=True)
    hidden = trace.received(ARRIVAL, ID, [BOB], hide_client=True)
    assert hidden.startswith(b"Received: by mx.home.test with ESMTPSA")
    assert b"192.0.2.1" not in hidden
    assert b"laptop" not in hidden


@pytest.mark.parametrize(
    ("host", "literal"),
    [
        ("192.0.2.1", b"([192.0.2.1])"),
        ("2001:db8::1", b"([IPv6:2001:db8::1])"),
        ("fe80::1%eth0", b"([IPv6:fe80::1])"),
        ("::ffff:192.0.2.1", b"([192.0.2.1])"),
        ("", b"(unknown)"),
    ],
)
def test_the_client_address_is_an_address_literal(host, literal):
    assert literal in trace.received(replace(ARRIVAL, remote=HostPort(host, 1)), ID, [])


@pytest.mark.parametrize(
    ("helo", "written"),
    [
        ("client.test", "client.test"),
        ("[10.0.0.1]", "[10.0.0.1]"),
        ("[IPv6:::1]", "[IPv6:::1]"),
        ("", "[192.0.2.1]"),
        ("my computer", "my-computer"),
        ("evil) by mx.bank.test (x", "evil-by-mx.bank.test-x"),
        ("a\r\nSubject: x", "a-Subject-x"),
        ("..-..", "[192.0.2.1]"),
        ("ü.test", "xn--tda.test"),
    ],
)
def test_what_a_client_calls_itself_is_cleaned_to_a_domain(helo, written):
    field = trace.received(replace(ARRIVAL, helo=helo), ID, [])
    assert field.startswith(b"Received: from %b ([192.0.2.1])" % written.encode())


@given(st.text(max_size=300), st.text(max_size=40), st.text(min_size=1, max_size=64), st.booleans())
def test_nothing_hostile_leaves_its_clause(helo, account, local, shown):
    arrival = replace(ARRIVAL, helo=helo, account=account, tls=TLS)
    field = trace.received(arrival, ID, [Recipient(Address(local, "home.test"))], show_account=shown)
    assert re.fullmatch(rb"Received: from [!-~]+(?: |\r\n\t)\(\[192\.0\.2\.1\]\)(?:[^\r\n]|\r\n\t[^ \r\n])*\r\n", field)
    parsed = BytesHeaderParser(policy=email.policy.compat32).parsebytes(field + b"\r\n")
    assert parsed.keys() == ["Received"]
    assert field.endswith(b"Mon, 23 Nov 2026 21:00:00 +0000\r\n")


@given(st.text("abcdefghij.", min_size=1, max_size=20), st.integers(1, 3))
def test_lines_keep_to_78_columns_where_clauses_do(helo, count):
    field = trace.received(replace(ARRIVAL, helo=helo, tls=TLS), ID, [BOB] * count)
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_return_path_is_the_sender_or_empty():
    """SMTP-15, SMTP-34."""
    assert trace.return_path(Address("alice", "home.test")) == b"Return-Path: <alice@home.test>\r\n"
    assert trace.return_path(None) == b"Return-Path: <>\r\n"


@given(st.text(min_size=1, max_size=64))
def test_an_address_cannot_break_out_of_its_field(local):
    for field in (trace.return_path(Address(local, "a.test")), trace.delivered_to(Address(local, "a.test"))):
        assert field.count(b"\r") == field.count(b"\n") == 1
        assert field.endswith((b"@a.test>\r\n", b"@a.test\r\n"))


@given(st.integers(0, 4102444800))
def test_dates_are_read_back_as_written(second):
    assert parsedate_to_datetime(trace.date_time(second)).timestamp() == second


def test_completed_fields():
    """SUBM-03."""
    assert trace.date_field(AT + 0.9) == b"Date: Mon, 23 Nov 2026 21:00:00 +0000\r\n"
    assert trace.message_id(ID, "mx.home.test") == b"Message-ID: <01hzzzzzzzabcde@mx.home.test>\r\n"
