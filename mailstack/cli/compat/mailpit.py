"""Mailpit's options and variables (MP_…), and what each means here."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from mailstack.cli.compat import relays, tags, tls
from mailstack.cli.compat.flags import Flag, already, instead
from mailstack.cli.compat.logins import login_file, logins
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.paths import web_root
from mailstack.cli.errors import CommandError
from mailstack.relay.loopback import is_loopback

PREFIX = "MP_"
MOST = 500
"""Messages that Mailpit keeps."""
UNBOUNDED = (1 << 31) - 1
"""Octets of a letter, where 0 asks for no bound."""

_STORAGE = "the storage here needs no such care"
_TRIGGER = re.compile(r"(sender|recipient|authentication):(\d{3}):(\d{1,3})", re.IGNORECASE)


def prepare(wish: DevOverrides) -> None:
    """As Mailpit is when it is told nothing."""
    for service, port in (("capture", 1025), ("web", 8025), ("pop3", 1110)):
        wish.listen(service, service, str(port), port)
    wish.set(max_letters=MOST, clear_logins=True)


def _listen(service: str, port: int, wish: DevOverrides, option: str, value: str) -> None:
    wish.listen(service, option, value, port)


def _database(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(data=wish.directory(option, value))


def _most(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_letters=wish.number(option, value) or None)


def _age(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_age=wish.duration(option, value))


def _size(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_size=min(wish.number(option, value) * 1024 * 1024 or UNBOUNDED, UNBOUNDED))


def _recipients(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(max_recipients=wish.number(option, value, 1))


def _label(wish: DevOverrides, _option: str, value: str) -> None:
    wish.set(label=value)


def _insecure(wish: DevOverrides, option: str, _value: str) -> None:
    """So it is anyway, unless TLS is required."""
    wish.insecure_login = option


def _anybody_sends(wish: DevOverrides, option: str, _value: str) -> None:
    wish.anybody_sends = option


def _drop_others(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.set(drops_others=True)


def _once(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.set(drops_duplicates=True)


def _believe(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.set(untrusted_tls=True)


def _metrics(wish: DevOverrides, option: str, value: str) -> None:
    if value.strip().lower() not in {"true", "false"}:
        wish.instead(option, "metrics are at /metrics of the pages, and at no port of their own")


def _accept_any(wish: DevOverrides, option: str, _value: str) -> None:
    """So it is anyway, unless logins are named: variables and options come in any order."""
    wish.any_login = option


def check(wish: DevOverrides) -> None:
    """What can be said only when all is read. Raises Refused."""
    tags.settle(wish)
    tls.settle(wish)
    relays.settle(wish)
    if wish.anybody_sends and wish.asks("send_logins"):
        raise CommandError(
            f"{wish.anybody_sends}: with the logins of --send-api-auth-file not everybody may; leave one out"
        )
    if wish.anybody_sends:
        wish.set(anybody_sends=True)
    if wish.any_login and wish.asks("smtp_logins"):
        raise CommandError(
            f"{wish.any_login}: with the logins of --smtp-auth-file not every login can be taken; leave one out"
        )


def _allowed(wish: DevOverrides, option: str, value: str) -> None:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise CommandError(f"{option}: {value[:100]!r} is no regular expression: {error}") from None
    wish.set(allowed_recipients=value)


def _log(wish: DevOverrides, option: str, value: str) -> None:
    path = Path(value)
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"{option}: {path} can't be a file: give one in a directory that is there")
    wish.log = path


def _quiet(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.quiet = True


def _origins(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(cors=wish.origins(option, value))


def _webhook(wish: DevOverrides, option: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not value.isascii():
        raise CommandError(f"{option}: {value!r} is no URL such as http://127.0.0.1:3000/hook")
    if parts.hostname != "localhost" and not is_loopback(parts.hostname):
        wish.instead(option, "nothing leaves this machine in dev mode; `mailstack serve` has [[webhooks]]")
        return
    wish.set(webhook=value)


def _spam_filter(wish: DevOverrides, option: str, value: str) -> None:
    if value == "postmark":
        wish.instead(option, "letters are not sent to Postmark; name a spamd of this machine, as 127.0.0.1:783")
        return
    from mailstack.web.checks.spam.spam_filter import parse_filter

    try:
        wish.set(spam_filter=parse_filter(f"spamassassin:{value}"))
    except ValueError as error:
        wish.instead(option, str(error))


def _triggers(wish: DevOverrides, option: str, value: str) -> None:
    found = {}
    for each in value.split(","):
        trigger = _TRIGGER.fullmatch(each.strip())
        if trigger is None or not 400 <= int(trigger[2]) <= 599 or int(trigger[3]) > 100:
            raise CommandError(f"{option}: {each.strip()!r} is no trigger such as Sender:451:50")
        found[trigger[1].capitalize()] = {"ErrorCode": int(trigger[2]), "Probability": int(trigger[3])}
    wish.triggers = found


def _text(name: str, do: object, short: str = "", variable: str = "") -> Flag:
    return Flag(name, do, short, variable or _variable(name))  # type: ignore[arg-type]


def _switch(name: str, do: object, short: str = "", variable: str = "") -> Flag:
    return Flag(name, do, short, variable or _variable(name), kind="switch")  # type: ignore[arg-type]


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


def _certificate(prefix: str, service: str) -> tuple[Flag, ...]:
    """Its options, and for two services those of earlier."""
    names = [f"{prefix}-tls", *([f"{prefix}-ssl"] if prefix != "pop3" else [])]
    return tuple(
        _text(f"{name}-{part}", partial(tls.file, service, part)) for name in names for part in ("cert", "key")
    )


def _server(which: Literal["relay", "forward"]) -> tuple[Flag, ...]:
    """The variables that describe one outside, setting by setting."""
    prefix = f"{PREFIX}SMTP_{which.upper()}_"
    flags = [
        Flag(f"{which} {key}", partial(relays.one, which, key), variable=prefix + key.upper())
        for key in relays.KEYS[which]
    ]
    return *flags, Flag(
        f"{which} errors", partial(relays.one, which, "forward_smtp_errors"), variable=f"{prefix}FWD_SMTP_ERRORS"
    )


FLAGS = (
    _text("database", _database, "d"),
    _text("db-file", _database, variable="MP_DATA_FILE"),
    _switch("disable-wal", instead(_STORAGE)),
    _switch("disable-version-check", already),
    _switch("disable-auto-vacuum", instead(_STORAGE)),
    _text("compression", instead("letters are kept as they came")),
    _text("label", _label),
    _text("tenant-id", instead("give each tenant a directory of its own with --database")),
    _text("max", _most, "m", "MP_MAX_MESSAGES"),
    _text("max-age", _age),
    _text("max-message-size", _size),
    _switch("use-message-dates", instead("letters are listed by their arrival; their Date is in each of them")),
    _switch("ignore-duplicate-ids", _once),
    _text("log-file", _log),
    _switch("quiet", _quiet, "q"),
    _switch("verbose", already, "v"),
    _text("listen", partial(_listen, "web", 8025), "l", "MP_UI_BIND_ADDR"),
    _text("webroot", web_root),
    _text("ui-auth-file", partial(login_file, "web_logins")),
    Flag("ui-auth", partial(logins, "web_logins"), variable="MP_UI_AUTH"),
    *_certificate("ui", "web"),
    _text("api-cors", _origins),
    _switch("block-remote-css-and-fonts", already),
    _switch("allow-internal-http-requests", already),
    _switch("disable-link-check-rate-limit", already),
    _switch("allow-untrusted-tls", _believe),
    _switch("disable-http-compression", already),
    _switch("disable-html-check", already),
    Flag("demo", instead("nothing here is a danger to others"), variable="MP_DEMO_MODE", kind="switch"),
    _switch("hide-delete-all-button", instead("what is deleted can be brought back for a minute")),
    _text("enable-spamassassin", _spam_filter),
    _text("send-api-auth-file", partial(login_file, "send_logins")),
    Flag("send-api-auth", partial(logins, "send_logins"), variable="MP_SEND_API_AUTH"),
    _switch("send-api-auth-accept-any", _anybody_sends),
    _text("smtp", partial(_listen, "capture", 1025), "s", "MP_SMTP_BIND_ADDR"),
    _text("smtp-auth-file", partial(login_file, "smtp_logins")),
    Flag("smtp-auth", partial(logins, "smtp_logins"), variable="MP_SMTP_AUTH"),
    _switch("smtp-auth-accept-any", _accept_any),
    _switch("smtp-auth-allow-insecure", _insecure),
    *_certificate("smtp", "capture"),
    _switch("smtp-require-starttls", partial(tls.require, "starttls")),
    _switch("smtp-tls-required", partial(tls.require, "starttls")),
    _switch("smtp-require-tls", partial(tls.require, "tls")),
    _switch("smtp-strict-rfc-headers", already),
    Flag("strict-rfc-headers", already, variable="MP_STRICT_RFC_HEADERS", kind="switch"),
    _switch("smtp-disable-rdns", already),
    _text("smtp-max-recipients", _recipients),
    _text("smtp-allowed-recipients", _allowed),
    _switch("smtp-ignore-rejected-recipients", _drop_others),
    _text("smtp-relay-config", partial(relays.file, "relay")),
    _switch("smtp-relay-all", relays.by_itself),
    _text("smtp-relay-matching", relays.by_itself),
    _text("smtp-forward-config", partial(relays.file, "forward")),
    *_server("relay"),
    *_server("forward"),
    _switch("enable-chaos", already),
    _text("chaos-triggers", _triggers),
    _text("pop3", partial(_listen, "pop3", 1110), variable="MP_POP3_BIND_ADDR"),
    _text("pop3-auth-file", partial(login_file, "pop3_logins")),
    Flag("pop3-auth", partial(logins, "pop3_logins"), variable="MP_POP3_AUTH"),
    *_certificate("pop3", "pop3"),
    _text("tag", tags.filters, "t"),
    _text("tags-config", tags.filter_file),
    _switch("tags-title-case", partial(tags.turn_on, "title_case")),
    _text("tags-disable", tags.disable),
    _switch("tags-username", partial(tags.turn_on, "account")),
    _text("enable-prometheus", _metrics),
    _text("webhook-url", _webhook),
    _text("webhook-limit", instead("webhooks here are queued and lose nothing, so that they need no limit")),
    _text("webhook-delay", instead("webhooks here are queued and lose nothing, so that they need no limit")),
)
"""Every option of Mailpit 1.30."""
