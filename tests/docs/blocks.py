"""Blocks of code in the documents."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(document: str) -> dict[str, list[tuple[str, str]]]:
    """Language and text of each block, by the heading above it."""
    sections = re.split(r"^##+ (.*)$", (DOCS / document).read_text(), flags=re.MULTILINE)
    return {
        heading: re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for heading, text in zip(sections[1::2], sections[2::2], strict=True)
    }
