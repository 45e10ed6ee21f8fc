"""Durations, and errors with an example."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.times import MAX_DURATION, UNITS, read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("5s", 5), ("5m", 300), ("4h", 14400), ("5d", 432000), ("2w", 1209600), ("1h30m", 5400)],
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds
    assert isinstance(read_duration(text), float)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5m", "5 m", "5M", "1.5h", "30m1h", "5m5m", "\u0665m", " 5m", "5m\n", 5, None, True]
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match='a duration such as "30s"'):
        read_duration(text)


def test_ten_years_are_enough() -> None:
    assert read_duration("3650d") == MAX_DURATION
    with pytest.raises(ValueError, match="at most ten years"):
        read_duration("3650d1s")


@given(st.dictionaries(st.sampled_from(list(UNITS)), st.integers(0, 400), min_size=1))
def test_the_parts_add_up(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    seconds = sum(count * UNITS[unit] for unit, count in parts.items())
    if seconds <= MAX_DURATION:
        assert read_duration(text) == seconds


@given(st.text(alphabet="0123456789wdhms -.\n", max_size=12))
def test_any_text_is_a_bounded_duration_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= read_duration(text) <= MAX_DURATION
