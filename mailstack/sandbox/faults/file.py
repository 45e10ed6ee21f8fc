"""Fault rules of a file: TOML with [[fault]] tables, or a list in JSON."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mailstack.sandbox.faults.rule import Fault


def read_rules(octets: bytes) -> tuple[Fault, ...]:
    """The rules in their order. Raises ValueError that says which one is wrong, and why."""
    try:
        given = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ValueError("not a text in UTF-8") from error
    tables = given.pop("fault", [])
    if given or not isinstance(tables, list):
        raise ValueError(f"{', '.join(given) or 'fault'}: a file of faults has [[fault]] tables, and nothing else")
    return _rules(tables)


def read_json_rules(octets: bytes) -> tuple[Fault, ...]:
    """Rules in their order. Raises ValueError that says which one is wrong, and why."""
    try:
        # A ValidationError, which is a ValueError, for what is no list of objects.
        given = msgspec.json.decode(octets, type=list[dict[str, Any]])
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _rules(given)


def _rules(given: list[Any]) -> tuple[Fault, ...]:
    rules = []
    for number, each in enumerate(given, 1):
        try:
            rules.append(Fault.from_json(each))
        except ValueError as error:
            raise ValueError(f"fault {number}: {error}") from None
    return tuple(rules)


def read_rule_file(file: Path) -> tuple[Fault, ...]:
    """Parses the rules of a file: JSON by its suffix, else TOML. Raises ValueError with the file's name."""
    read = read_json_rules if file.suffix == ".json" else read_rules
    try:
        return read(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{file}: {reason}") from None
