"""Letter ids and contents."""

import random
import secrets

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import new_letter_id
from mailstack.letter.letter import CHUNK, Octets, Prefixed, read_all
from tests.aid import run

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
YEAR_3000 = 32_503_680_000.0


@given(st.floats(0, YEAR_3000))
def test_id_is_fifteen_unambiguous_characters(now):
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


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_prefix_stands_above_the_content(prefix, octets):
    content = Prefixed(prefix, Octets(octets))
    for _ in range(2):
        assert run(read_all(content)) == prefix + octets
    assert content.size == len(prefix) + len(octets)


def test_a_large_content_comes_in_chunks():
    octets = bytes(range(256)) * 1024

    async def lengths():
        return [len(chunk) async for chunk in Octets(octets).chunks()]

    assert run(lengths()) == [CHUNK] * (len(octets) // CHUNK)
    assert run(read_all(Octets(octets))) == octets
