"""Commands `mailstack fault` and `clock` of a dev environment, by its HTTP API."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import click

from mailstack.cli.fault_fields import FaultCommand, parse_rule
from mailstack.cli.output import CommandError, confirm
from mailstack.cli.output import yes as yes_option
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import read_duration

TIMEOUT_S = 600.0
"""Seconds for an answer; ten years of retries may take a while."""


def request(target: TargetServer, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """JSON answer of the HTTP API of a dev environment. Raises CommandError with its `detail`."""
    web = target.facts.get("web")
    if not web:
        raise CommandError("the dev environment is not running; start one with `mailstack dev`")
    octets = None if body is None else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", **_login(target.facts.get("login"))}
    request = Request(f"{str(web).rstrip('/')}{path}", octets, fields, method=method)  # noqa: S310 - our own environment's
    # The environment is on this machine: no proxy is needed.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise CommandError(_detail(error.read(65536)) or f"{path}: {error.reason}") from None
    except (URLError, OSError, ValueError) as error:
        raise CommandError(f"{web} does not answer: {getattr(error, 'reason', error)}") from None


def _login(login: Mapping[str, str] | None) -> dict[str, str]:
    """Header field of Basic authentication (RFC 7617)."""
    if not login:
        return {}
    credentials = b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


def _detail(octets: bytes) -> str:
    try:
        return str(json.loads(octets)["detail"]).removeprefix("Invalid request body: ")
    except (ValueError, KeyError, TypeError):
        return ""


@click.group()
def fault() -> None:
    """Inject faults into a running dev environment: refusals, delays, broken connections, full disks.

    \b
    Example:
      mailstack fault add at=rcpt 'recipient=*@elsewhere.test' 'reply=452 4.2.2 mailbox full' times=2
      mailstack fault add at=final drop=before
      mailstack fault list
      mailstack fault clear --yes
    """


@fault.command(cls=FaultCommand)
@click.argument("settings", metavar="NAME=VALUE…", nargs=-1, required=True)
@with_target
def add(target: TargetServer, settings: tuple[str, ...]) -> None:
    """Inject a fault, and print its id.

    A rule has a step, any conditions, and at least one effect that is possible at the step. A pattern may have * and ?.

    \b
    Example:
      mailstack fault add at=rcpt 'recipient=*@elsewhere.test' 'reply=452 4.2.2 mailbox full' times=2
      mailstack fault add at=ehlo service=mx without=STARTTLS
      mailstack fault add at=dns name=elsewhere.test answer=servfail
      mailstack fault add at=imap.append folder=Sent 'reply=NO [OVERQUOTA] full' times=1
    """
    made = request(target, "POST", "/v1/faults", parse_rule(settings))
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
@yes_option
@with_target
def clear(target: TargetServer, ids: tuple[str, ...], yes: bool) -> None:
    """Remove the faults with these ids, or all of them.

    Without an id, the command asks first. In a script, give --yes.

    \b
    Example:
      mailstack fault clear f1
      mailstack fault clear --yes
    """
    active = {rule["id"] for rule in request(target, "GET", "/v1/faults")["faults"]}
    if active and not ids and not yes:
        confirm(f"Remove {'the only fault' if len(active) == 1 else f'all {len(active)} faults'}?")
    if unknown := [each for each in ids if each not in active]:
        raise CommandError(f"there is no fault {unknown[0]}; `mailstack fault list` lists them")
    paths = [f"/v1/faults/{quote(each, safe='')}" for each in dict.fromkeys(ids)] or ["/v1/faults"]
    ended = sum(request(target, "DELETE", path)["cleared"] for path in paths)
    click.echo(f"removed: {ended}" if ended else "no faults are active")


def _line(rule: dict[str, Any]) -> str:
    fields = {name: value for name, value in rule.items() if name not in {"id", "fired"}}
    words = " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items()
    )
    return f"{rule['id']:<8}  {rule['fired']:>5} times  {words}"


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
    try:
        read_duration(span)
    except ValueError as error:
        raise CommandError(f"{span}: expected {error}") from None
    _print_clock(request(target, "POST", "/v1/clock", {"advance": span}), as_json=as_json)


def _print_clock(clock: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(clock))
    else:
        hours, minutes = divmod(round(clock["ahead"] / 60), 60)
        ahead = f"{hours} h {minutes} min ahead" if clock["ahead"] >= 1 else "same as this machine"
        click.echo(f"{clock['now']}  ({ahead})")
