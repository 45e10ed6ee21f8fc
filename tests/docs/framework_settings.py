"""Settings of docs/howto/your-framework.md as the JavaScript module of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mailstack
from tests.docs.blocks import DOCS

DOCUMENT = DOCS / "howto/your-framework.md"
MODULE = Path(mailstack.__file__).parent / "web/pages/framework-settings.js"
HEADER = """\
/** Settings of frameworks: those of docs/howto/your-framework.md, written by `python -m tests.docs`. */

/** Name, text above the settings, settings without and with TLS and a login (lines), text below them. */
export const FRAMEWORKS = [
"""


def written() -> str:
    """The module."""
    sections = re.split(r"^## (.*)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    return HEADER + "".join(map(_entry, sections[1::2], sections[2::2])) + "];\n"


def _entry(name: str, text: str) -> str:
    about, *rest = re.split(r"^```\w+\n(.*?)^```\n", text, flags=re.MULTILINE | re.DOTALL)
    blocks, note = rest[::2], rest[-1]
    lines = [
        f"        name: {json.dumps(name)},",
        f"        about: {json.dumps(_plain(about))},",
        "        ways: [",
        *(line for block in blocks for line in _way(block)),
        "        ],",
        f"        note: {json.dumps(_plain(note))},",
    ]
    return "\n".join(["    {", *lines, "    },\n"])


def _way(block: str) -> list[str]:
    lines = [f"                {json.dumps(line, ensure_ascii=False)}," for line in block.splitlines()]
    return ["            [", *lines, "            ],"]


def _plain(text: str) -> str:
    """One line without links; `code` stays marked."""
    return " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).split())
