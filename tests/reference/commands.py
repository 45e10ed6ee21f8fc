"""The generated part of docs/reference/commands.md: help of every command, as the program prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from mailstack.cli import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
MARK = "<!-- Generated from here on, from the commands: python -m tests.reference -->\n"
WIDTH = 100

HOW_TO = {
    "backup": "back-up",
    "dev": "web-inbox",
    "dkim generate": "sign-and-check",
    "dns": "dns",
    "export": "import-and-export",
    "fault add": "faults",
    "folder list": "folders",
    "import": "import-and-export",
    "queue list": "look-after-the-queue",
    "sendmail": "use-as-sendmail",
    "serve": "run-a-server",
    "setup": "clients",
    "store copy": "move-the-store",
    "store verify": "rescue-letters",
    "suppress add": "keep-staging-quiet",
    "tls-report list": "tls-reports",
    "user add": "let-clients-log-in",
    "user quota": "quotas",
    "webhook list": "webhooks",
}
"""Page of docs/howto that explains the use of a command."""


def written() -> str:
    """The whole page: what is written by hand, then the commands."""
    by_hand = DOCUMENT.read_text().partition(MARK)[0]
    context = click.Context(main, info_name="mailstack", terminal_width=WIDTH, **main.context_settings)
    found = list(commands(context))
    parts = [by_hand + MARK, "## All commands\n", "| command | does |", "| --- | --- |"]
    parts += [f"| [`{each.command_path}`](#{_anchor(each)}) | {summary(each)} |" for each in found if _is_leaf(each)]
    parts += ["", *(_section(each) for each in found)]
    return "\n".join(parts)


def commands(group: click.Context) -> Iterator[click.Context]:
    """Context of each command of a group, and of those in the groups of it."""
    assert isinstance(group.command, click.Group)
    for name in sorted(group.command.list_commands(group)):
        command = group.command.get_command(group, name)
        if command is None or command.hidden:
            continue
        context = click.Context(command, info_name=name, parent=group)
        yield context
        if isinstance(command, click.Group):
            yield from commands(context)


def _is_leaf(context: click.Context) -> bool:
    return not isinstance(context.command, click.Group)


def summary(context: click.Context) -> str:
    """First sentence of a command's help."""
    return context.command.get_short_help_str(limit=200).replace("|", r"\|").rstrip(".")


def _anchor(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _section(context: click.Context) -> str:
    guide = HOW_TO.get(context.command_path.partition(" ")[2])
    link = f"\n[How to use it](../howto/{guide}.md)\n" if guide else ""
    return f"### {context.command_path}\n\n```text\n{context.get_help()}\n```\n{link}"
