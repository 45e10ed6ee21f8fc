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
from mailstack.cli.lazy_group import load
from mailstack.cli.output import CommandError
from mailstack.net.clock import ReactorClock
from mailstack.net.log import LineJournal, SilentJournal, log_to
from mailstack.net.process import raise_limit
from mailstack.net.reactor_patches import freeze_startup_objects
from mailstack.net.thread_pool import limit_shutdown_time
from mailstack.sandbox.dev import DevEnvironment, DevSettings
from mailstack.sandbox.faults import Fault

_DESCRIPTIONS = {
    "capture": "accepts any message, no login",
    "captures": "accepts any message, no login, TLS",
    "submission": "send, with STARTTLS and login",
    "submissions": "send, with TLS and login",
    "pop3": "read, with STLS and login",
    "pop3s": "read, with TLS and login",
    "imap": "read and file, with STARTTLS and login",
    "imaps": "read and file, with TLS and login",
    "web": "inbox, HTTP API, client setup",
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
        settings = _compat_settings(compat, settings, options)
    _run(settings, as_json=as_json, quiet=quiet)


def _compat_settings(peer: str, settings: DevSettings, options: tuple[str, ...]) -> DevSettings:
    """Settings from another tool's options; reports unsupported ones on standard error."""
    overrides = load("mailstack.cli.compat:overrides_for")(peer, settings, options, os.environ)
    given = click.get_current_context().get_parameter_source("port_base")
    settings = overrides.settings(own_ports=given is not ParameterSource.DEFAULT)
    for line in overrides.messages:
        click.echo(f"mailstack: {line}", err=True)
    return settings


def register(environment: DevEnvironment) -> None:
    """Registers an environment and its clock for other commands. Raises RegistryError."""

    def update() -> None:
        # The clock has advanced even if the registry is not writable.
        with suppress(registry.RegistryError):
            registry.register(environment.data, _for_commands(environment))

    registry.register(environment.data, _for_commands(environment))
    environment.travel.on_advanced.append(update)


def _for_commands(environment: DevEnvironment) -> dict[str, Any]:
    """Registry entry: facts of the environment, and the login for its whole API."""
    name, password = environment.accounts.login
    return {**environment.facts(), "login": {"username": name, "password": password}}


def _run(settings: DevSettings, *, as_json: bool, quiet: bool) -> None:
    from twisted.internet import reactor as installed

    reactor: Any = installed
    log_to(sys.stderr, "warn")
    limit_shutdown_time(reactor)
    raise_limit()
    environment = DevEnvironment(
        reactor, settings, SilentJournal() if quiet else LineJournal(sys.stderr, ReactorClock(reactor))
    )
    failures: list[str] = []

    async def begin() -> None:
        await environment.start()
        register(environment)
        facts = environment.facts()
        click.echo(json.dumps(facts) if as_json else _welcome(environment, facts))
        sys.stdout.flush()
        freeze_startup_objects()

    def failed(failure: Any) -> None:
        failures.append(_start_error(failure.value, settings))
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


def _start_error(error: BaseException, settings: DevSettings) -> str:
    """Error message for a failed start."""
    if isinstance(error, CannotListenError) and error.interface is not None and isinstance(error.port, int):
        if (pid := _process_on(error.port)) is not None:
            return (
                f"port {error.port} is in use by another `mailstack dev` (process {pid}): use it, stop it, or start this one with"
                " --port-base N or --port-base 0"
            )
        cure = "use other ports with --port-base N, or free ports with --port-base 0"
        return f"port {error.port} of {settings.host} is not available ({error.socketError.strerror}); {cure}"
    return str(error) or repr(error)


def _process_on(port: int) -> int | None:
    """Process id of another environment that listens on a port."""
    with suppress(registry.RegistryError):
        for running in registry.running():
            if any(at.get("port") == port for at in running.facts.get("services", {}).values()):
                return running.pid
    return None


def _welcome(environment: DevEnvironment, facts: dict[str, Any]) -> str:
    services, accounts = environment.services, facts["accounts"]
    submission = services["submission"]
    relay = environment.settings.relay
    promise = (
        f"Messages leave this machine only to {relay.host}:{relay.port}." if relay else "Nothing leaves this machine."
    )
    lines = [f"mailstack dev is ready. {promise}", ""]
    if environment.settings.open:
        web = environment.settings.web_host
        lines += [f"  OPEN: each client that reaches {web} reads, sends and deletes all messages without a login.", ""]
    lines += [f"  {name:<12} {at.host}:{at.port:<6} {_DESCRIPTIONS[name]}" for name, at in services.items()]
    lines += [
        "",
        "  accounts     " + ", ".join(f"{each['address']} (password {each['password']})" for each in accounts),
    ]
    lines += [
        "               any other domain: a mailbox with the first message (password: the address)",
        f"  inbox        {facts['web']}",
        f"  CA file      {environment.ca_file}",
        f"  data         {environment.data}",
        "",
        "Try in another terminal:",
        "  mailstack send --to carol@elsewhere.test --subject Hello --body 'Hello Carol'",
        f"  curl --ssl-reqd --cacert {environment.ca_file} smtp://localhost:{submission.port} --user alice:alice \\",
        "    --mail-from alice@home.test --mail-rcpt bob@home.test --mail-rcpt carol@elsewhere.test --crlf -T README.md",
        "  mailstack letters",
        "  mailstack journey ID",
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines)
