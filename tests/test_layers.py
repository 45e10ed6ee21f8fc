"""The order of layers that docs/explanation/architecture.md draws, read from the imports of every module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import mailstack

ROOT = Path(mailstack.__file__).parent

LAYERS = """
    mailstack
    mailstack.wire mailstack.discreet mailstack.instant mailstack.hangup
    mailstack.complaint mailstack.lines mailstack.transparency mailstack.cache mailstack.room mailstack.seat mailstack.commons mailstack.letter
    mailstack.sasl mailstack.reading mailstack.mailfiles
    mailstack.between
    mailstack.smtp mailstack.pop3
    mailstack.queue.delivery mailstack.journey
    mailstack.announcements mailstack.conditions mailstack.tls_results
    mailstack.store
    mailstack.policy
    mailstack.authentication
    mailstack.queue
    mailstack.submission mailstack.relay mailstack.exchange mailstack.delivery mailstack.mailbox
    mailstack.webhooks
    mailstack.tls_reports
    mailstack.net
    mailstack.accounts mailstack.store.*
    mailstack.journey.* mailstack.spam
    mailstack.catalogue
    mailstack.moving
    mailstack.config
    mailstack.faults mailstack.between.* mailstack.travel
    mailstack.setup mailstack.office.surroundings mailstack.office.premises
    mailstack.web
    mailstack.office
    mailstack.service mailstack.simulation
    mailstack.workers
    mailstack.tap mailstack.dev
    mailstack.cli
    mailstack.testing
    mailstack.pytest_plugin mailstack.__main__
"""
"""Lowest first. A module may import its own package and every line above it, never its neighbours on its line.

`mailstack.store.*` are the implementations, `mailstack.store` itself is the interface; so with the other lines that end
in a star: the package itself is what many need, and its modules are what few do."""

GROUND = {"net", "accounts", "store", "catalogue"}
ROOTS = {"office", "workers", "service", "tap", "dev", "cli", "web", "simulation", "testing", "pytest_plugin"}
TWISTED = GROUND | ROOTS | {"faults"}
"""The packages that may know Twisted; the stations and the languages are plain Python and `async def`."""

SIMULATION_IMPORTERS = {"mailstack.testing"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())
RANKS = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def place_of(module: str) -> str | None:
    """The name in LAYERS that speaks for a module: the longest that it begins with; None where there is none."""
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        name = ".".join(parts[:length])
        if length < len(parts) and f"{name}.*" in RANKS:
            return f"{name}.*"
        if name in RANKS:
            return name
    return module if module == "mailstack" else None


def layer_of(module: str) -> str:
    """As `place_of`. Raises LookupError where there is none."""
    if (place := place_of(module)) is None:
        raise LookupError(f"{module} has no place in LAYERS: give it one")
    return place


def imports_in(tree: ast.Module) -> set[str]:
    """Every module that a module imports, at its top or inside a function; "." begins a relative one."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                found.add(inner if inner in MODULES else package)
    return found


@cache
def read_modules() -> dict[str, tuple[list[str], str]]:
    """What each module imports, and its docstring; read once, and not before a test asks."""
    found = {}
    for name, path in MODULES.items():
        tree = ast.parse(path.read_bytes())
        found[name] = sorted(imports_in(tree)), ast.get_docstring(tree) or ""
    return found


def imports() -> dict[str, list[str]]:
    return {name: names for name, (names, _) in read_modules().items()}


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def importers_of(package: str) -> list[str]:
    return [module for module, names in imports().items() if any(within(name, package) for name in names)]


def fail_with(offences: list[str]) -> None:
    """Fails with all of them, one a line; passes when there are none."""
    if offences:
        pytest.fail(f"{len(offences)} found:\n" + "\n".join(offences), pytrace=False)


def test_every_module_is_read_and_has_a_place() -> None:
    assert {"mailstack", "mailstack.__main__", "mailstack.store.sqlite"} <= set(MODULES)
    assert len(MODULES) > 100
    assert sum(map(len, imports().values())) > 1000
    fail_with([f"{module} has no place in LAYERS: give it one" for module in MODULES if place_of(module) is None])


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
    """Imports between modules of the package, without those that only a type checker reads."""
    found = {}
    for name, path in MODULES.items():
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
        found[name] = {each for each in imports_in(tree) if each in MODULES}
    return found


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
    assert "help.js" in arrows["keyboard.js"]
    assert "composing.js" in arrows["help.js"], "a dynamic import"
    assert circle_in(arrows) == []


def test_a_circle_is_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_are_absolute() -> None:
    fail_with([f"{module}: {name}" for module, names in imports().items() for name in names if name[0] == "."])


def test_a_module_imports_only_layers_beneath_it() -> None:
    edges = [
        (module, imported) for module, names in imports().items() for imported in names if within(imported, "mailstack")
    ]
    layers = [(module, layer_of(module), imported, layer_of(imported)) for module, imported in edges]
    fail_with(
        [
            f"{module} ({own}) must not import {imported} ({other})"
            for module, own, imported, other in layers
            if other != own and RANKS[other] >= RANKS[own]
        ]
    )


def test_only_the_ground_and_the_roots_know_twisted() -> None:
    importers = importers_of("twisted")
    assert "mailstack.store" not in importers, "the store's interface is plain Python"
    fail_with([f"{module} must not import twisted" for module in importers if module.split(".")[1] not in TWISTED])


def test_production_code_never_imports_the_simulation() -> None:
    allowed = SIMULATION_IMPORTERS | {module for module in MODULES if within(module, "mailstack.simulation")}
    importers = importers_of("mailstack.simulation")
    fail_with([f"{module} must not import mailstack.simulation" for module in importers if module not in allowed])


def test_a_module_says_its_duty_in_its_first_line() -> None:
    offences = []
    for module, (_, docstring) in read_modules().items():
        first = docstring.split("\n")[0]
        if not first:
            offences.append(f"{module} has no docstring, or one whose first line is empty")
        elif not first.endswith((".", "?", ":")):
            offences.append(f"{module}: its first line is not a sentence: {first!r}")
        elif len(first.split()) <= 2:
            offences.append(f"{module}: {first!r} says nothing")
    fail_with(offences)


def test_the_table_itself_is_read_as_meant() -> None:
    assert layer_of("mailstack.store") == "mailstack.store"
    assert layer_of("mailstack.store.sqlite") == "mailstack.store.*"
    assert layer_of("mailstack.queue.delivery") == "mailstack.queue.delivery"
    assert layer_of("mailstack.queue.queue") == "mailstack.queue"
    assert RANKS["mailstack.queue.delivery"] < RANKS["mailstack.store"] < RANKS["mailstack.queue"]
    with pytest.raises(LookupError):
        layer_of("mailstack.elsewhere")
