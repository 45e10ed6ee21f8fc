"""etc/mailstack.toml: every key of the model with its default, and no other."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mailstack.config import Config, load
from mailstack.config.load import is_table
from mailstack.config.source import KeyPath, key_lines

REFERENCE = Path(__file__).parents[2] / "etc" / "mailstack.toml"


def keys_of_model(model: type[msgspec.Struct], above: KeyPath = ()) -> set[KeyPath]:
    found: set[KeyPath] = set()
    for field in msgspec.structs.fields(model):
        path = (*above, field.encode_name)
        nested = is_table(field.type)
        found |= keys_of_model(field.type, path) if nested else {path}
    return found


def keys_of_table(table: dict[str, Any], above: KeyPath = ()) -> set[KeyPath]:
    found: set[KeyPath] = set()
    for name, value in table.items():
        path = (*above, name)
        found |= keys_of_table(value, path) if isinstance(value, dict) and value else {path}
    return found


def test_every_key_of_the_model_is_in_the_reference_and_nothing_else() -> None:
    assert keys_of_table(tomllib.loads(REFERENCE.read_text())) == keys_of_model(Config)


def test_every_value_in_the_reference_is_the_default() -> None:
    config = load(REFERENCE, {})
    assert config == Config(hostname=config.hostname, data=REFERENCE.parent / "data")


def test_every_key_has_its_reason_in_a_comment_above_it() -> None:
    """A key may share the comment of the keys right above it."""
    text = REFERENCE.read_text().splitlines()
    for path, line in key_lines(REFERENCE.read_text()).items():
        above = line - 1
        while above and text[above - 1] and not text[above - 1].startswith(("#", "[")):
            above -= 1
        first_of_table = text[line - 1].startswith("[")
        assert first_of_table or text[above - 1].startswith("#"), ".".join(path)
