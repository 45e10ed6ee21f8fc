"""JSON decoder of large bodies: as msgspec, with limits, in short steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.web import json_body
from mailstack.web.http_messages import HttpError
from tests.letter.parsed.test_long import HELD, best_longest_step

MIB = 1_048_576
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=10,
)


def outcome(body: bytes) -> tuple[Any, str]:
    """The value, or why it is refused."""
    try:
        return json_body.decode(body, 1000), ""
    except HttpError as trouble:
        return None, trouble.reason


def refused(body: bytes, max_values: int = 1000) -> int:
    with pytest.raises(HttpError) as trouble:
        json_body.decode(body, max_values)
    return trouble.value.status


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
@pytest.mark.parametrize("long", [12, 30, 65_536])
def test_a_value_is_the_same_wherever_strings_are_cut(
    long: int, value: Any, ascii_only: bool, indent: int | None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_body, "PIECE", long)
        body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
        try:
            expected = json.loads(body.decode())
        except UnicodeDecodeError:
            return
        found, reason = outcome(body)
    # Half a character is none, and a number longer than a piece is too long.
    assert found == expected or "surrogate" in reason or "escape" in reason or "octets" in reason


@given(body=st.binary(max_size=60) | st.text('"\\u[]{},:d8cF0 ', max_size=60).map(str.encode))
@pytest.mark.parametrize("long", [12, 65_536])
def test_any_octets_are_a_value_or_refused(long: int, body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_body, "PIECE", long)
        found, reason = outcome(body)
    assert reason.startswith("Invalid request body") or found == json.loads(body)


def test_values_and_levels_are_bounded_before_anything_is_decoded() -> None:
    assert refused(b"[" + b'"",' * 1001 + b'""]') == 413
    assert refused(b'{"x":' + b"{}," * 1001 + b"}") == 413
    assert refused(b"[" * 40 + b"]" * 40) == 400
    assert json_body.decode(b'["' + b"," * 5000 + b'"]', 10) == ["," * 5000]


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: b'[""' + b',""' * (20 * MIB) + b"]", id="strings"),
        pytest.param(lambda: b"[" * 20 * MIB, id="arrays"),
        pytest.param(lambda: b'{"a":"' + b"A" * 20 * MIB + b'"}', id="a long string"),
        pytest.param(lambda: b'{"a":"' + b"\\n" * 4 * MIB + b'"}', id="escapes"),
        pytest.param(lambda: b'{"a":"' + "é".encode() * 4 * MIB + b'"}', id="UTF-8"),
        pytest.param(lambda: b'{"a":"' + b"\\ud83d\\ude00" * MIB + b'"}', id="pairs"),
        pytest.param(lambda: b'{"a":"' + b"A" * 20 * MIB, id="no end"),
        pytest.param(lambda: b"[" + b" " * 20 * MIB + b"]", id="blanks"),
        pytest.param(lambda: b"[" + b"1" * 20 * MIB + b"]", id="figures"),
        pytest.param(lambda: b'["' + b'","'.join([b"x" * 60_000] * 300) + b'"]', id="pieces"),
    ],
)
def test_no_step_takes_long(made: Callable[[], bytes]) -> None:
    body = made()

    def work() -> None:
        with suppress(HttpError):
            json_body.decode(body, 25_000)

    assert best_longest_step(work) < HELD
