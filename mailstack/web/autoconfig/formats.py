"""Steps as plain text, as Markdown and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from mailstack.web.autoconfig.guide import Step

COLUMNS = 100


def as_text(steps: Iterable[Step]) -> str:
    """Numbered, for a terminal."""
    return "\n".join(_text(number, step) for number, step in enumerate(steps, 1))


def _text(number: int, step: Step) -> str:
    lines = textwrap.wrap(f"{number}. {step.say}", COLUMNS, subsequent_indent="   ")
    width = max((len(name) for name, _ in step.values), default=0)
    lines += [f"     {name:<{width}}  {value}" for name, value in step.values]
    if step.file:
        lines.append(f"   {step.file}:")
    lines += [f"     {line}" for line in step.text.splitlines()]
    return "\n".join(lines) + "\n"


def as_markdown(steps: Iterable[Step]) -> str:
    """Numbered, for a document."""
    return "\n".join(_markdown(number, step) for number, step in enumerate(steps, 1))


def _markdown(number: int, step: Step) -> str:
    lines = [f"{number}. {step.say}" + (f" `{step.file}`" if step.file else "")]
    if step.values:
        lines += ["", *(f"   * {name}: `{value}`" for name, value in step.values)]
    if step.text:
        lines += ["", "   ```text", *(f"   {line}" for line in step.text.splitlines()), "   ```"]
    return "\n".join(lines) + "\n"


def as_json(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """What programs get."""
    return [
        {"say": step.say, "values": dict(step.values), **({"file": step.file, "text": step.text} if step.text else {})}
        for step in steps
    ]
