"""The header section as octets: found, counted, cut, never changed otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import header

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"Subject: x", b"BCC: a@b", b" folded", b"\tfolded: too", b"", b"junk", b"Received : old", b"From a@b Mon"]
        ),
        st.binary(max_size=12),
    ),
    max_size=12,
).map(b"\r\n".join)
OCTETS = st.one_of(LINES, LINES.map(lambda lines: lines + b"\r\n"), st.binary(max_size=200))


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        pytest.param(b"", 0, id="empty letter"),
        pytest.param(b"\r\nbody\r\n", 2, id="empty header section"),
        pytest.param(b"Subject: x\r\n\r\nbody\r\n", 14, id="header and body"),
        pytest.param(b"Subject: x\r\n", 12, id="no empty line: all is header"),
        pytest.param(b"Subject: x", 10, id="no line end"),
        pytest.param(b"Dear Bob,\r\n\r\nhello\r\n", 0, id="no header at all"),
        pytest.param(b" folded\r\nSubject: x\r\n\r\n", 0, id="begins with a continuation line"),
        pytest.param(b"From a@b Mon Nov 23\r\nSubject: x\r\n\r\nbody", 35, id="a line of a mailbox file above it"),
        pytest.param(b"Subject: x\r\njunk\r\nTo: y\r\n\r\n", 27, id="a stray line within"),
        pytest.param(b"Subject: x\n\nbody\r\n", 18, id="only CRLF ends a line"),
    ],
)
def test_the_body_begins_behind_the_first_empty_line(octets, offset):
    """SMTP-31: whatever is missing, there is one answer."""
    assert header.split(octets) == offset


def test_a_field_comes_with_its_continuation_lines():
    section = b"To: a,\r\n\tb\r\nSubject : x\r\n y\r\nstray line\r\n\r\n"
    assert list(header.fields(section)) == [
        (b"to", b"To: a,\r\n\tb\r\n"),
        (b"subject", b"Subject : x\r\n y\r\n"),
        (b"", b"stray line\r\n"),
        (b"", b"\r\n"),
    ]


def test_names_are_compared_without_case_and_only_whole_ones():
    section = (
        b"Received: a\r\nRECEIVED: b\r\nX-Received: c\r\nReceived-SPF: d\r\n Received: e\r\nreceived \t: f\r\n\r\n"
    )
    assert header.count(section, b"received") == 3
    assert header.has(section, b"Received-SPF")
    assert not header.has(section, b"Receive")


def test_a_removed_field_takes_its_continuation_lines_and_nothing_else():
    """SUBM-06."""
    section = b"To: a\r\nBcc: b,\r\n c,\r\n\td\r\nX-Bcc: e\r\nbcc : f\r\nSubject: g\r\n\r\n"
    assert header.without(section, (b"bcc",)) == b"To: a\r\nX-Bcc: e\r\nSubject: g\r\n\r\n"


def test_a_section_without_the_field_is_the_same_object():
    section = b"To: a\r\n\r\n"
    assert header.without(section, (b"bcc", b"return-path")) is section


@given(OCTETS)
def test_fields_joined_are_the_section(octets):
    assert b"".join(field for _, field in header.fields(octets)) == octets


@given(OCTETS)
def test_the_body_is_never_before_the_start_nor_behind_the_end(octets):
    offset = header.split(octets)
    assert 0 <= offset <= len(octets)
    assert b"\r\n\r\n" not in octets[: max(0, offset - 1)]


@given(OCTETS, st.sampled_from([b"subject", b"bcc", b"received", b"folded"]))
def test_counting_and_cutting_agree_with_the_fields(octets, name):
    named = [field for found, field in header.fields(octets) if found == name]
    assert header.count(octets, name) == len(named)
    rest = header.without(octets, (name,))
    assert rest == b"".join(field for found, field in header.fields(octets) if found != name)
