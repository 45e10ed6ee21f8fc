"""Overrides of the settings of `mailstack dev` by the options of another tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mailstack.accounts.checker import parse_passwords
from mailstack.cli.output import CommandError
from mailstack.config.values import read_origin
from mailstack.letter.envelope import HostPort
from mailstack.letter.times import read_duration
from mailstack.relay.external_relay import is_loopback
from mailstack.sandbox.dev import PORTS, DevSettings

MAX_LOGIN_FILE = 1_000_000
"""Maximum characters of a file of logins."""


class DevOverrides:
    """Overrides, filled option by option. Methods raise CommandError for invalid values."""

    def __init__(self, peer: str, settings: DevSettings) -> None:
        self.peer = peer
        self.said: list[str] = []
        """Lines for the user: options that are not supported, and letters that leave the machine."""
        self.at: dict[str, HostPort] = {}
        """Addresses of services."""
        self.told: set[str] = set()
        """Services with an address from an option."""
        self.accounts: list[tuple[str, str]] = []
        """Addresses and passwords of more accounts."""
        self.login_names: dict[str, str] = {}
        """Addresses of accounts by login name."""
        self.relay: dict[str, Any] = {}
        """Fields of relay.Relay."""
        self.relayed: dict[str, str] = {}
        """Patterns of the recipients of captured letters that leave, by option; "" for all."""
        self.any_login = False
        """Whether an option asked for any login to be accepted."""
        self._changes: dict[str, Any] = {}
        self._settings = settings

    def settings(self, *, own_ports: bool) -> DevSettings:
        """Settings with the overrides.

        `own_ports`: services that the tool lacks have mailstack's usual ports, else free ones.
        """
        rest = {} if own_ports else {name: self.local(0) for name in PORTS}
        web = self.at["web"].host if "web" in self.at else self._settings.host
        if not is_loopback(web) and not self._settings.open and not self.asks("web_logins"):
            self.said.append(f"the pages listen on {web}: log in with the address and password of an account")
        return replace(
            self._settings,
            compat=self.peer,
            at={**rest, **self.at},
            users=tuple(self.accounts),
            login_names=self.login_names,
            web_hosts=(*self._settings.web_hosts, self.peer),
            **self._changes,
        )

    def set(self, **changes: Any) -> None:
        """Sets fields of DevSettings."""
        self._changes.update(changes)

    def asks(self, setting: str) -> bool:
        """Whether a field of DevSettings was set."""
        return bool(self._changes.get(setting))

    def not_supported(self, option: str, advice: str) -> None:
        """Reports an option that is not supported, with what to use instead."""
        self.said.append(f"{option} is not supported: {advice}")

    def local(self, port: int) -> HostPort:
        """Port of the host that mailstack's own --host names."""
        return HostPort(self._settings.host, port)

    def listen(self, option: str, text: str, service: str, usual: int) -> None:
        """Sets the address of a service: "[::]:1025", "0.0.0.0:1025", ":1025" or "1025"."""
        host, _, port = text.rpartition(":")
        everywhere = "::" if host == "[::]" else "0.0.0.0"  # noqa: S104 - the user asked for it
        host = everywhere if text.startswith(":") or host == "[::]" else host.strip("[]") or self._settings.host
        if text.startswith("unix:") or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise CommandError(f"{option}: {text!r} is not an address such as 127.0.0.1:{usual}")
        self.at[service] = HostPort("127.0.0.1" if host == "localhost" else host, int(port))
        self.told.add(service)

    def logins(self, option: str, text: str, field: str) -> None:
        """Sets logins that are separated by spaces, as variables have them."""
        try:
            self.set(**{field: parse_passwords("\n".join(text.split()))})
        except ValueError as error:
            raise CommandError(f"{option}: {error}") from None

    def login_file(self, option: str, path: str, field: str) -> None:
        """Sets the logins of a file, one a line."""
        try:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(MAX_LOGIN_FILE + 1)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
            raise CommandError(f"{option}: {path}: {reason}") from None
        if len(text) > MAX_LOGIN_FILE:
            raise CommandError(f"{option}: {path}: more than {MAX_LOGIN_FILE} characters; name a smaller file")
        try:
            self.set(**{field: parse_passwords(text)})
        except ValueError as error:
            raise CommandError(f"{option}: {error}") from None

    def allow_origins(self, option: str, text: str) -> None:
        """Sets the origins, separated by commas, that may call the API."""
        if "*" in text:
            self.not_supported(
                option, "name the origins, as http://localhost:3000; not every page may read your letters"
            )
            return
        try:
            self.set(cors=tuple(read_origin(each.strip()) for each in text.split(",") if each.strip()))
        except ValueError as error:
            raise CommandError(f"{option}: {text!r} is not {error}") from error

    @staticmethod
    def number(option: str, text: str, least: int = 0) -> int:
        """Integer from `least` on."""
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise CommandError(f"{option}: {text!r} is not a number from {least}")
        return int(text)

    @staticmethod
    def duration(option: str, text: str) -> float | None:
        """Seconds of "3d" or "12h"; None for 0."""
        try:
            return read_duration(text) or None
        except ValueError as error:
            raise CommandError(f"{option}: {text!r} is not {error}") from error

    @staticmethod
    def pattern(option: str, text: str) -> str:
        """Regular expression."""
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise CommandError(f"{option}: {text[:100]!r} is not a regular expression: {error}") from None
        return text
