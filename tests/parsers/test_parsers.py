"""Whatever octets come to a parser, it keeps its promises: see the docstring of each in the tables beside this file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aid import examples
from tests.parsers import PARSERS
from tests.parsers.mutation import octets_like
from tests.parsers.parser import FOUND

HARM = sorted(file for file in FOUND.glob("*/*") if file.is_file())


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_keeps_its_promises_with_all_it_was_made_for(name: str) -> None:
    for seed in PARSERS[name].seeds:
        PARSERS[name].feed(seed)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_a_parser_keeps_its_promises_with_any_octets(name: str, data: st.DataObject) -> None:
    """Events, a value, or what it says of octets that are not in its language; never another exception."""
    PARSERS[name].feed(data.draw(octets_like(PARSERS[name].seeds)))


def test_what_once_did_harm_does_none() -> None:
    for file in HARM:
        PARSERS[file.parent.name].feed(file.read_bytes())
