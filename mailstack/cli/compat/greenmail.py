"""System properties (-Dgreenmail.…) and ports of GreenMail."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailstack.cli.compat.options import DevOverrides, advice_for
from mailstack.cli.output import CommandError
from mailstack.sandbox.dev.accounts import preloads_in

VARIABLES = ("GREENMAIL_OPTS", "GREENMAIL_ADDITIONAL_OPTS")
"""Variables of GreenMail's container."""
STANDARD = {"smtp": 25, "smtps": 465, "pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993, "api": 8080}
TEST_OFFSET = 3000
"""Offset of the test ports from the standard ones; the API has none."""

_SERVICES = {
    "smtp": "capture",
    "smtps": "captures",
    "pop3": "pop3",
    "pop3s": "pop3s",
    "imap": "imap",
    "imaps": "imaps",
    "api": "web",
}
_USER = re.compile(r"([^:,]+):([^,]*?)(?:@([^,@]+))?")
_PROPERTY = re.compile(r"--?D(greenmail\.[A-Za-z0-9.]+)(?:=(.*))?", re.DOTALL)


def read(words: Sequence[str], environ: Mapping[str, str], overrides: DevOverrides) -> None:
    """Reads the container's variables, then the command line, which overrides them. Raises CommandError."""
    overrides.set(clear_logins=True)
    given = [word for name in VARIABLES for word in shlex.split(environ.get(name, ""))]
    properties: dict[str, str] = {}
    for word in (*given, *words):
        found = _PROPERTY.fullmatch(word)
        if found is None:
            raise CommandError(f"{word!r} is not a property of GreenMail such as -Dgreenmail.setup.test.all")
        properties[found[1]] = found[2] or ""
    if not any(name.startswith("greenmail.setup") for name in properties):
        properties = {"greenmail.setup.test.all": "", **properties}
    _set_addresses(overrides, properties)
    by_name = properties.get("greenmail.users.login", "local_part")
    if by_name not in {"local_part", "email"}:
        raise CommandError(f"-Dgreenmail.users.login={by_name}: users log in by local_part or email")
    for name, value in properties.items():
        _read_property(overrides, name, value, by_name=by_name == "local_part")


def _set_addresses(overrides: DevOverrides, properties: Mapping[str, str]) -> None:
    """Sets the address of each protocol that a property enables."""
    host = properties.get("greenmail.hostname", "")
    ports: dict[str, int] = {}
    for name in properties:
        parts = name.split(".")
        if parts[:2] == ["greenmail", "setup"]:
            offset = TEST_OFFSET if "test" in parts else 0
            for protocol in STANDARD if parts[-1] == "all" else parts[-1:]:
                if protocol not in STANDARD:
                    raise CommandError(f"-D{name}: there is no protocol {protocol!r}; use one of {', '.join(STANDARD)}")
                ports[protocol] = STANDARD[protocol] + (offset if protocol != "api" else 0)
    ports.setdefault("api", STANDARD["api"])
    for protocol, usual in ports.items():
        port = properties.get(f"greenmail.{protocol}.port", "") or str(usual)
        where = properties.get(f"greenmail.{protocol}.hostname", "") or host
        address = f"[{where}]:{port}" if ":" in where else f"{where}:{port}" if where else port
        overrides.listen(f"-Dgreenmail.{protocol}.port", address, _SERVICES[protocol], usual)


def _read_property(overrides: DevOverrides, name: str, value: str, *, by_name: bool) -> None:
    """Reads a property that is not about addresses."""
    option, name = f"-D{name}", name.removeprefix("greenmail.")
    if name == "users":
        _add_users(overrides, option, value, by_name=by_name)
    elif name == "auth.disabled":
        overrides.set(any_password=value != "false")
    elif name == "preload.dir":
        _preload(overrides, option, Path(value))
    elif (removed := advice_for("greenmail", name)) is not None:
        if removed[0]:
            overrides.not_supported(option, removed[0])
    elif (
        name not in {"hostname", "users.login"}
        and not name.startswith("setup")
        and not name.endswith((".port", ".hostname"))
    ):
        raise CommandError(f"{option} is not a property of GreenMail")


def _add_users(overrides: DevOverrides, option: str, value: str, *, by_name: bool) -> None:
    """Adds users, as local:password@domain with commas between; without a domain they are of home.test."""
    for each in filter(None, value.split(",")):
        user = _USER.fullmatch(each)
        if user is None:
            raise CommandError(f"{option}: {each!r} is not a user such as bob:secret@home.test")
        local, password, domain = user.groups()
        address = local if "@" in local else f"{local}@{domain or 'home.test'}"
        overrides.accounts.append((address, password))
        if by_name and overrides.login_names.setdefault(local, address) != address:
            overrides.messages.append(
                f"{option}: {address} logs in with the address: {local} is {overrides.login_names[local]}"
            )


def _preload(overrides: DevOverrides, option: str, directory: Path) -> None:
    try:
        skipped = preloads_in(directory).skipped
    except OSError as error:
        raise CommandError(f"{option}: {directory} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None
    for folder in skipped:
        overrides.messages.append(f"{option}: {folder} is not read, for mailboxes here have an INBOX only")
    overrides.set(preload=directory)
