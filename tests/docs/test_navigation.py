"""Navigation of the site names each page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation() -> None:
    """The site is built by `.ci/run-packages` only, and a page without an entry fails there."""
    named = set(re.findall(r"docs/\S+\.md", (ROOT / "docs/mkdocs.yml").read_text().partition("\nnav:")[2]))
    pages = {str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md") if each.parent.name != "decisions"}
    assert named - {"docs/decisions/index.md"} == pages  # made by packaging/site
