"""Parameter types for paths and stores; an empty one, as of an unset shell variable, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

EMPTY = "is empty; is a shell variable not set?"


class PathType(click.Path):
    """As `click.Path`, but that it gives a Path, and that "" does not name the current directory."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class StoreType(click.ParamType[str]):
    """A data directory, or a postgresql:// URL."""

    name = "store"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return str(value)
