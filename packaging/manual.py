"""Manual page mailstack(1), in roff, from the help texts of all commands.

    python packaging/manual.py > mailstack.1

It imports the installed mailstack. SOURCE_DATE_EPOCH sets the date of the page.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

import click

import mailstack
from mailstack.cli import main

NAME = "mail server that shows the whole journey of every message"


def escaped(text: str) -> str:
    """Text without characters that roff interprets."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def paragraphs(text: str) -> Iterator[str]:
    """Lines of roff for a help text. Indented blocks, and those behind click's mark, keep their lines."""
    for block in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        lines = [line for line in block.split("\n") if line.strip() != "\b"]
        if len(lines) < len(block.split("\n")) or any(line.startswith(" ") for line in lines):
            yield from [".nf", *map(escaped, lines), ".fi"]
        else:
            yield escaped(" ".join(line.strip() for line in lines))


def parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    """Lines of roff for the options of a command, without --help."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or "--help" in parameter.opts:
            continue
        yield from [".TP", rf"\fB{escaped(record[0])}\fP", escaped(record[1]) or "\\&"]


def commands(group: click.Group, context: click.Context) -> Iterator[str]:
    """Lines of roff for each command of a group, and for those of the groups in it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        usage = command.get_usage(inner).removeprefix("Usage: ")
        yield f".SS {escaped(inner.command_path)}"
        yield from [".nf", *(rf"\fB{escaped(line)}\fP" for line in usage.split("\n")), ".fi"]
        yield from paragraphs(command.help or "")
        yield from parameters(command, inner)
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def page(command: click.Group) -> Iterator[str]:
    """Lines of the whole page."""
    context = click.Context(command, info_name="mailstack", terminal_width=100)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    yield f'.TH MAILSTACK 1 "{date}" "mailstack {mailstack.__version__}" "User Commands"'
    yield from [".SH NAME", rf"mailstack \- {NAME}"]
    yield from [".SH SYNOPSIS", r".B mailstack", r"[\fIOPTIONS\fP] \fICOMMAND\fP [\fIARGS\fP]..."]
    yield from [".SH DESCRIPTION", *paragraphs(command.help or "")]
    yield from [".SH OPTIONS", *parameters(command, context)]
    yield from [".SH COMMANDS", *commands(command, context)]
    yield from [".SH EXIT STATUS", "0: success. 1: error, with a line on standard error. 2: wrong usage."]
    yield from [".SH FILES", ".TP", ".I /etc/mailstack/mailstack.toml", "Configuration of the service."]
    yield from [".TP", ".I /var/lib/mailstack", "Messages, accounts, keys and certificates."]


if __name__ == "__main__":
    print("\n".join(page(main)))
