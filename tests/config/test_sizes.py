"""Sizes are numbers of octets, or texts with a binary unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.config.sizes import LARGEST, UNITS, read_size, read_size_or_none


@pytest.mark.parametrize(
    ("value", "octets"),
    [(1, 1), (52428800, 52428800), ("50MiB", 52428800), ("64 KiB", 65536), ("1GiB", 1 << 30), ("1000", 1000)],
)
def test_a_size_is_in_octets(value: object, octets: int) -> None:
    assert read_size(value) == octets


@pytest.mark.parametrize(
    "value", [0, -1, True, 1.5, "0", "", "50MB", "50 mib", "MiB", "-1KiB", LARGEST + 1, "9999GiB", None]
)
def test_what_is_no_size_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match='such as "50MiB"'):
        read_size(value)


@given(st.integers(1, 1024), st.sampled_from(list(UNITS)))
def test_a_unit_is_a_factor(count: int, unit: str) -> None:
    assert read_size(f"{count}{unit}") == count * UNITS[unit]


@pytest.mark.parametrize(("value", "octets"), [(0, 0), ("0", 0), (1, 1), ("2GiB", 2 << 30)])
def test_a_limit_may_be_none(value: object, octets: int) -> None:
    assert read_size_or_none(value) == octets


@pytest.mark.parametrize("value", [False, -1, "", "none", None, 0.5])
def test_what_is_no_limit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="0, or a size"):
        read_size_or_none(value)
