"""Lazy registry of commands: click groups and option callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click


def load(name: str) -> Any:
    """Imports an object that is named as "module:attribute"."""
    module, attribute = name.split(":")
    return getattr(import_module(module), attribute)


def lazy_callback(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Returns a callback that parses an option with "module:attribute", and imports nothing without the option.

    A ValueError of the parser is wrong usage.
    """

    def callback(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        try:
            return load(name)(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


class LazyGroup(click.Group):
    """`lazy` gives for each command name where it is ("module:attribute") and its line of help."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = load(self._lazy[cmd_name][0])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = [(name, self.commands[name].get_short_help_str(limit=100)) for name in super().list_commands(ctx)]
        lines += [(name, text) for name, (_, text) in self._lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(lines)
