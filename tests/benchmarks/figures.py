"""Prints measured figures as JSON, one object a line."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_json(**figures: Any) -> None:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
    sys.stdout.write(json.dumps(rounded) + "\n")
    sys.stdout.flush()
