"""Letter ids: short, unique, in the order of time."""

import random
import secrets

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import new_letter_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
YEAR_3000 = 32_503_680_000.0


@given(st.floats(0, YEAR_3000))
def test_an_id_is_fifteen_characters_that_nobody_confuses(now):
    identity = new_letter_id(now)
    assert len(identity) == 15
    assert set(identity) <= set(ALPHABET)


@given(st.floats(0, YEAR_3000), st.floats(0.002, 1e9))
def test_a_later_id_sorts_later(now, wait):
    assert new_letter_id(now) < new_letter_id(now + wait)


def test_ids_of_one_millisecond_differ(monkeypatch):
    # Few bits, so that without care some would be alike.
    monkeypatch.setattr(secrets, "randbits", lambda _: random.randrange(2000))
    assert len({new_letter_id(1_790_000_000.0) for _ in range(1000)}) == 1000
