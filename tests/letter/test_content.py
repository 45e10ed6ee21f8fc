"""Contents: the same octets however often they are read."""

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.letter import CHUNK, Octets, Prefixed, read_all
from tests.aid import run


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
