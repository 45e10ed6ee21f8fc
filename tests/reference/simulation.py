"""docs/reference/simulation.md, from the docstrings of what is public in mailstack.sandbox.simulation and mailstack.sandbox.faults."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import mailstack.sandbox.faults
import mailstack.sandbox.simulation

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "simulation.md"

HEAD = """\
# Simulation and faults

This page is written from the docstrings: `python -m tests.reference` in a checkout does it.

[The tutorial](../tutorial-simulation.md) begins with a bounce after five days; [how to have things go wrong](../howto/faults.md) has each fault with an example. Spans of time are seconds, or texts as in the configuration: `"30s"`, `"4h"`, `"1h30m"`, `"5d"`.

`Internet`, `SimulatedReactor`, `Path`, `Fault` and the named faults are imported from `mailstack.testing`; the objects of the other classes come from these.
"""

FIRST = ("Internet", "Site", "Author", "Reader", "Sent", "Collected", "Transcript", "Dialogue", "Journey", "Stage")
"""What most are looking for; the others follow by name."""
REACTOR = ("Host", "SimulatedReactor")
"""Whose methods are those of Twisted's own interfaces."""


def written() -> str:
    """The whole document."""
    parts = [HEAD]
    for module, title in (
        (mailstack.sandbox.simulation, "The simulated internet"),
        (mailstack.sandbox.faults, "Faults"),
    ):
        parts += [f"## {title}\n", _prose(inspect.getdoc(module) or "")]
        names = sorted(module.__all__, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
        parts += [_told(module, name) for name in names]
    return "\n".join(parts)


def _told(module: ModuleType, name: str) -> str:
    thing: Any = getattr(module, name)
    if inspect.isfunction(thing):
        return f"### {name}\n\n`{name}{_arguments(_definition(thing).args)}`\n\n{_prose(inspect.getdoc(thing) or '')}"
    lines = [f"### {name}\n", _prose(inspect.getdoc(thing) or "")]
    definition = _definition(thing)
    assert isinstance(definition, ast.ClassDef)
    points = list(_points(definition, methods=name not in REACTOR))
    return "\n".join([*lines, *points, ""] if points else lines)


def _definition(thing: Any) -> Any:
    """Its part of the syntax tree of its module."""
    tree = ast.parse(Path(inspect.getsourcefile(thing) or "").read_text())
    return next(node for node in ast.walk(tree) if getattr(node, "name", None) == thing.__name__)


def _points(definition: ast.ClassDef, *, methods: bool) -> Iterator[str]:
    """A line for each attribute that is explained, and for each method."""
    yield from _attributes(definition.body)
    for node in definition.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name == "__init__":
            if text := ast.get_docstring(node):
                yield f"* `{definition.name}{_arguments(node.args)}`: {_line(text)}"
            yield from _attributes(node.body)
        elif methods and not node.name.startswith("_") and (text := ast.get_docstring(node)):
            is_property = any(ast.unparse(each) == "property" for each in node.decorator_list)
            awaited = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
            yield f"* `{awaited}.{node.name}{'' if is_property else _arguments(node.args)}`: {_line(text)}"


def _attributes(body: list[ast.stmt]) -> Iterator[str]:
    for node, after in pairwise(body):
        if not (
            isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
        ):
            continue
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        name = getattr(target, "attr", None) or getattr(target, "id", None)
        if name is not None and not name.startswith("_"):
            yield f"* `.{name}`: {_line(after.value.value)}"


def _arguments(given: ast.arguments) -> str:
    """As a caller sees them: without self and types."""
    plain = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [*[None] * (len(plain) - len(given.defaults)), *given.defaults]
    words = [_argument(one, default) for one, default in zip(plain, defaults, strict=True) if one.arg != "self"]
    words += [f"*{given.vararg.arg}"] if given.vararg else ["*"] if given.kwonlyargs else []
    words += [_argument(one, default) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    words += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return f"({', '.join(words)})"


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    return one.arg if default is None else f"{one.arg}={ast.unparse(default)}"


def _line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())


def _prose(text: str) -> str:
    """A docstring with its examples as code."""
    blocks: list[str] = []
    for block in text.split("\n\n"):
        if not block.startswith("    "):
            blocks.append(" ".join(block.split()))
        elif blocks and blocks[-1].endswith("\n```"):
            blocks[-1] = f"{blocks[-1][:-4]}\n\n{inspect.cleandoc(block)}\n```"
        else:
            blocks.append(f"```python\n{inspect.cleandoc(block)}\n```")
    return "\n\n".join(blocks) + "\n"
