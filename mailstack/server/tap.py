"""Twisted plugin: options and service of `twistd mailstack`.

Nearly everything is loaded by what needs it: until a hangup is expected it would end twistd.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import atexit
import io
import os
import pwd
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python import usage

from mailstack.net.process import defer

if TYPE_CHECKING:
    from mailstack.server.service import CannotStart, ServiceUser

_log = Logger()


class Options(usage.Options):
    """`twistd mailstack -c FILE`."""

    synopsis = "[-c FILE]"
    optParameters = [  # noqa: N815, RUF012 - Twisted's name and form
        ["config", "c", None, "The configuration file (or MAILSTACK_CONFIG); see etc/mailstack.toml."]
    ]
    longdesc = "The mail server of a configuration file: submission, queue, relay, MX, mailboxes and POP3."

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        defer()

    def postOptions(self) -> None:  # noqa: N802 - Twisted's name
        from mailstack.config import ConfigError, load

        file = self["config"] or os.environ.get("MAILSTACK_CONFIG")
        if not file:
            raise usage.UsageError("-c FILE is required; etc/mailstack.toml lists all settings")
        try:
            # twistd changes its directory when it becomes a daemon.
            self["reread"] = partial(load, Path(file).absolute(), os.environ)
            self["server"] = self["reread"]()
        except ConfigError as error:
            raise usage.UsageError(str(error)) from error


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """The server as a Twisted service."""
    from twisted.internet import reactor

    from mailstack.net.log import forward_stdlib_logging
    from mailstack.net.thread_pool import limit_shutdown_time
    from mailstack.server.service import MailService

    config, reread = options["server"], options["reread"]
    forward_stdlib_logging(config.log.level)
    limit_shutdown_time(reactor)
    if config.workers.count > 1:
        # Only a server with workers pays for their master.
        from mailstack.server.workers.master import MasterService

        return MasterService(reactor, config, _ToTwistedLog(), _cannot_start, _owner(options), reread=reread)
    return MailService(reactor, config, _ToTwistedLog(), _cannot_start, _owner(options), reread=reread)


def _owner(options: Options) -> ServiceUser | None:
    """User and group of twistd once the ports are bound: `--uid` and `--gid`."""
    from mailstack.server.service import ServiceUser

    above: Mapping[str, Any] = options.parent or {}
    uid, gid = above.get("uid"), above.get("gid")
    if uid is None:
        return None if gid is None else ServiceUser(gid=gid)
    return ServiceUser(uid, pwd.getpwuid(uid).pw_gid if gid is None else gid)


class _ToTwistedLog(io.TextIOBase):
    """Write the steps of letters to the log of twistd."""

    def write(self, lines: str) -> int:
        for line in lines.splitlines():
            # The log of twistd has its own timestamps.
            _log.info("{line}", line=line.partition(" ")[2])
        return len(lines)


def _cannot_start(error: CannotStart) -> None:
    """End twistd with the reason on its log and exit status 1."""
    _log.critical("{why}", why=str(error))
    from twisted.internet import reactor

    running: Any = reactor
    if not running.running:
        sys.exit(f"mailstack: {error}")
    # The reactor catches all exceptions, and twistd would exit with status 0.
    atexit.register(_exit_with_1)
    running.stop()


def _exit_with_1() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
