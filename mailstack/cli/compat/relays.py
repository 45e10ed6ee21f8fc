"""Mailpit's options about servers outside: where letters are released to, and what is relayed or forwarded by itself."""

from __future__ import annotations

import re
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict

from mailstack.cli.compat.flags import NO, YES
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.yaml_file import read_yaml
from mailstack.cli.errors import CommandError
from mailstack.letter import Address, AddressError
from mailstack.relay.external_relay import ExternalRelay
from mailstack.relay.loopback import is_loopback
from mailstack.relay.routes import RouteError, RouteTarget

_ERRORS = "who hands a letter in hears 250 once it is kept here; what becomes of it outside is in its journey"


class _Server(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    """What both have."""

    host: str = ""
    port: int = 25
    starttls: bool = False
    tls: bool = False
    allow_insecure: bool = False
    auth: str = ""
    username: str = ""
    password: str = ""
    secret: str = ""
    return_path: str = ""
    override_from: str = ""
    forward_smtp_errors: bool = False


class _Relay(_Server, frozen=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    allowed_recipients: str = ""
    recipient_allowlist: str = ""
    """What the one before was called."""
    blocked_recipients: str = ""
    preserve_message_ids: bool = False


class _Forward(_Server, frozen=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    to: str = ""


_KINDS: dict[str, type[_Relay | _Forward]] = {"relay": _Relay, "forward": _Forward}
KEYS = {
    which: [name for name in kind.__struct_fields__ if name not in {"recipient_allowlist", "forward_smtp_errors"}]
    for which, kind in _KINDS.items()
}
"""What variables name, one each: MP_SMTP_RELAY_HOST and so on."""


def file(which: Literal["relay", "forward"], wish: DevOverrides, option: str, value: str) -> None:
    """Counts more than the variables of single settings."""
    read = asdict(read_yaml(option, value, _KINDS[which]))
    usual = _KINDS[which]()
    wish.server_files[which] = {name: each for name, each in read.items() if each != getattr(usual, name)}
    if not read["host"]:
        raise CommandError(f"{option}: {value} names no host")


def one(which: Literal["relay", "forward"], key: str, wish: DevOverrides, option: str, value: str) -> None:
    """One setting, by its variable."""
    kind = type(getattr(_KINDS[which](), key))
    if kind is bool and value.lower() not in YES | NO:
        raise CommandError(f"{option}: {value!r} is neither true nor false")
    number = wish.number(option, value, 1) if kind is int else 0
    wish.servers.setdefault(which, {})[key] = value.lower() in YES if kind is bool else number or value


def by_itself(wish: DevOverrides, option: str, value: str) -> None:
    """All, or what a pattern of recipients fits."""
    wish.relays[option] = value


def settle(wish: DevOverrides) -> None:
    """What all of them come to. Raises Refused."""
    relay, forward = _outlet("relay", wish), _outlet("forward", wish)
    if wish.relays and relay is None:
        raise CommandError(f"{next(iter(wish.relays))} needs a server: --smtp-relay-config, or MP_SMTP_RELAY_HOST")
    if relay is not None:
        patterns = [_pattern(option, value) for option, value in wish.relays.items() if value]
        wish.set(relay=relay, relay_all=any(not value for value in wish.relays.values()))
        wish.set(relay_matching=patterns[-1] if patterns else "")
        _tell(wish, relay, "all that is captured" if "" in wish.relays.values() else _what(patterns))
    if forward is not None:
        to = tuple(_address("forward to", each) for each in wish.servers["forward"].get("to", "").split(","))
        wish.set(forward=forward, forward_to=to)
        _tell(wish, forward, f"a copy of all that is captured, for {', '.join(to)},")


def _what(patterns: list[str]) -> str:
    also = f"what is captured for addresses with {patterns[-1]!r}, and " if patterns else ""
    return f"{also}what you release"


def _tell(wish: DevOverrides, outlet: ExternalRelay, what: str) -> None:
    wish.said.append(f"LETTERS LEAVE THIS MACHINE: {what} goes to {outlet.host}:{outlet.port}, as you have asked for")


def _outlet(which: str, wish: DevOverrides) -> ExternalRelay | None:
    given = wish.servers[which] = {**wish.servers.get(which, {}), **wish.server_files.get(which, {})}
    if not given.get("host"):
        return None
    server: Any = _KINDS[which](**given)
    if server.forward_smtp_errors:
        wish.instead(f"{which} forward-smtp-errors", _ERRORS)
    if server.tls and server.starttls:
        raise CommandError(f"{which}: tls and starttls can't both be: the one comes before the other")
    try:
        target = RouteTarget.parse(
            f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"
        )
    except RouteError as error:
        raise CommandError(f"{which}: {server.host!r} and {server.port} are not {error}") from None
    username, password = _credentials(which, server)
    is_here = is_loopback(target.host) or target.host == "localhost"
    if username and not (server.tls or server.starttls or server.allow_insecure or is_here):
        raise CommandError(f"{which}: the password would go in clear; say starttls or tls, or allow-insecure if it may")
    return ExternalRelay(
        host=target.host,
        port=target.port,
        tls="implicit" if server.tls else "starttls" if server.starttls else "",
        believes_any=server.allow_insecure,
        username=username,
        password=password,
        return_path=_address(f"{which} return-path", server.return_path) if server.return_path else "",
        override_from=_address(f"{which} override-from", server.override_from) if server.override_from else "",
        allowed=_pattern(f"{which} allowed-recipients", _allowed(server)),
        blocked=_pattern(f"{which} blocked-recipients", getattr(server, "blocked_recipients", "")),
        keeps_message_id=getattr(server, "preserve_message_ids", False),
    )


def _credentials(which: str, server: _Server) -> tuple[str, str]:
    """Whichever mechanism is named: of those that the server offers the best is taken."""
    auth = server.auth.lower()
    if auth in {"", "none", "false"}:
        return "", ""
    if auth not in {"plain", "login"} and not auth.startswith("cram"):
        raise CommandError(f"{which}: auth is none, plain, login or cram-md5, and not {auth[:40]!r}")
    password = server.secret if auth.startswith("cram") else server.password
    if not server.username or not password:
        raise CommandError(
            f"{which}: auth {auth} needs username and {'secret' if auth.startswith('cram') else 'password'}"
        )
    return server.username, password


def _allowed(server: _Server) -> str:
    return getattr(server, "allowed_recipients", "") or getattr(server, "recipient_allowlist", "")


def _pattern(option: str, text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise CommandError(f"{option}: {text[:100]!r} is no regular expression: {error}") from None
    return text


def _address(option: str, text: str) -> str:
    try:
        return str(Address.parse(text.strip().rpartition("<")[2].removesuffix(">")))
    except AddressError as error:
        raise CommandError(f"{option}: {text[:100]!r} is no address: {error}") from None
