"""Command errors: one line on standard error, exit status 1."""

from __future__ import annotations

from typing import IO, Any

import click

from mailstack.letter.display_text import clean


class CommandError(click.ClickException):
    """Ends a command with status 1 and a one-line message. Wrong usage is click's own error, with status 2."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        line = " ".join(self.format_message().split())
        click.echo(f"mailstack: {clean(line)}", file=file, err=file is None)
