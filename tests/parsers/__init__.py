"""Every parser of the program, and how to feed it: one table for the properties, the fuzzer and the octets that once did harm."""

from __future__ import annotations

from tests.parsers import (
    asking,
    browsers,
    conversations,
    engines,
    files,
    filters,
    imap,
    letters,
    looking,
    networks,
    people,
    renderers,
    secrets,
    settings,
    stored,
    vouching,
)
from tests.parsers.parser import Parser

TABLES = (
    engines, conversations, secrets, letters, people, stored, networks, settings, asking, vouching, looking, filters,
    files, browsers, imap, renderers,
)  # fmt: skip

PARSERS: dict[str, Parser] = {parser.name: parser for table in TABLES for parser in table.PARSERS}
"""Parsers by name; `test_coverage.py` detects missing ones."""
