"""Times as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.times import iso8601, iso8601_seconds

TIMES = st.floats(min_value=0, max_value=4e9)


@given(TIMES)
def test_a_time_is_what_datetime_says(at: float) -> None:
    assert iso8601(at) == datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@given(TIMES)
def test_seconds_are_rounded_down(at: float) -> None:
    assert iso8601_seconds(at) == datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_fraction_that_is_rounded_up_carries() -> None:
    assert iso8601(1.9999999) == "1970-01-01T00:00:02.000000Z"
