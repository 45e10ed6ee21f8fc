"""Dev environment runner: settings, registration, start and welcome text."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import click
from click.core import ParameterSource
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from mailstack.cli import registry
from mailstack.cli.errors import CommandError
from mailstack.cli.lazy_group import load
from mailstack.net.clock import ReactorClock
from mailstack.net.log import LineJournal, SilentJournal, log_to
from mailstack.net.open_files import raise_limit
from mailstack.net.reactor_patches import freeze_startup_objects
from mailstack.net.thread_pool import end_in_time
from mailstack.sandbox.dev import DevEnvironment, DevSettings
from mailstack.sandbox.faults import Fault

_SECURITY = {
    "capture": "takes any letter, no login",
    "captures": "takes any letter, no login: TLS",
    "submission": "send: STARTTLS + login",
    "submissions": "send: TLS + login",
    "pop3": "read: STLS + login",
    "pop3s": "read: TLS + login",
    "web": "the inbox, the HTTP API, how to set clients up",
}


def run_command(
    *,
    faults: tuple[Fault, ...] | None,
    compat: str | None,
    options: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Runs an environment until a signal ends it; `given` has the fields of DevSettings. Raises CommandError."""
    if options and compat is None:
        raise click.UsageError(f"No such option: {options[0]} (those of other tools need --compat)")
    settings = DevSettings(faults=faults or (), **given)
    if compat is not None:
        settings = _in_place_of(compat, settings, options)
    _run(settings, as_json=as_json, quiet=quiet)


def _in_place_of(peer: str, settings: DevSettings, options: tuple[str, ...]) -> DevSettings:
    """Settings as another tool's options ask for; what is not supported is reported on standard error."""
    overrides = load("mailstack.cli.compat:overrides_for")(peer, settings, options, os.environ)
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
