"""What the options of a peer ask of the dev environment, gathered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mailstack.cli.errors import CommandError
from mailstack.config.values import Origin, read_origin
from mailstack.letter.connection import HostPort
from mailstack.letter.durations import read_duration
from mailstack.mailbox.index.tags import TagFilter
from mailstack.relay.loopback import is_loopback
from mailstack.sandbox.dev import PORTS, DevSettings
from mailstack.sandbox.faults.imported_rules import from_mailpit

LONGEST_SOCKET = 100
"""Octets; systems take 103 or 107."""


class DevOverrides:
    """Filled option by option; then `settings`."""

    def __init__(self, peer: str, settings: DevSettings) -> None:
        self.peer = peer
        self.said: list[str] = []
        """Lines for people: what was not honoured, and what to do instead."""
        self.at: dict[str, HostPort] = {}
        self.sockets: dict[str, Path] = {}
        """Unix sockets of services."""
        self.told: set[str] = set()
        """The services whose address was named by an option."""
        self.accounts: list[tuple[str, str]] = []
        self.login_names: dict[str, str] = {}
        """Names of accounts, and their addresses."""
        self.logs_in_by_name = True
        """Whether they may be used."""
        self.triggers: dict[str, dict[str, int]] = {}
        """Mailpit's chaos."""
        self.quiet = False
        self.log: Path | None = None
        """A file for the log, in place of standard error."""
        self.jim: dict[str, float] = {}
        """What MailHog's monkey is told."""
        self.invites_jim = False
        self.tag_filters: list[TagFilter] = []
        self.tagging: dict[str, bool] = {}
        """Where else tags come from: fields of Tagging."""
        self.tls: dict[str, dict[str, str]] = {}
        """Certificate and key of services, as they were named."""
        self.requires_tls: dict[str, str] = {}
        """The options that want TLS at the capture port."""
        self.insecure_login = ""
        """The option that says that passwords may go in clear there."""
        self.anybody_sends = ""
        """The option that says that whoever asks may send by the API."""
        self.servers: dict[str, dict[str, Any]] = {}
        """Those outside: "relay" and "forward", as they were described."""
        self.server_files: dict[str, dict[str, Any]] = {}
        """The same from files, which count more."""
        self.relays: dict[str, str] = {}
        """The options by which letters leave by themselves, and for which recipients; "" for all."""
        self.any_login = ""
        """The option that said that every login is right."""
        self._changes: dict[str, Any] = {}
        self._settings = settings

    def settings(self, *, own_ports: bool) -> DevSettings:
        """What peers don't have listens at the usual ports if these were asked for (`own_ports`), else at free ones."""
        rest = {} if own_ports else {name: HostPort(self._settings.host, 0) for name in PORTS}
        web = self.at["web"].host if "web" in self.at else self._settings.host
        if not is_loopback(web) and not self.asks("web_logins"):
            self.said.append(f"the pages listen on {web}: there they ask for the address and password of an account")
        settings = replace(
            self._settings, compat=self.peer, at={**rest, **self.at}, sockets=self.sockets, users=tuple(self.accounts)
        )
        if self.logs_in_by_name:
            settings = replace(settings, login_names=self.login_names)
        faults = (*settings.faults, *from_mailpit(self.triggers))
        return replace(settings, web_hosts=(*settings.web_hosts, self.peer), faults=faults, **self._changes)

    def set(self, **changes: Any) -> None:
        """Fields of DevSettings."""
        self._changes.update(changes)

    def asks(self, setting: str) -> bool:
        """Whether a field of DevSettings was set."""
        return bool(self._changes.get(setting))

    def listen(self, service: str, option: str, text: str, usual: int) -> None:
        """Where a service listens: "[::]:1025", "0.0.0.0:1025", ":1025", "1025" or "unix:/path". Raises Refused.

        At a socket it listens besides a free port, by which commands find it.
        """
        if text.startswith("unix:"):
            self.sockets[service] = _socket(option, text.removeprefix("unix:"))
            self.at[service] = HostPort(self._settings.host, 0)
            self.told.add(service)
            return
        self.sockets.pop(service, None)
        host, _, port = text.rpartition(":")
        everywhere = "::" if host == "[::]" else "0.0.0.0"  # noqa: S104 - they said so
        host = everywhere if text.startswith(":") or host == "[::]" else host.strip("[]") or self._settings.host
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise CommandError(f"{option}: {text!r} is no address such as 127.0.0.1:{usual}")
        self.at[service] = HostPort("127.0.0.1" if host == "localhost" else host, int(port))
        if option != service:
            self.told.add(service)

    def instead(self, option: str, advice: str) -> None:
        """An option that is not honoured."""
        self.said.append(f"{option} is not honoured: {advice}")

    def number(self, option: str, text: str, least: int = 0) -> int:
        """Raises Refused."""
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise CommandError(f"{option}: {text!r} is no number from {least}")
        return int(text)

    def duration(self, option: str, text: str) -> float | None:
        """Seconds, of "3d" or "12h"; None for none. Raises Refused."""
        try:
            return read_duration(text) or None
        except ValueError as error:
            raise CommandError(f"{option}: {text!r} is not {error}") from error

    def origins(self, option: str, text: str) -> tuple[Origin, ...]:
        """Of pages that may ask, with commas between. Raises Refused."""
        if "*" in text:
            self.instead(option, "name the origins, as http://localhost:3000; not every page may read your letters")
            return ()
        try:
            return tuple(read_origin(each.strip()) for each in text.split(",") if each.strip())
        except ValueError as error:
            raise CommandError(f"{option}: {text!r} is not {error}") from error

    def directory(self, option: str, text: str) -> Path:
        """Where letters are kept; never a file of the peer's. Raises Refused."""
        if "://" in text:
            raise CommandError(f"{option}: letters are kept in a directory of this machine, and not at {text[:60]!r}")
        path = Path(text)
        if path.is_file():
            raise CommandError(
                f"{option}: {path} is a file of {self.peer}'s; mailstack keeps a directory: name a new one"
            )
        return path


def _socket(option: str, text: str) -> Path:
    """Raises Refused."""
    path = Path(text).absolute()
    if not text or not path.parent.is_dir():
        raise CommandError(f"{option}: a socket stands in a directory that is there, as unix:/run/user/1000/mail.sock")
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise CommandError(
            f"{option}: {path} is longer than the {LONGEST_SOCKET} octets that the path of a socket may have"
        )
    if path.exists() and not path.is_socket():
        raise CommandError(f"{option}: {path} is there and no socket; name another one")
    return path
