"""Layers of mailstack: sixteen rooms, each of which imports only what stands before it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mailstack

ROOT = Path(mailstack.__file__).parent

ROOMS = [
    "letter",
    "protocols",
    "store",
    "policy",
    "queue",
    "receiving",
    "relay",
    "mailbox",
    "net",
    "accounts",
    "config",
    "web",
    "server",
    "sandbox",
    "testing",
    "cli",
]
"""Packages of mailstack, lowest first. docs/explanation/architecture.md draws the same list."""

SIBLINGS = {"receiving", "relay", "mailbox"}
"""Rooms that stand side by side: what they share lies below them."""

PLAIN = {"letter", "protocols", "policy", "queue", "receiving", "relay", "config"}
"""Rooms without Twisted: plain Python and `async def`. The store and mailbox interfaces are plain as well."""

ABOVE_ALL = {"mailstack.__main__"}

UPWARD: set[tuple[str, str]] = set()
"""Imports against the order that are still to be cut. The list only gets shorter."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())
RANKS = {room: rank for rank, room in enumerate(ROOMS)}


def room_of(module: str) -> str:
    """Room of a module below `mailstack`; "" for `mailstack` itself."""
    return module.split(".")[1] if "." in module else ""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_in(tree: ast.AST, *, of_types: bool = True) -> set[str]:
    """Modules that a tree imports, at its top or inside a function; "." begins a relative import."""
    found: set[str] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                found.add(inner if inner in MODULES else package)
        elif of_types or not is_type_checking(node):
            pending.extend(ast.iter_child_nodes(node))
    return found


@cache
def trees() -> dict[str, ast.Module]:
    # A collection of garbage within ast.parse may fail in Python 3.11 with SystemError (AST recursion depth mismatch).
    gc.disable()
    try:
        return {name: ast.parse(path.read_bytes()) for name, path in MODULES.items()}
    finally:
        gc.enable()


@cache
def imports() -> dict[str, list[str]]:
    return {name: sorted(imports_in(tree)) for name, tree in trees().items()}


def arrows() -> Iterator[tuple[str, str]]:
    """Each import of one module of mailstack by another."""
    for module, names in imports().items():
        for name in names:
            if name.split(".")[0] == "mailstack":
                yield module, name


def importers_of(package: str) -> list[str]:
    return [module for module, names in imports().items() if any(within(name, package) for name in names)]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def fail_with(offences: list[str]) -> None:
    """Fails with all of them, one a line; passes when there are none."""
    if offences:
        pytest.fail(f"{len(offences)} found:\n" + "\n".join(offences), pytrace=False)


def test_the_rooms_are_the_packages() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROOMS)
    assert {path.stem for path in ROOT.glob("*.py")} == {"__init__", "__main__"}


def test_every_module_is_read() -> None:
    assert {"mailstack", "mailstack.__main__", "mailstack.queue.queue"} <= set(MODULES)
    assert len(MODULES) > 100
    assert sum(map(len, imports().values())) > 1000


def test_imports_are_absolute() -> None:
    fail_with([f"{module}: {name}" for module, names in imports().items() for name in names if name[0] == "."])


def test_a_room_imports_only_rooms_before_it() -> None:
    offences, seen = [], set()
    for module, imported in arrows():
        own, other = room_of(module), room_of(imported)
        if module in ABOVE_ALL or own == other or not other:
            continue
        if not own or RANKS[other] >= RANKS[own] or {own, other} <= SIBLINGS:
            edge = module.removeprefix("mailstack."), imported.removeprefix("mailstack.")
            seen.add(edge)
            if edge not in UPWARD:
                offences.append(f"{module} must not import {imported}")
    offences += [f"UPWARD names {a} -> {b}, which is gone: remove it there" for a, b in sorted(UPWARD - seen)]
    fail_with(offences)


def test_plain_rooms_do_not_know_twisted() -> None:
    importers = importers_of("twisted")
    assert "mailstack.net.peer" in importers
    plain = [
        module
        for module in importers
        if room_of(module) in PLAIN or module in {"mailstack.store", "mailstack.mailbox.delivery"}
    ]
    plain += [module for module in importers if within(module, "mailstack.mailbox.pop3")]
    fail_with([f"{module} must not import twisted" for module in plain])


def test_only_the_sandbox_and_what_stands_above_it_know_the_sandbox() -> None:
    above = {"sandbox", "testing", "cli"}
    importers = importers_of("mailstack.sandbox")
    known = {f"mailstack.{module}" for module, imported in UPWARD if within(imported, "sandbox")}
    fail_with(
        [
            f"{module} imports the sandbox"
            for module in importers
            if room_of(module) not in above and module not in known
        ]
    )


def test_a_module_says_its_duty_in_its_first_line() -> None:
    offences = []
    for module, tree in trees().items():
        first = (ast.get_docstring(tree) or "").split("\n")[0]
        if not first:
            offences.append(f"{module} has no docstring, or one whose first line is empty")
        elif not first.endswith((".", "?", ":")):
            offences.append(f"{module}: its first line is not a sentence: {first!r}")
        elif len(first.split()) <= 2:
            offences.append(f"{module}: {first!r} says nothing")
    fail_with(offences)
