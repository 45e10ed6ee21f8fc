"""Wishes about time: read, written, and turned into times of day."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Arrival, Envelope, Letter, LetterId
from mailstack.letter.letter import Octets
from mailstack.letter.time_parameters import (
    DeliverBy,
    check,
    date_time_text,
    deadline,
    is_held_too_long,
    priority,
    read_by,
    read_date_time,
    read_priority,
    read_seconds,
    released_at,
)


def letter(**parameters):
    envelope = Envelope(None, (), parameters=tuple(parameters.items()))
    return Letter(LetterId("x"), envelope, Octets(b""), Arrival(1000.0, "mx.home.test", "ESMTP"))


@pytest.mark.parametrize("read", [read_seconds, read_date_time, read_by, read_priority])
@given(
    text=st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fullmatch=True)
)
def test_any_text_is_a_value_or_a_value_error(read, text):
    with contextlib.suppress(ValueError):
        read(text)


@given(st.integers(-999_999_999, 999_999_999), st.booleans(), st.booleans())
def test_what_is_written_of_by_is_read_again(seconds, returns, traced):
    """DLBY-01."""
    by = DeliverBy(seconds, returns, traced)
    assert read_by(str(by)) == by


@given(st.integers(0, 4_102_444_800))
def test_what_is_written_of_a_time_is_read_again(at):
    """FUT-01."""
    assert read_date_time(date_time_text(at)) == at


def test_times_count_from_the_arrival_or_from_the_release():
    """FUT-01, DLBY-01."""
    assert released_at(letter()) == 1000.0
    assert released_at(letter(HOLDFOR="60")) == 1060.0
    assert released_at(letter(HOLDUNTIL="1970-01-01T00:20:00Z")) == 1200.0
    assert released_at(letter(HOLDUNTIL="1970-01-01T00:00:01Z")) == 1000.0
    assert deadline(letter()) is None
    assert deadline(letter(BY="30;N")).at == 1030.0
    assert deadline(letter(BY="90;R", HOLDFOR="60")).at == 1090.0


@pytest.mark.parametrize(
    ("parameters", "too_long"),
    [
        ({}, False),
        ({"HOLDFOR": "60"}, False),
        ({"BY": "60;R"}, False),
        ({"HOLDFOR": "60", "BY": "60;R"}, False),
        ({"HOLDFOR": "61", "BY": "60;R"}, True),
        ({"HOLDFOR": "1", "BY": "-5;N"}, True),
        ({"HOLDUNTIL": "1970-01-01T00:17:40Z", "BY": "60;N"}, False),
        ({"HOLDUNTIL": "1970-01-01T00:17:41Z", "BY": "60;N"}, True),
    ],
)
def test_hold_ends_at_the_time_to_deliver_by(parameters, too_long):
    """FUT-01, DLBY-01: RFC 4865 §5.2.2."""
    assert is_held_too_long(parameters, 1000.0) == too_long


def test_a_second_that_is_leapt_releases_nothing_early():
    """FUT-01."""
    assert read_date_time("2016-12-31T23:59:60Z") == read_date_time("2017-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["00", "0_9999", "07", "-0", "+1", "10", ""])
def test_a_priority_is_one_digit(text):
    """RFC 6710 §4."""
    with pytest.raises(ValueError, match="-9 to 9"):
        read_priority(text)


def test_a_priority_is_normal_unless_asked_for():
    """PRIO-01."""
    assert priority(letter().envelope) == 0
    assert priority(letter(**{"MT-PRIORITY": "-9"}).envelope) == -9


def test_other_parameters_are_not_ours_to_check():
    check((("ENVID", "x"), ("HOLDFOR", "1")))
    with pytest.raises(ValueError, match="digits"):
        check((("HOLDFOR", "0"),))
