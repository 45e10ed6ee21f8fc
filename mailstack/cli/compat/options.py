"""Options of Mailpit and MailHog: parser, and overrides of the settings of `mailstack dev`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
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
        self.messages: list[str] = []
        """Lines for the user: options that are not supported, and letters that leave the machine."""
        self.at: dict[str, HostPort] = {}
        """Addresses of services."""
        self.warned: set[str] = set()
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
        """Whether an option enables any login."""
        self._changes: dict[str, Any] = {}
        self._settings = settings

    def settings(self, *, own_ports: bool) -> DevSettings:
        """Settings with the overrides.

        `own_ports`: services that the tool lacks have mailstack's usual ports, else free ones.
        """
        ports = {} if own_ports else {name: self.local(0) for name in PORTS}
        web = self.at["web"].host if "web" in self.at else self._settings.host
        if not is_loopback(web) and not self._settings.open and not self.asks("web_logins"):
            self.messages.append(f"the pages listen on {web}: log in with the address and password of an account")
        return replace(
            self._settings,
            compat=self.peer,
            at={**ports, **self.at},
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
        self.messages.append(f"{option} is not supported: {advice}")

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
        self.warned.add(service)

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
                option, "name the origins, as http://localhost:3000; not every page may read your messages"
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


_DATA = "use mailstack's own --data DIR, which is a directory"
_STORAGE = "mailstack's storage has no such setting"
_CERTIFICATE = "each service has a certificate of the CA file that is printed at the start"
_FAULTS = "use --faults FILE, or POST /v1/faults"
_TAGS = "messages bring tags in X-Tags and behind the + of an address; PUT /api/v1/tags sets others"
_ROOT = "use a reverse proxy that removes the path"

REMOVED: Mapping[str, Mapping[str, str]] = {
    "mailpit": {
        "database d db-file data-file=": _DATA,
        "disable-wal disable-auto-vacuum": _STORAGE,
        "compression=": _STORAGE,
        "tenant-id=": "give each tenant its own --data DIR",
        "label=": "tell environments apart by their ports or their --data DIR",
        "use-message-dates": "messages are listed by arrival; before: and after: search by date",
        "ignore-duplicate-ids": "every message is kept; a search for message-id: finds duplicates",
        "log-file=": "redirect standard error with 2>FILE",
        "quiet": "use mailstack's own --quiet",
        "webroot=": _ROOT,
        "*-tls-cert *-tls-key *-ssl-cert *-ssl-key=": _CERTIFICATE,
        "smtp-require-starttls smtp-tls-required smtp-require-tls": "the submission ports require TLS",
        "allow-untrusted-tls": "set SSL_CERT_FILE to a file with the CA to trust",
        "hide-delete-all-button": "a deletion can be undone for a minute",
        "demo demo-mode": "nothing leaves this machine unless a relay is set",
        "enable-spamassassin=": "use mailstack's own --spam-filter spamassassin:HOST:PORT",
        "smtp-ignore-rejected-recipients": "leave --smtp-allowed-recipients out to accept all recipients",
        "smtp-relay-config=": "set MP_SMTP_RELAY_HOST and the other variables of the relay",
        "smtp-relay-fwd-smtp-errors": "the journey of a released message has the server's reply",
        "smtp-forward-*=": "set MP_SMTP_RELAY_HOST, and --smtp-relay-all or --smtp-relay-matching",
        "chaos-triggers=": "use PUT /api/v1/chaos or --faults FILE",
        "tag t tags-config tags-disable=": _TAGS,
        "tags-title-case tags-username": _TAGS,
        "enable-prometheus=": "GET /api/v1/info has the numbers in JSON",
        "webhook-*=": "read /api/events or /v1/events; mailstack serve has [[webhooks]]",
        "disable-version-check verbose v block-remote-css-and-fonts allow-internal-http-requests": "",
        "disable-link-check-rate-limit disable-http-compression disable-html-check enable-chaos": "",
        "smtp-strict-rfc-headers strict-rfc-headers smtp-disable-rdns smtp-auth-allow-insecure": "",
    },
    "mailhog": {
        "api-host=": "the API is where the pages are: -ui-bind-addr",
        "hostname=": "mailstack serve has hostname in its configuration",
        "storage maildir-path mongo-*=": _DATA,
        "outgoing-smtp=": "use --compat mailpit with MP_SMTP_RELAY_HOST",
        "ui-web-path=": _ROOT,
        "invite-jim": _FAULTS,
        "jim-*=": _FAULTS,
    },
    "greenmail": {
        "sieve.ignore.detail attachments.discard=": "messages are kept whole, and +tags lead to the mailbox",
        "tls.*=": _CERTIFICATE,
        "verbose=": "use mailstack's own --quiet to have no log",
        "startup.timeout=": "",
    },
}


def advice_for(peer: str, name: str) -> tuple[str, bool] | None:
    """Advice for an unsupported option, and whether it takes a value; None for others."""
    for names, advice in REMOVED[peer].items():
        if any(fnmatchcase(name, pattern) for pattern in names.rstrip("=").split()):
            return advice, names.endswith("=")
    return None


_YES = {"1", "true", "yes", "t", "on"}
_NO = {"", "0", "false", "no", "f", "off"}

Action = Callable[[DevOverrides, str, str], None]
"""Called with the overrides, the option as it was given, and its value ("" for a switch that is on)."""


class Option(Struct, frozen=True):
    """Option of a tool."""

    name: str
    """Name without dashes; the variable has it in capitals behind the tool's prefix."""
    do: Action
    short: str = ""
    variable: str = ""
    """Name of the variable, where it is not made from `name`."""
    kind: Literal["text", "switch"] = "text"


def read_options(
    table: Sequence[Option], words: Sequence[str], environ: Mapping[str, str], overrides: DevOverrides, prefix: str
) -> None:
    """Reads variables, then removed, which override them. Raises CommandError for an unknown option."""
    variables = {each.variable or variable_of(prefix, each.name): each for each in table}
    for name in sorted(environ):
        value = environ[name]
        if name in variables:
            _apply(variables[name], overrides, name, value)
        elif value and name.startswith(prefix):
            removed = _removed(overrides.peer, name.removeprefix(prefix).lower().replace("_", "-"))
            _apply(removed or Option(name, _unknown), overrides, name, value)
    for option_text, option, value in _parsed(table, words, overrides.peer):
        _apply(option, overrides, option_text, value)


def variable_of(prefix: str, name: str) -> str:
    return prefix + name.upper().replace("-", "_")


def _unknown(overrides: DevOverrides, name: str, _: str) -> None:
    overrides.not_supported(name, f"{overrides.peer} has no such variable")


def _removed(peer: str, name: str) -> Option | None:
    """Option that prints its advice, if it is one that is not supported."""
    if (found := advice_for(peer, name)) is None:
        return None
    advice, takes_value = found

    def say(overrides: DevOverrides, option: str, _: str) -> None:
        if advice:
            overrides.not_supported(option, advice)

    return Option(name, say, kind="text" if takes_value else "switch")


def _apply(option: Option, overrides: DevOverrides, option_text: str, value: str) -> None:
    if option.kind == "switch":
        if value.lower() in _NO:
            return
        if value.lower() not in _YES:
            raise CommandError(f"{option_text}: {value!r} is neither true nor false")
        value = ""
    elif not value:
        return  # an empty value counts as absent, like an empty variable
    option.do(overrides, option_text, value)


def _parsed(table: Sequence[Option], words: Sequence[str], peer: str) -> Iterator[tuple[str, Option, str]]:
    """Options in the syntax of pflag and Go: --name value, --name=value, -n value, -name value."""
    options = {option.name: option for option in table}
    short = {option.short: option for option in table if option.short}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        option = options.get(name) or (short.get(name) if not word.startswith("--") else None) or _removed(peer, name)
        if not word.startswith("-") or option is None:
            raise CommandError(f"{word!r} is not an option of {peer}; write mailstack's own options before --")
        if option.kind == "switch":
            yield word.partition("=")[0], option, value if equals else "true"
        else:
            if not equals and not remaining:
                raise CommandError(f"{word} needs a value")
            yield word.partition("=")[0], option, value if equals else remaining.pop(0)
