"""Command `mailstack clock`: time of a dev environment."""

from __future__ import annotations

import json
from typing import Any

import click

from mailstack.cli.http_api import request
from mailstack.cli.target import TargetServer, with_target


@click.group()
def clock() -> None:
    """Show or advance the clock of a running dev environment: days of retries happen now.

    \b
    Example:
      mailstack clock advance 5d
    """


@clock.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_target
def show(target: TargetServer, *, as_json: bool) -> None:
    """Show the time of the dev environment.

    \b
    Example:
      mailstack clock show
    """
    _print_clock(request(target, "GET", "/v1/clock"), as_json=as_json)


@clock.command()
@click.argument("span")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_target
def advance(target: TargetServer, span: str, *, as_json: bool) -> None:
    """Advance the clock by SPAN; everything due by then happens now.

    SPAN is 90s, 1h, 5d …; connections stay open.

    \b
    Example:
      mailstack clock advance 5d
    """
    _print_clock(request(target, "POST", "/v1/clock", {"advance": span}), as_json=as_json)


def _print_clock(clock: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(clock))
    else:
        hours, minutes = divmod(round(clock["ahead"] / 60), 60)
        ahead = f"{hours} h {minutes} min ahead" if clock["ahead"] >= 1 else "same as this machine"
        click.echo(f"{clock['now']}  ({ahead})")
