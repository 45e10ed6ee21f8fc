"""Enhanced status codes (RFC 3463 §2)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Status


@given(st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999))
def test_what_is_written_is_read_back(kind, subject, detail):
    status = Status(kind, subject, detail)
    assert Status.parse(str(status)) == Status.parse(f"{status} and a text") == status


@pytest.mark.parametrize("text", ["", "2.0", "1.0.0", "3.5.0", "2.0.1000", "2.0.0.1", " 2.0.0", "x2.0.0", "2.0.\u0661"])
def test_what_is_no_status_is_refused(text):
    with pytest.raises(ValueError, match="not an enhanced status code"):
        Status.parse(text)


@given(st.text())
def test_any_text_is_a_status_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert str(Status.parse(text))
