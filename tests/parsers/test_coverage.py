"""The table of parsers is whole: every module that reads what others wrote is in it, and is really reached by it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import mailstack
from tests.parsers import PARSERS

SOURCES = Path(mailstack.__file__).parent

VERBS = ("parse", "read", "decode", "describe", "receive", "feed")
"""Calls of parsing functions in a module."""
GIVEN = {"bytes", "str", "object", "str | None", "bytes | None"}
"""Argument of such a call."""

READ_ELSEWHERE = {
    "cli.sendmail.enqueue": "tests/cli/sendmail/test_letter.py has properties of its own",
    "protocols.connection": "hands what it gets to the engine",
    "net.peer": "hands what it gets to the engine",
    "net.proxy_protocol": "reads with net.proxy_header; tests/net/test_proxy_protocol.py has a property of its own",
    "web.api.letter_index": "wraps mailbox.index.query, whose parser is in the table",
    "web.compose": "wraps letter.address, whose parser is in the table",
    "web.flow_control": "hands what it gets to the page",
    "web.websocket": "hands what it gets to wsproto",
    "store.contents": "counts what it hands on; tests/store/test_damage.py feeds it damaged contents",
    "net.zone": "our own names, in the process",
    "sandbox.simulation.host": "a network in memory",
    "sandbox.simulation.sockets": "a network in memory",
}
"""Modules that look as if they had a parser, and why they are not in the table."""


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")


def parsers_in(tree: ast.Module) -> Iterator[str]:
    """Functions that are called as parsers are, and given what parsers are given."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.name.lstrip("_").partition("_")[0] not in VERBS:
            continue
        given = [each for each in node.args.args if each.arg not in ("self", "cls")]
        if given and given[0].annotation is not None and ast.unparse(given[0].annotation) in GIVEN:
            yield node.name


def test_every_module_that_parses_outside_data_is_in_the_table() -> None:
    known = {each for parser in PARSERS.values() for each in parser.modules} | set(READ_ELSEWHERE)
    missing = {
        f"mailstack.{name_of(file)}": sorted(set(found))
        for file in sorted(SOURCES.rglob("*.py"))
        if name_of(file) not in known and (found := list(parsers_in(ast.parse(file.read_text()))))
    }
    assert missing == {}, "add these to a table in tests/parsers (or to READ_ELSEWHERE, with the reason)"


@pytest.mark.parametrize("name", PARSERS)
def test_the_seeds_reach_the_code_that_they_are_for(name: str) -> None:
    """The table names only modules that its seeds reach."""
    reached: set[str] = set()

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            reached.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        for seed in PARSERS[name].seeds:
            PARSERS[name].feed(seed)
    finally:
        sys.setprofile(before)
    modules = {name_of(Path(file)) for file in reached if Path(file).is_relative_to(SOURCES)}
    assert set(PARSERS[name].modules) <= modules


def test_every_seed_is_its_own() -> None:
    for parser in PARSERS.values():
        assert parser.seeds
        assert len(set(parser.seeds)) == len(parser.seeds)
