"""`mailstack dev`: the local mail environment, in the foreground."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mailstack.cli import registry
from mailstack.cli.errors import CommandError
from mailstack.cli.paths import PathType

if TYPE_CHECKING:
    from mailstack.sandbox.dev import DevEnvironment, DevSettings
    from mailstack.sandbox.faults import Rule
    from mailstack.web.checks.spam_filter import SpamFilter

_SECURITY = {
    "capture": "takes any letter, no login",
    "captures": "takes any letter, no login: TLS",
    "submission": "send: STARTTLS + login",
    "submissions": "send: TLS + login",
    "pop3": "read: STLS + login",
    "pop3s": "read: TLS + login",
    "web": "the inbox, the HTTP API, how to set clients up",
}


def _duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """Seconds."""
    from mailstack.letter.durations import read_duration

    if value is None:
        return None
    try:
        return read_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _rules(_context: click.Context, _option: click.Parameter, file: Path | None) -> tuple[Rule, ...]:
    """The rules of a file."""
    if file is None:
        return ()
    from mailstack.sandbox.faults.file import read_json_rules, read_rules

    try:
        read = read_json_rules if file.suffix == ".json" else read_rules
        return read(file.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise click.BadParameter(f"{file}: {why}") from None


def _spam_filter(_context: click.Context, _option: click.Parameter, value: str | None) -> SpamFilter | None:
    """Where it is."""
    if value is None:
        return None
    from mailstack.web.checks.spam_filter import parse_filter

    try:
        return parse_filter(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class _Dev(click.Command):
    """Takes the options of other tools as they write them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """-Dname and -name are words, and no cluster of short options such as -h."""
        return super().parse_args(ctx, ["-" + word if _WORD.match(word) else word for word in args])


_WORD = re.compile(r"-[A-Za-z][A-Za-z.-]")


@click.command(cls=_Dev, context_settings={"ignore_unknown_options": True})
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port-base", metavar="N", type=click.IntRange(0, 58000), default=1000, show_default=True,
              help="Ports are N+25, N+587 …; 0 takes a free port for each.")  # fmt: skip
@click.option("--data", metavar="DIR", type=PathType(file_okay=False), envvar="MAILSTACK_DATA",
              help="Keep letters in DIR; without it nothing remains (or MAILSTACK_DATA).")  # fmt: skip
@click.option("--max-letters", metavar="N", type=click.IntRange(min=1), help="Keep only the newest N letters.")
@click.option("--max-age", metavar="TIME", callback=_duration, help="Keep letters for so long, as 12h or 3d.")
@click.option("--any-password", is_flag=True, help="Mailboxes of other domains open to every password.")
@click.option("--weak-mechanisms", is_flag=True, help="Offer CRAM-MD5 and APOP as well, for old clients.")
@click.option("--scram", is_flag=True, help="Offer SCRAM-SHA-256 as well, with and without channel binding.")
@click.option("--strict-newlines", is_flag=True,
              help="The capture port refuses lines that end in LF alone, as other hosts do.")  # fmt: skip
@click.option("--faults", metavar="FILE", callback=_rules, type=PathType(dir_okay=False),
              help="What goes wrong from the start: a TOML file of [[fault]] tables, or rules in JSON.")  # fmt: skip
@click.option("--magic-recipients", is_flag=True,
              help="Addresses such as temperror@elsewhere.test say themselves what goes wrong.")  # fmt: skip
@click.option("--spam-filter", metavar="FILTER", callback=_spam_filter,
              help="Ask it for spam scores: spamassassin:127.0.0.1:783, rspamd:http://127.0.0.1:11333.")  # fmt: skip
@click.option("--web-host", "web_hosts", metavar="NAME", multiple=True, help="A name that the pages answer to as well.")
@click.option("--compat", metavar="TOOL", type=click.Choice(["mailpit", "mailhog", "greenmail"]),
              help="Take the place of mailpit, mailhog or greenmail: their ports, variables and options.")  # fmt: skip
@click.argument("options", metavar="[TOOL'S OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--json", "as_json", is_flag=True, help="Say what runs where as one JSON object, on the first line.")
@click.option("--quiet", "-q", is_flag=True, help="No log of the letters' steps on standard error.")
def dev(
    *,
    host: str,
    port_base: int,
    data: Path | None,
    max_letters: int | None,
    max_age: float | None,
    any_password: bool,
    weak_mechanisms: bool,
    scram: bool,
    strict_newlines: bool,
    faults: tuple[Rule, ...],
    magic_recipients: bool,
    spam_filter: SpamFilter | None,
    web_hosts: tuple[str, ...],
    compat: str | None,
    options: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a whole mail environment here, with nothing to configure.

    Your own office (home.test, accounts alice and bob) and one for the rest of the world, which opens a mailbox for
    every address that gets a letter. Letters really travel from one to the other, and none ever leaves this machine.

    \b
    Example:
      mailstack dev                     then, elsewhere:
      mailstack send --to carol@elsewhere.test --subject Hello
      mailstack letters
      mailstack dev --compat mailpit --smtp 127.0.0.1:2025 --max 100
    """
    from mailstack.sandbox.dev import DevSettings

    if options and compat is None:
        raise click.UsageError(f"No such option: {options[0]} (those of other tools need --compat)")

    settings = DevSettings(
        host=host,
        port_base=port_base,
        data=data,
        any_password=any_password,
        weak_mechanisms=weak_mechanisms,
        scram=scram,
        strict_newlines=strict_newlines,
        max_letters=max_letters,
        max_age=max_age,
        faults=faults,
        magic_recipients=magic_recipients,
        spam_filter=spam_filter,
        web_hosts=web_hosts,
    )
    if compat is not None:
        settings = _in_place_of(compat, settings, options)
    _run(settings, as_json=as_json, quiet=quiet)


def _in_place_of(peer: str, settings: DevSettings, options: tuple[str, ...]) -> DevSettings:
    """Settings as another tool's options ask for; what is not supported is reported on standard error."""
    from mailstack.cli.compat import overrides_for

    overrides = overrides_for(peer, settings, options, os.environ)
    given = click.get_current_context().get_parameter_source("port_base")
    settings = overrides.settings(own_ports=given is not ParameterSource.DEFAULT)
    for line in overrides.said:
        click.echo(f"mailstack: {line}", err=True)
    return settings


def enlist(environment: DevEnvironment) -> None:
    """Have commands find it, and know its time. Raises RegistryError."""

    def tell() -> None:
        # Who moved the time has moved it, also where that can't be written down.
        with suppress(registry.RegistryError):
            registry.register(environment.data, _for_commands(environment))

    registry.register(environment.data, _for_commands(environment))
    environment.travel.arrived.append(tell)


def _for_commands(environment: DevEnvironment) -> dict[str, Any]:
    """What commands of this user know of it: with the login by which they may do all."""
    name, password = environment.accounts.login
    return {**environment.facts(), "login": {"username": name, "password": password}}


def _run(settings: DevSettings, *, as_json: bool, quiet: bool) -> None:
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    from mailstack.net.clock import ReactorClock
    from mailstack.net.log import LineJournal, SilentJournal, log_to
    from mailstack.net.open_files import raise_limit
    from mailstack.net.reactor_patches import freeze_startup_objects
    from mailstack.net.thread_pool import end_in_time
    from mailstack.sandbox.dev import DevEnvironment

    reactor: Any = installed
    log_to(sys.stderr, "warn")
    end_in_time(reactor)
    raise_limit()
    environment = DevEnvironment(
        reactor, settings, SilentJournal() if quiet else LineJournal(sys.stderr, ReactorClock(reactor))
    )
    failures: list[str] = []

    async def begin() -> None:
        await environment.start()
        enlist(environment)
        facts = environment.facts()
        click.echo(json.dumps(facts) if as_json else _welcome(environment, facts))
        sys.stdout.flush()
        freeze_startup_objects()

    def failed(failure: Any) -> None:
        failures.append(_why(failure.value, settings))
        if reactor.running:
            reactor.stop()

    def end() -> Deferred[None]:
        registry.unregister()
        return Deferred.fromCoroutine(environment.stop())

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()).addErrback(failed))
    reactor.addSystemEventTrigger("before", "shutdown", end)
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))
    reactor.run()
    if failures:
        raise CommandError(failures[0])


def _why(error: BaseException, settings: DevSettings) -> str:
    """A failed start, for people."""
    from twisted.internet.error import CannotListenError

    if isinstance(error, CannotListenError) and error.interface is not None and isinstance(error.port, int):
        if (pid := _holder(error.port)) is not None:
            return (
                f"another `mailstack dev` of yours, process {pid}, has port {error.port}: use that one, end it, or give"
                " this one --port-base N or --port-base 0"
            )
        cure = "choose others with --port-base N, or --port-base 0 for free ones"
        return f"port {error.port} of {settings.host} can't be had ({error.socketError.strerror}); {cure}"
    return str(error) or repr(error)


def _holder(port: int) -> int | None:
    """The process of another environment that listens there."""
    with suppress(registry.RegistryError):
        for running in registry.running():
            if any(at.get("port") == port for at in running.facts.get("services", {}).values()):
                return running.pid
    return None


def _welcome(environment: DevEnvironment, facts: dict[str, Any]) -> str:
    services, accounts = environment.services, facts["accounts"]
    submission = services["submission"]
    relay = environment.settings.relay
    kept = (
        f"Letters leave this machine to {relay.host}:{relay.port} alone." if relay else "Nothing leaves this machine."
    )
    lines = [f"mailstack dev is ready. {kept}", ""]
    lines += [f"  {name:<12} {at.host}:{at.port:<6} {_SECURITY[name]}" for name, at in services.items()]
    lines += [
        "",
        "  accounts     " + ", ".join(f"{each['address']} (password {each['password']})" for each in accounts),
    ]
    lines += [
        "               every other address has a mailbox from its first letter on (password: the address)",
        f"  inbox        {facts['web']}",
        f"  CA file      {environment.ca_file}",
        f"  data         {environment.data}",
        "",
        "Try, elsewhere:",
        "  mailstack send --to carol@elsewhere.test --subject Hello --body 'Hello Carol'",
        f"  curl --ssl-reqd --cacert {environment.ca_file} smtp://localhost:{submission.port} --user alice:alice \\",
        "    --mail-from alice@home.test --mail-rcpt bob@home.test --mail-rcpt carol@elsewhere.test --crlf -T README.md",
        "  mailstack letters",
        "  mailstack journey ID",
        "",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)
