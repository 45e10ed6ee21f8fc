"""Options and variables (MP_SMTP_RELAY_…) of Mailpit's external relay."""

from __future__ import annotations

from functools import partial

from msgspec import Struct
from msgspec.structs import fields

from mailstack.cli.compat.options import DevOverrides, Option
from mailstack.cli.output import CommandError
from mailstack.letter import Address, AddressError
from mailstack.relay.external_relay import ExternalRelay, is_loopback
from mailstack.relay.routes import RouteError, RouteTarget


class RelayVariables(Struct, frozen=True):
    """Variables that describe the server."""

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
    allowed_recipients: str = ""
    blocked_recipients: str = ""
    preserve_message_ids: bool = False


def _number(name: str, wish: DevOverrides, option: str, value: str) -> None:
    wish.relay[name] = wish.number(option, value, 1)


def _text(name: str, wish: DevOverrides, _option: str, value: str) -> None:
    wish.relay[name] = value


def _switch(name: str, wish: DevOverrides, _option: str, _value: str) -> None:
    wish.relay[name] = True


def _by_itself(wish: DevOverrides, option: str, value: str) -> None:
    """Relays captured letters: all of them, or those for recipients that match a pattern."""
    wish.relayed[option] = value


_READERS = {int: _number, str: _text, bool: _switch}
OPTIONS = (
    Option("smtp-relay-all", _by_itself, kind="switch"),
    Option("smtp-relay-matching", _by_itself),
    *(
        Option(
            f"smtp-relay-{each.name.replace('_', '-')}",
            partial(_READERS[type(each.default)], each.name),
            kind="switch" if each.default is False else "text",
        )
        for each in fields(RelayVariables)
    ),
)


def settle(wish: DevOverrides) -> None:
    """Sets the relay that the variables describe. Raises CommandError."""
    relay = _outlet(RelayVariables(**wish.relay))
    if relay is None:
        if wish.relayed:
            raise CommandError(f"{next(iter(wish.relayed))} needs a relay: set MP_SMTP_RELAY_HOST")
        return
    patterns = [wish.pattern(option, value) for option, value in wish.relayed.items() if value]
    all_leave = "" in wish.relayed.values()
    wish.set(relay=relay, relay_all=all_leave, relay_matching=patterns[-1] if patterns else "")
    what = "all captured letters" if all_leave else "released letters"
    if patterns and not all_leave:
        what = f"released letters, and captured ones for addresses with {patterns[-1]!r},"
    wish.said.append(f"LETTERS LEAVE THIS MACHINE: {what} go to {relay.host}:{relay.port}, as configured")


def _outlet(relay: RelayVariables) -> ExternalRelay | None:
    if not relay.host:
        return None
    if relay.tls and relay.starttls:
        raise CommandError("MP_SMTP_RELAY_TLS and MP_SMTP_RELAY_STARTTLS exclude each other")
    host = f"[{relay.host}]" if ":" in relay.host else relay.host
    try:
        target = RouteTarget.parse(f"{host}:{relay.port}")
    except RouteError as error:
        raise CommandError(f"MP_SMTP_RELAY_HOST: {relay.host!r} and port {relay.port} are not {error}") from None
    username, password = _credentials(relay)
    is_here = is_loopback(target.host) or target.host == "localhost"
    if username and not (relay.tls or relay.starttls or relay.allow_insecure or is_here):
        raise CommandError(
            "the relay's password would be sent unencrypted: set MP_SMTP_RELAY_STARTTLS, MP_SMTP_RELAY_TLS,"
            " or MP_SMTP_RELAY_ALLOW_INSECURE"
        )
    return ExternalRelay(
        host=target.host,
        port=target.port,
        tls="implicit" if relay.tls else "starttls" if relay.starttls else "",
        allow_insecure=relay.allow_insecure,
        username=username,
        password=password,
        return_path=_address("MP_SMTP_RELAY_RETURN_PATH", relay.return_path),
        override_from=_address("MP_SMTP_RELAY_OVERRIDE_FROM", relay.override_from),
        allowed=DevOverrides.pattern("MP_SMTP_RELAY_ALLOWED_RECIPIENTS", relay.allowed_recipients),
        blocked=DevOverrides.pattern("MP_SMTP_RELAY_BLOCKED_RECIPIENTS", relay.blocked_recipients),
        keep_message_id=relay.preserve_message_ids,
    )


def _credentials(relay: RelayVariables) -> tuple[str, str]:
    """Login of the relay; the best mechanism that the server offers is used."""
    auth = relay.auth.lower()
    if auth in {"", "none", "false"}:
        return "", ""
    if auth not in {"plain", "login"} and not auth.startswith("cram"):
        raise CommandError(f"MP_SMTP_RELAY_AUTH is none, plain, login or cram-md5, not {auth[:40]!r}")
    is_cram = auth.startswith("cram")
    password = relay.secret if is_cram else relay.password
    if not relay.username or not password:
        name = "SECRET" if is_cram else "PASSWORD"
        raise CommandError(f"MP_SMTP_RELAY_AUTH={auth} needs MP_SMTP_RELAY_USERNAME and MP_SMTP_RELAY_{name}")
    return relay.username, password


def _address(option: str, text: str) -> str:
    try:
        return text and str(Address.parse(text.strip().rpartition("<")[2].removesuffix(">")))
    except AddressError as error:
        raise CommandError(f"{option}: {text[:100]!r} is not an address: {error}") from None
