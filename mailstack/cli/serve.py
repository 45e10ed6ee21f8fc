"""`mailstack serve`: the mail server of a configuration file, in the foreground."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from mailstack.cli.output import CommandError
from mailstack.cli.target import config_file


@click.command()
@config_file
def serve(file: Path) -> None:
    """Run the mail server of FILE until Ctrl-C or SIGTERM.

    The same as `twistd -n mailstack -c FILE`. Its log goes to standard output: one line for each step of a message.

    \b
    Example:
      mailstack check -c /etc/mailstack/mailstack.toml
      mailstack serve -c /etc/mailstack/mailstack.toml
    """
    from mailstack.net.process import defer

    # Before the slow imports.
    defer()
    from mailstack.config import ConfigError, load

    try:
        settings = load(file, os.environ)
    except ConfigError as error:
        raise CommandError(str(error)) from error

    from twisted.internet import reactor

    from mailstack.net.log import log_to
    from mailstack.net.thread_pool import limit_shutdown_time
    from mailstack.server.service import CannotStart, MailService

    failures: list[CannotStart] = []

    def failed(why: CannotStart) -> None:
        failures.append(why)
        reactor.callWhenRunning(reactor.stop)

    log_to(sys.stdout, settings.log.level)
    limit_shutdown_time(reactor)
    service: Any
    reread = partial(load, file.absolute(), os.environ)
    if settings.workers.count > 1:
        # Only a server with workers pays for their master.
        from mailstack.server.workers.master import MasterService

        service = MasterService(reactor, settings, sys.stdout, failed, output=sys.stdout.fileno(), reread=reread)
    else:
        service = MailService(reactor, settings, sys.stdout, failed, reread=reread)
    service.privilegedStartService()
    if not failures:
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        reactor.run()
    if failures:
        raise CommandError(str(failures[0]))
