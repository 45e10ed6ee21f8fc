"""Delivery reports, parsed with another implementation (RFC 3464)."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Deferred, Envelope, Failed, LetterId, Recipient, Status
from mailstack.letter.dsn import Dsn, RecipientStatus, Returned, is_returnable
from mailstack.letter.header import split

AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC).timestamp()
ALICE = Address("alice", "home.test")
BOB = Recipient(Address("bob", "elsewhere.test"))
NO_USER = Failed(Status(5, 1, 1), "mx.elsewhere.test said: 550 5.1.1 no such user / ask us", "mx.elsewhere.test")
HEADER = b"From: alice@home.test\r\nSubject: Hello\r\nMessage-ID: <1@home.test>\r\n\r\n"
FAILED = Dsn(
    "failed",
    LetterId("01hzzzzzzzreprt"),
    "mx.home.test",
    AT + 60,
    ALICE,
    LetterId("01hzzzzzzzorign"),
    Envelope(ALICE, (BOB,)),
    Arrival(AT, "mx.home.test", "ESMTPSA"),
    (RecipientStatus(BOB, NO_USER),),
    AT + 432000,
    Returned(HEADER),
)


def parse(report: Dsn) -> tuple[Message, list[Message]]:
    octets = report.octets()
    assert octets.isascii()
    assert b"\0" not in octets
    assert octets.endswith(b"\r\n")
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    assert not message.defects
    parts = message.get_payload()
    assert isinstance(parts, list)
    return message, parts


def status_blocks(part: Message) -> list[Message]:
    assert part.get_content_type() == "message/delivery-status"
    return part.get_payload()


def test_the_header_has_each_field_once():
    """RLY-15, RLY-16."""
    message, parts = parse(FAILED)
    assert message.items() == [
        ("From", "Mail Delivery System <MAILER-DAEMON@mx.home.test>"),
        ("To", "alice@home.test"),
        ("Subject", "Your message could not be delivered"),
        ("Date", "Mon, 23 Nov 2026 21:01:00 +0000"),
        ("Message-ID", "<01hzzzzzzzreprt@mx.home.test>"),
        ("MIME-Version", "1.0"),
        ("Auto-Submitted", "auto-replied"),
        ("In-Reply-To", "<1@home.test>"),
        ("References", "<1@home.test>"),
        ("Content-Type", message["Content-Type"]),
    ]
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_a_failure_tells_programs_what_happened():
    """RLY-15: every field of RFC 3464 that we know the value of."""
    _, parts = parse(FAILED)
    about, bob = status_blocks(parts[1])
    assert about.items() == [
        ("Reporting-MTA", "dns; mx.home.test"),
        ("Arrival-Date", "Mon, 23 Nov 2026 21:00:00 +0000"),
    ]
    assert bob.items() == [
        ("Final-Recipient", "rfc822; bob@elsewhere.test"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.elsewhere.test"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 no such user / ask us"),
        ("Last-Attempt-Date", "Mon, 23 Nov 2026 21:01:00 +0000"),
    ]


def test_a_failure_tells_people_what_happened_and_what_to_do():
    _, parts = parse(FAILED)
    text = parts[0].get_payload()
    assert "bob@elsewhere.test" in text
    assert "mx.elsewhere.test said: 550 5.1.1 no such user" in text
    assert "will not be sent again" in text
    assert "Check the address for errors" in text
    assert "postmaster@mx.home.test" in text
    assert max(map(len, text.splitlines())) <= 78


def test_delay_report_names_the_last_time_of_retries():
    busy = Deferred(Status(4, 4, 1), "mx.elsewhere.test: connection refused")
    message, parts = parse(replace(FAILED, kind="delayed", notices=(RecipientStatus(BOB, busy),)))
    assert message["Subject"] == "Your message is delayed"
    bob = status_blocks(parts[1])[1]
    assert bob["Action"] == "delayed"
    assert bob["Status"] == "4.4.1"
    assert bob["Remote-MTA"] is None
    assert bob["Diagnostic-Code"] == "x-mailstack; mx.elsewhere.test: connection refused"
    assert bob["Will-Retry-Until"] == "Sat, 28 Nov 2026 21:00:00 +0000"
    assert "No action is required" in parts[0].get_payload()


def test_each_recipient_has_a_block():
    carol = Recipient(Address("carol", "home.test"), Address("list", "home.test"))
    _, parts = parse(
        replace(FAILED, notices=(*FAILED.notices, RecipientStatus(carol, Failed(Status(5, 1, 1), "gone"))))
    )
    blocks = status_blocks(parts[1])
    assert [block["Final-Recipient"] for block in blocks[1:]] == [
        "rfc822; bob@elsewhere.test",
        "rfc822; carol@home.test",
    ]
    # RFC 3461 §6.3: only what ORCPT said may stand there.
    assert blocks[2]["Original-Recipient"] is None
    assert "carol@home.test (via list@home.test)" in parts[0].get_payload()


def test_what_the_sender_asked_to_be_told_is_told():
    """DSN-03: ENVID and ORCPT, decoded from xtext (RFC 3461 §4)."""
    bob = replace(BOB, parameters=(("ORCPT", "rfc822;Bob+2Bx@other.test"), ("NOTIFY", "FAILURE")))
    envelope = replace(FAILED.envelope, parameters=(("ENVID", "QQ+3D1"),))
    _, parts = parse(replace(FAILED, envelope=envelope, notices=(RecipientStatus(bob, NO_USER),)))
    about, block = status_blocks(parts[1])
    assert about["Original-Envelope-Id"] == "QQ=1"
    assert block["Original-Recipient"] == "rfc822; Bob+x@other.test"


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        (("HOLDFOR", "60"), "for;60"),
        (("HOLDUNTIL", "2026-11-23T22:00:00+01:00"), "until;2026-11-23T22:00:00+01:00"),
        (("BY", "60;N"), None),
    ],
)
def test_a_report_repeats_when_the_letter_should_be_released(said, repeated):
    """FUT-01: RFC 4865 §5.1.2, beside Arrival-Date."""
    _, parts = parse(replace(FAILED, envelope=replace(FAILED.envelope, parameters=(said,))))
    about = status_blocks(parts[1])[0]
    assert about["Future-Release-Request"] == repeated
    assert about["Arrival-Date"]


def test_the_header_of_the_original_comes_back():
    _, parts = parse(FAILED)
    assert parts[2].get_payload() == HEADER.decode().removesuffix("\r\n")
    assert parts[2]["Content-Transfer-Encoding"] is None


@pytest.mark.parametrize(
    "section",
    [
        b"Subject: gr\xc3\xbc\xc3\x9fe \r\n",
        b"X: " + b"a" * 2000 + b"\r\n",
        b"X: \0\r\n",
        b"X: a\nb\rc\r\n",
        b"X: cut of",
    ],
)
def test_a_header_that_is_not_seven_bit_text_is_encoded(section):
    """RFC 6522 §4; 8BIT-02: a report must pass every host."""
    _, parts = parse(replace(FAILED, returned=Returned(section)))
    assert parts[2].get_payload(decode=True).removesuffix(b"\r\n") == section.removesuffix(b"\r\n")


def test_without_the_header_there_are_two_parts():
    _, parts = parse(replace(FAILED, returned=None))
    assert len(parts) == 2


def test_the_boundary_stands_in_no_part():
    _, parts = parse(replace(FAILED, returned=Returned(b"X: 1\r\n--=_01hzzzzzzzreprt\r\n--=_01hzzzzzzzreprt--\r\n")))
    assert len(parts) == 3


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=300) | st.sampled_from(
    ["a\r\nBcc: x@y", "550 \n\n--=_01hzzzzzzzreprt--"]
)


@given(
    text=HOSTILE,
    host=HOSTILE,
    local=HOSTILE.filter(lambda text: bool(text) and text.isascii()),
    section=st.binary(max_size=300),
    value=HOSTILE,
)
def test_nothing_hostile_begins_a_field_or_a_part(text, host, local, section, value):
    parameters = (("ORCPT", f"rfc822;{value}"), ("ENVID", value))
    bob = Recipient(Address(local, "elsewhere.test"), Address(local, "home.test"), parameters)
    trouble = RecipientStatus(bob, Failed(Status(5, 0, 0), text, host))
    envelope = Envelope(ALICE, (bob,), parameters=parameters)
    message, parts = parse(replace(FAILED, envelope=envelope, notices=(trouble,), returned=Returned(section)))
    assert len(message.items()) == 8 + 2 * ("In-Reply-To" in message)
    assert [part.keys() for part in parts[:2]] == [["Content-Type"], ["Content-Type"]]
    assert len(parts) == 3
    about, block = status_blocks(parts[1])
    assert set(about.keys()) <= {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"}
    assert set(block.keys()) <= {
        "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code",
        "Last-Attempt-Date",
    }  # fmt: skip


ORIGINAL_HEADER = "Subject: Grüße\r\n".encode()


def types(returned, **how):
    part = email.message_from_bytes(b"".join(returned.part(**how).octets))
    return part.get_content_type(), part["Content-Transfer-Encoding"]


@pytest.mark.parametrize(
    ("returned", "eight_bit", "international", "expected"),
    [
        (Returned(b"A: 1\r\n"), False, False, ("text/rfc822-headers", None)),
        (Returned(ORIGINAL_HEADER), True, False, ("text/rfc822-headers", "quoted-printable")),
        (Returned(ORIGINAL_HEADER), False, True, ("message/global-headers", "quoted-printable")),
        (Returned(ORIGINAL_HEADER), True, True, ("message/global-headers", "8bit")),
        (Returned(b"A: \xff\r\n"), True, True, ("text/rfc822-headers", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\nx"), False, False, ("message/rfc822", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\xff"), True, False, ("message/rfc822", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\xff"), False, False, ("text/rfc822-headers", None)),
        (Returned(ORIGINAL_HEADER, ORIGINAL_HEADER + b"\r\nx"), True, True, ("message/global", "8bit")),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n\0"), True, True, ("text/rfc822-headers", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\na\nb"), True, True, ("text/rfc822-headers", None)),
        (Returned(b"A: 1\r\n", b"A: 1\r\n\r\n" + b"x" * 999), True, True, ("text/rfc822-headers", None)),
    ],
)
def test_the_form(returned, eight_bit, international, expected):
    """DSN-03, UTF8-05."""
    assert types(returned, eight_bit=eight_bit, international=international) == expected


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_letter_can_be_returned(octets, eight_bit, international):
    """DSN-03: lines that may travel, and no octet above 127 where none may stand."""
    for returned in (Returned(octets), Returned(octets[: split(octets)], octets)):
        part = b"".join(returned.part(eight_bit=eight_bit, international=international).octets)
        assert eight_bit or part.isascii()
        assert b"\0" not in part
        assert part.count(b"\r\n") == part.count(b"\n") == part.count(b"\r")
    assert not is_returnable(octets, eight_bit=False) or octets.isascii()
