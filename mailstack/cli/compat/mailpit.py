"""Options and variables (MP_…) of Mailpit, also of its external relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import fields

from mailstack.cli.compat.options import DevOverrides, Option, read_options
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


def _relay_number(name: str, overrides: DevOverrides, option: str, value: str) -> None:
    overrides.relay[name] = overrides.number(option, value, 1)


def _relay_text(name: str, overrides: DevOverrides, _option: str, value: str) -> None:
    overrides.relay[name] = value


def _relay_switch(name: str, overrides: DevOverrides, _option: str, _value: str) -> None:
    overrides.relay[name] = True


def _automatic_relay(overrides: DevOverrides, option: str, value: str) -> None:
    """Relays captured letters: all of them, or those for recipients that match a pattern."""
    overrides.relayed[option] = value


_READERS = {int: _relay_number, str: _relay_text, bool: _relay_switch}
RELAY_OPTIONS = (
    Option("smtp-relay-all", _automatic_relay, kind="switch"),
    Option("smtp-relay-matching", _automatic_relay),
    *(
        Option(
            f"smtp-relay-{each.name.replace('_', '-')}",
            partial(_READERS[type(each.default)], each.name),
            kind="switch" if each.default is False else "text",
        )
        for each in fields(RelayVariables)
    ),
)


def set_relay(overrides: DevOverrides) -> None:
    """Sets the relay that the variables describe. Raises CommandError."""
    relay = _outlet(RelayVariables(**overrides.relay))
    if relay is None:
        if overrides.relayed:
            raise CommandError(f"{next(iter(overrides.relayed))} needs a relay: set MP_SMTP_RELAY_HOST")
        return
    patterns = [overrides.pattern(option, value) for option, value in overrides.relayed.items() if value]
    all_leave = "" in overrides.relayed.values()
    overrides.set(relay=relay, relay_all=all_leave, relay_matching=patterns[-1] if patterns else "")
    what = "all captured messages" if all_leave else "released messages"
    if patterns and not all_leave:
        what = f"released messages, and captured ones for addresses with {patterns[-1]!r},"
    overrides.messages.append(f"MESSAGES LEAVE THIS MACHINE: {what} go to {relay.host}:{relay.port}, as configured")


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


MAX_MESSAGES = 500
"""Maximum number of messages in Mailpit."""
UNLIMITED = (1 << 31) - 1
"""Maximum octets of a letter; 0: no limit."""


def _max(overrides: DevOverrides, option: str, value: str) -> None:
    overrides.set(max_letters=overrides.number(option, value) or None)


def _max_age(overrides: DevOverrides, option: str, value: str) -> None:
    overrides.set(max_age=overrides.duration(option, value))


def _max_size(overrides: DevOverrides, option: str, value: str) -> None:
    overrides.set(max_size=min(overrides.number(option, value) * 1024 * 1024 or UNLIMITED, UNLIMITED))


def _max_recipients(overrides: DevOverrides, option: str, value: str) -> None:
    overrides.set(max_recipients=overrides.number(option, value, 1))


def _allowed(overrides: DevOverrides, option: str, value: str) -> None:
    overrides.set(allowed_recipients=overrides.pattern(option, value))


def _anyone_sends(overrides: DevOverrides, _option: str, _value: str) -> None:
    overrides.set(open_send=True)


def _any_login(overrides: DevOverrides, _option: str, _value: str) -> None:
    """Accepts any login if no option names one. The order of the options does not matter."""
    overrides.any_login = True


def _text(name: str, do: object, short: str = "", variable: str = "") -> Option:
    return Option(name, do, short, variable)  # type: ignore[arg-type]


def _logins(name: str, field: str) -> tuple[Option, Option]:
    """Options for a file of logins, and for logins in target."""
    return (
        Option(f"{name}-file", partial(DevOverrides.login_file, field=field)),
        Option(name, partial(DevOverrides.logins, field=field)),
    )


OPTIONS = (
    _text("smtp", partial(DevOverrides.listen, service="capture", usual=1025), "s", "MP_SMTP_BIND_ADDR"),
    _text("listen", partial(DevOverrides.listen, service="web", usual=8025), "l", "MP_UI_BIND_ADDR"),
    _text("pop3", partial(DevOverrides.listen, service="pop3", usual=1110), variable="MP_POP3_BIND_ADDR"),
    *_logins("ui-auth", "web_logins"),
    *_logins("smtp-auth", "smtp_logins"),
    *_logins("pop3-auth", "pop3_logins"),
    *_logins("send-api-auth", "send_logins"),
    Option("send-api-auth-accept-any", _anyone_sends, kind="switch"),
    Option("smtp-auth-accept-any", _any_login, kind="switch"),
    _text("api-cors", DevOverrides.allow_origins),
    _text("max", _max, "m", "MP_MAX_MESSAGES"),
    _text("max-age", _max_age),
    _text("max-message-size", _max_size),
    _text("smtp-max-recipients", _max_recipients),
    _text("smtp-allowed-recipients", _allowed),
    *RELAY_OPTIONS,
)
"""Supported options of Mailpit 1.30; `removed` lists the unsupported ones."""


def read(words: Sequence[str], environ: Mapping[str, str], overrides: DevOverrides) -> None:
    """Reads options and variables over Mailpit's ports and limits. Raises CommandError."""
    overrides.at = {"capture": overrides.local(1025), "web": overrides.local(8025), "pop3": overrides.local(1110)}
    overrides.set(max_letters=MAX_MESSAGES, clear_logins=True)
    read_options(OPTIONS, words, environ, overrides, "MP_")
    set_relay(overrides)
    if overrides.asks("open_send") and overrides.asks("send_logins"):
        raise CommandError("--send-api-auth-accept-any and --send-api-auth-file exclude each other; leave one out")
    if overrides.any_login and overrides.asks("smtp_logins"):
        raise CommandError("--smtp-auth-accept-any and --smtp-auth-file exclude each other; leave one out")
