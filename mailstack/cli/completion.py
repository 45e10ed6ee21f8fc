"""Command `mailstack completion`: completion scripts for shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mailstack.cli import main

PROGRAM = "mailstack"


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
    click.echo(script(main, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
