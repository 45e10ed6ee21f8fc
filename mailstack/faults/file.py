"""Rules from a TOML file: one [[fault]] table each."""

from __future__ import annotations

import tomllib

from mailstack.faults.rule import Rule


def read_rules(octets: bytes) -> tuple[Rule, ...]:
    """The rules in their order. Raises ValueError that says which one is wrong, and why."""
    try:
        given = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ValueError("not a text in UTF-8") from error
    tables = given.pop("fault", [])
    if given or not isinstance(tables, list):
        raise ValueError(f"{', '.join(given) or 'fault'}: a file of faults has [[fault]] tables, and nothing else")
    rules = []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(Rule.from_json(table))
        except ValueError as error:
            raise ValueError(f"fault {number}: {error}") from None
    return tuple(rules)
