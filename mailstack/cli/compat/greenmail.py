"""GreenMail's system properties (-Dgreenmail.…), its ports, and what each means here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mailstack.cli.compat.flags import already
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.errors import CommandError
from mailstack.sandbox.dev.preload import preloads_in

VARIABLES = ("GREENMAIL_OPTS", "GREENMAIL_ADDITIONAL_OPTS")
"""Of its container."""
STANDARD = {"smtp": 25, "smtps": 465, "pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993, "api": 8080}
TEST = 3000
"""What the ports of tests have above the standard ones; the API's are the same."""

_SERVICES = {"smtp": "capture", "smtps": "captures", "pop3": "pop3", "pop3s": "pop3s", "api": "web"}
_IMAP = "there is no IMAP here; read by POP3, or by the API (GET /api/user/ADDRESS/messages/)"
_USER = re.compile(r"([^:,]+):([^,]*?)(?:@([^,@]+))?")
_PROPERTY = re.compile(r"--?D(greenmail\.[A-Za-z0-9.]+)(?:=(.*))?", re.DOTALL)


def prepare(wish: DevOverrides) -> None:
    """Nothing listens but the API until a property says so; passwords go in clear."""
    wish.set(clear_logins=True)


def read(words: Sequence[str], environ: Mapping[str, str], wish: DevOverrides) -> None:
    """Of the container's variables first, then those of the command line, which count more. Raises Refused."""
    given = [word for name in VARIABLES for word in shlex.split(environ.get(name, ""))]
    properties: dict[str, str] = {}
    for word in (*given, *words):
        found = _PROPERTY.fullmatch(word)
        if found is None:
            raise CommandError(f"{word!r} is no property of GreenMail's, as -Dgreenmail.setup.test.all")
        properties[found[1]] = found[2] or ""
    if not any(name.startswith("greenmail.setup") for name in properties):
        properties = {"greenmail.setup.test.all": "", **properties}
    _listen(wish, properties)
    for name, value in properties.items():
        _heed(wish, name, value)


def _listen(wish: DevOverrides, properties: Mapping[str, str]) -> None:
    """Which protocols, where."""
    host = properties.get("greenmail.hostname", "")
    asked: dict[str, int] = {}
    for name in properties:
        parts = name.split(".")
        if parts[:2] == ["greenmail", "setup"]:
            above = TEST if "test" in parts else 0
            protocols = STANDARD if parts[-1] == "all" else {parts[-1]: 0}
            for protocol in protocols:
                if protocol not in STANDARD:
                    raise CommandError(f"-D{name}: {protocol!r} is no protocol; those are {', '.join(STANDARD)}")
                asked[protocol] = STANDARD[protocol] + (above if protocol != "api" else 0)
    asked.setdefault("api", STANDARD["api"])
    for protocol, usual in asked.items():
        port = properties.get(f"greenmail.{protocol}.port", "") or str(usual)
        where = properties.get(f"greenmail.{protocol}.hostname", "") or host
        if protocol in _SERVICES:
            address = f"[{where}]:{port}" if ":" in where else f"{where}:{port}" if where else port
            wish.listen(_SERVICES[protocol], f"-Dgreenmail.{protocol}.port", address, usual)
    if asked.keys() & {"imap", "imaps"}:
        wish.instead("imap", _IMAP)


def _heed(wish: DevOverrides, name: str, value: str) -> None:
    """One property that is not about where to listen."""
    option, name = f"-D{name}", name.removeprefix("greenmail.")
    if name in _HONOURED:
        _HONOURED[name](wish, option, value)
    elif name in _INSTEAD:
        wish.instead(option, _INSTEAD[name])
    elif name != "hostname" and not name.startswith("setup") and not name.endswith((".port", ".hostname")):
        raise CommandError(f"{option} is no property of GreenMail's that is known here")


def _accounts(wish: DevOverrides, option: str, value: str) -> None:
    """local:password@domain, with commas between; without a domain the user is at home."""
    for each in filter(None, value.split(",")):
        user = _USER.fullmatch(each)
        if user is None:
            raise CommandError(f"{option}: {each!r} is no user such as bob:secret@home.test")
        local, password, domain = user.groups()
        address = local if "@" in local else f"{local}@{domain or 'home.test'}"
        wish.accounts.append((address, password))
        if wish.login_names.setdefault(local, address) != address:
            wish.said.append(f"{option}: {address} logs in with the address: {local} is {wish.login_names[local]}")


def _logins(wish: DevOverrides, option: str, value: str) -> None:
    """By their addresses users log in anyway."""
    if value not in {"local_part", "email"}:
        raise CommandError(f"{option}={value}: users log in by local_part or email")
    wish.logs_in_by_name = value == "local_part"


def _preload(wish: DevOverrides, option: str, value: str) -> None:
    directory = Path(value)
    try:
        left = preloads_in(directory).left
    except OSError as error:
        raise CommandError(f"{option}: {directory} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None
    for folder in left:
        wish.said.append(f"{option}: {folder} is not read, for mailboxes here have an INBOX only")
    wish.set(preload=directory)


def _open(wish: DevOverrides, _option: str, value: str) -> None:
    wish.set(any_password=value != "false")


def _loud(wish: DevOverrides, _option: str, value: str) -> None:
    wish.quiet = value == "false"


_CERTIFICATE = "all services show one certificate by a CA made here, whose file is named at the start"
_WHOLE = "letters are kept whole, and +tags of an address lead to its mailbox"
_INSTEAD = {
    "sieve.ignore.detail": _WHOLE,
    "attachments.discard": _WHOLE,
    "tls.keystore.file": _CERTIFICATE,
    "tls.keystore.password": _CERTIFICATE,
    "tls.key.password": _CERTIFICATE,
}
_HONOURED: Mapping[str, Callable[[DevOverrides, str, str], None]] = {
    "preload.dir": _preload,
    "users": _accounts,
    "users.login": _logins,
    "auth.disabled": _open,
    "verbose": _loud,
    "startup.timeout": already,  # it is ready, or says why not, within a second
}
