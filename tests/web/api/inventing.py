"""Random values of a JSON schema, valid and nearly valid."""

from __future__ import annotations

import random
from typing import Any

TEXTS = ("", "x", "alice@home.test", "é\u202e", "1h", "*", "a" * 300, "0", "/../", '"')


def value_of(schema: dict[str, Any], document: dict[str, Any], dice: random.Random) -> Any:  # noqa: PLR0911
    """Something that a schema allows, or nearly."""
    if "$ref" in schema:
        return value_of(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, dice)
    if "anyOf" in schema:
        return value_of(dice.choice(schema["anyOf"]), document, dice)
    match schema.get("type"):
        case "object" if "properties" in schema:
            needed = set(schema.get("required", ()))
            return {
                name: value_of(each, document, dice)
                for name, each in schema["properties"].items()
                if name in needed or dice.random() < 0.5
            }
        case "object":
            return {dice.choice(TEXTS): dice.choice(TEXTS)}
        case "array":
            return [value_of(schema.get("items", {"type": "string"}), document, dice) for _ in range(dice.randrange(3))]
        case "integer" | "number":
            return dice.choice([0, 1, -1, 5, 10**12])
        case "boolean":
            return dice.random() < 0.5
        case "null":
            return None
        case _:
            return dice.choice(TEXTS)
