"""Accessibility faults of a page, by axe-core."""

from __future__ import annotations

import json
from typing import Any

import pytest

GRAVE = {"serious", "critical"}
TAGS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLORS = ("color-contrast", "link-in-text-block")
"""Rules that depend on colors."""

# What no test reads is not made; letters in a frame run no script, so that axe-core would wait for an answer in vain.
LESS = {"resultTypes": ["violations"], "selectors": False, "iframes": False}


def findings(page: Any, rules: tuple[str, ...] = (), without: str = "") -> list[str]:
    """What axe-core finds by these rules, or by all of WCAG's levels A and AA, a line each; not in element `without`."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.axe_script)
    only = {"type": "rule", "values": rules} if rules else TAGS
    options = json.dumps({"runOnly": only, **LESS})
    part = json.dumps({"exclude": [without]}) if without else "document"
    found = page.evaluate(f"axe.run({part}, {options}).then(found => found.violations)")
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
