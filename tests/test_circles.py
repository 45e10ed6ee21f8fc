"""Circles of imports: none between modules, and none between the scripts of the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.test_layers import MODULES, ROOT, imports_in, trees


def circle_in(arrows: Mapping[str, set[str]]) -> list[str]:
    """Names along one circle of arrows, with the first repeated at the end; empty without a circle."""
    done: set[str] = set()
    for first in sorted(arrows):
        path: list[str] = []
        waiting = [(first, iter(sorted(arrows[first])))] if first not in done else []
        path += [first] if waiting else []
        while waiting:
            name, targets = waiting[-1]
            target = next(targets, None)
            if target is None:
                waiting.pop()
                done.add(path.pop())
            elif target in path and target != name:
                return [*path[path.index(target) :], target]
            elif target not in done and target in arrows and target != name:
                path.append(target)
                waiting.append((target, iter(sorted(arrows[target]))))
    return []


def python_arrows() -> dict[str, set[str]]:
    """Imports between modules of the package, also inside functions and for type checkers."""
    return {name: imports_in(tree) & set(MODULES) for name, tree in trees().items()}


SCRIPTS = ROOT / "web" / "pages"


def script_arrows() -> dict[str, set[str]]:
    """Imports between the scripts of the pages, static and dynamic."""
    named = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']\./([^"']+)["']""")
    return {path.name: set(named.findall(path.read_text())) for path in SCRIPTS.glob("*.js")}


def test_no_imports_form_a_circle() -> None:
    arrows = python_arrows()
    assert len(arrows) > 100
    assert circle_in(arrows) == []


def test_no_imports_of_scripts_form_a_circle() -> None:
    arrows = script_arrows()
    assert "dialogs.js" in arrows["keyboard.js"]
    assert "composer.js" in arrows["keyboard.js"], "a dynamic import"
    assert circle_in(arrows) == []


def test_a_circle_is_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
