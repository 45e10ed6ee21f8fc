"""Lazy registry of commands: click groups, option callbacks and shell completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            similar = load("difflib:get_close_matches")(name, self.list_commands(ctx), n=2)
            hint = f" Did you mean {' or '.join(f'`{each}`' for each in similar)}?" if similar else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completions of a command name or option, without an import of the commands."""
        names = [
            CompletionItem(name, help=text) for name, (_, text) in self._lazy.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = [(name, self.commands[name].get_short_help_str(limit=100)) for name in super().list_commands(ctx)]
        lines += [(name, text) for name, (_, text) in self._lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(lines)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options of mailstack in a shell.

    It is for the start-up file of the shell: ~/.bashrc, ~/.zshrc, or ~/.config/fish/completions/mailstack.fish.

    \b
    Example:
      echo 'eval "$(mailstack completion bash)"' >> ~/.bashrc
      mailstack completion fish > ~/.config/fish/completions/mailstack.fish
    """
    script = get_completion_class(shell)
    assert script is not None, "click completes these shells"
    click.echo(script(click.get_current_context().find_root().command, {}, "mailstack", "_MAILSTACK_COMPLETE").source())
