"""The order of layers that docs/explanation/architecture.md draws, read from the imports of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailstack

ROOT = Path(mailstack.__file__).parent

LAYERS = """
    mailstack
    mailstack.wire mailstack.discreet mailstack.instant mailstack.hangup
    mailstack.lines mailstack.transparency mailstack.cache mailstack.room mailstack.seat mailstack.commons mailstack.letter
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

SIMULATION_IMPORTERS = {"mailstack.pytest_plugin"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())
RANKS = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def layer_of(module: str) -> str:
    """The name in LAYERS that speaks for a module: the longest that it begins with."""
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        name = ".".join(parts[:length])
        if length < len(parts) and f"{name}.*" in RANKS:
            return f"{name}.*"
        if name in RANKS:
            return name
    if module == "mailstack":
        return module
    raise LookupError(f"{module} has no place in LAYERS: give it one")


def imports_of(module: str) -> set[str]:
    """Every module that a module imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_layers_beneath_it(module: str) -> None:
    own = layer_of(module)
    for imported in imports_of(module):
        if not within(imported, "mailstack"):
            continue
        other = layer_of(imported)
        assert other == own or RANKS[other] < RANKS[own], f"{module} ({own}) must not import {imported} ({other})"


@pytest.mark.parametrize("module", MODULES)
def test_only_the_ground_and_the_roots_know_twisted(module: str) -> None:
    if any(within(imported, "twisted") for imported in imports_of(module)):
        assert module != "mailstack.store", "the store's interface is plain Python"
        assert module.split(".")[1] in TWISTED, f"{module} must not import twisted"


@pytest.mark.parametrize("module", MODULES)
def test_production_code_never_imports_the_simulation(module: str) -> None:
    if any(within(imported, "mailstack.simulation") for imported in imports_of(module)):
        assert within(module, "mailstack.simulation") or module in SIMULATION_IMPORTERS


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_its_duty_in_its_first_line(module: str) -> None:
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_bytes()))
    assert docstring, f"{module} has no docstring"
    first = docstring.split("\n")[0]
    assert first.endswith((".", "?", ":")), f"{module}: its first line is not a sentence: {first!r}"
    assert len(first.split()) > 2, f"{module}: {first!r} says nothing"


def test_the_table_itself_is_read_as_meant() -> None:
    assert layer_of("mailstack.store") == "mailstack.store"
    assert layer_of("mailstack.store.sqlite") == "mailstack.store.*"
    assert layer_of("mailstack.queue.delivery") == "mailstack.queue.delivery"
    assert layer_of("mailstack.queue.runner") == "mailstack.queue"
    assert RANKS["mailstack.queue.delivery"] < RANKS["mailstack.store"] < RANKS["mailstack.queue"]
    with pytest.raises(LookupError):
        layer_of("mailstack.elsewhere")
