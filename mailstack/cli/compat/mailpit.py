"""Options and variables (MP_…) of Mailpit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mailstack.cli.compat import relay
from mailstack.cli.compat.options import DevOverrides, Option, read_options
from mailstack.cli.output import CommandError

MAX_MESSAGES = 500
"""Messages that Mailpit keeps."""
UNLIMITED = (1 << 31) - 1
"""Octets of a letter, where 0 asks for no limit."""


def _max(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_letters=wish.number(option, value) or None)


def _max_age(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_age=wish.duration(option, value))


def _max_size(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_size=min(wish.number(option, value) * 1024 * 1024 or UNLIMITED, UNLIMITED))


def _max_recipients(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_recipients=wish.number(option, value, 1))


def _allowed(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(allowed_recipients=wish.pattern(option, value))


def _anyone_sends(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.set(open_send=True)


def _any_login(wish: DevOverrides, _option: str, _value: str) -> None:
    """Any login is accepted unless logins are named, in whatever order the options come."""
    wish.any_login = True


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
    *relay.OPTIONS,
)
"""Options of Mailpit 1.30 that are supported; `removed` has the others."""


def read(words: Sequence[str], environ: Mapping[str, str], wish: DevOverrides) -> None:
    """Reads options and variables over Mailpit's ports and limits. Raises CommandError."""
    wish.at = {"capture": wish.local(1025), "web": wish.local(8025), "pop3": wish.local(1110)}
    wish.set(max_letters=MAX_MESSAGES, clear_logins=True)
    read_options(OPTIONS, words, environ, wish, "MP_")
    relay.settle(wish)
    if wish.asks("open_send") and wish.asks("send_logins"):
        raise CommandError("--send-api-auth-accept-any and --send-api-auth-file exclude each other; leave one out")
    if wish.any_login and wish.asks("smtp_logins"):
        raise CommandError("--smtp-auth-accept-any and --smtp-auth-file exclude each other; leave one out")
