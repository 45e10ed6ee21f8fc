"""Command `mailstack fault`: fault injection in a dev environment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import click

from mailstack.cli.http_api import request
from mailstack.cli.output import CommandError
from mailstack.cli.target import TargetServer, with_target


@click.group()
def fault() -> None:
    """Inject faults into a running dev environment: refusals, delays, broken connections, full disks.

    \b
    Example:
      mailstack fault add at=rcpt 'recipient=*@elsewhere.test' 'reply=452 4.2.2 mailbox full' times=2
      mailstack fault add at=final drop=before
      mailstack fault list
      mailstack fault clear
    """


@fault.command()
@click.argument("settings", metavar="NAME=VALUE…", nargs=-1, required=True)
@with_target
def add(target: TargetServer, settings: tuple[str, ...]) -> None:
    """Inject a fault, and print its id.

    NAME=VALUE are the fields of a rule.

    \b
    Example:
      mailstack fault add at=rcpt 'recipient=*@elsewhere.test' 'reply=452 4.2.2 mailbox full' times=2
    """
    made = request(target, "POST", "/v1/faults", _rule(settings))
    click.echo(made["id"])


@fault.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
def list_(target: TargetServer, *, as_json: bool) -> None:
    """List the active faults, and how often each fired.

    \b
    Example:
      mailstack fault list --json
    """
    for rule in request(target, "GET", "/v1/faults")["faults"]:
        click.echo(json.dumps(rule) if as_json else _line(rule))


@fault.command()
@click.argument("ids", metavar="[ID]…", nargs=-1)
@with_target
def clear(target: TargetServer, ids: tuple[str, ...]) -> None:
    """Remove the faults with these ids, or all of them.

    \b
    Example:
      mailstack fault clear f1
    """
    paths = [f"/v1/faults/{quote(each, safe='')}" for each in ids] or ["/v1/faults"]
    ended = sum(request(target, "DELETE", path)["cleared"] for path in paths)
    click.echo(f"removed: {ended}" if ended else "no faults are active")


def _rule(settings: Iterable[str]) -> dict[str, Any]:
    """Parses NAME=VALUE; numbers, true, false and lists are JSON, all else is text."""
    rule: dict[str, Any] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise CommandError(f"{each}: expected NAME=VALUE, such as at=rcpt")
        rule[name] = _value(value)
    return rule


def _value(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool | int | float | list) else text


def _line(rule: dict[str, Any]) -> str:
    told = {name: value for name, value in rule.items() if name not in {"id", "fired"}}
    words = " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in told.items())
    return f"{rule['id']:<8}  {rule['fired']:>5} times  {words}"
