"""Options and variables of Mailpit and MailHog: their parser, and unsupported ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.output import CommandError

_DATA = "use mailstack's own --data DIR, which is a directory"
_STORAGE = "mailstack's storage has no such setting"
_CERTIFICATE = "each service has a certificate of the CA file that is printed at the start"
_FAULTS = "use --faults FILE, or POST /v1/faults"
_TAGS = "letters bring tags in X-Tags and behind the + of an address; PUT /api/v1/tags sets others"
_ROOT = "use a reverse proxy that removes the path"

REMOVED: Mapping[str, Mapping[str, str]] = {
    "mailpit": {
        "database d db-file data-file=": _DATA,
        "disable-wal disable-auto-vacuum": _STORAGE,
        "compression=": _STORAGE,
        "tenant-id=": "give each tenant its own --data DIR",
        "label=": "tell environments apart by their ports or their --data DIR",
        "use-message-dates": "letters are listed by arrival; before: and after: search by date",
        "ignore-duplicate-ids": "every letter is kept; a search for message-id: finds duplicates",
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
        "smtp-relay-fwd-smtp-errors": "the journey of a released letter has the server's reply",
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
        "sieve.ignore.detail attachments.discard=": "letters are kept whole, and +tags lead to the mailbox",
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
    table: Sequence[Option], words: Sequence[str], environ: Mapping[str, str], wish: DevOverrides, prefix: str
) -> None:
    """Reads variables, then options, which override them. Raises CommandError for an unknown option."""
    variables = {each.variable or variable_of(prefix, each.name): each for each in table}
    for name in sorted(environ):
        value = environ[name]
        if name in variables:
            _apply(variables[name], wish, name, value)
        elif value and name.startswith(prefix):
            known = _removed(wish.peer, name.removeprefix(prefix).lower().replace("_", "-"))
            _apply(known or Option(name, _unknown), wish, name, value)
    for given, option, value in _given(table, words, wish.peer):
        _apply(option, wish, given, value)


def variable_of(prefix: str, name: str) -> str:
    """Environment variable of an option."""
    return prefix + name.upper().replace("-", "_")


def _unknown(wish: DevOverrides, name: str, _: str) -> None:
    wish.not_supported(name, f"{wish.peer} has no such variable")


def _removed(peer: str, name: str) -> Option | None:
    """Option that prints its advice, if it is one that is not supported."""
    if (found := advice_for(peer, name)) is None:
        return None
    advice, takes_value = found

    def say(wish: DevOverrides, option: str, _: str) -> None:
        if advice:
            wish.not_supported(option, advice)

    return Option(name, say, kind="text" if takes_value else "switch")


def _apply(option: Option, wish: DevOverrides, given: str, value: str) -> None:
    if option.kind == "switch":
        if value.lower() in _NO:
            return
        if value.lower() not in _YES:
            raise CommandError(f"{given}: {value!r} is neither true nor false")
        value = ""
    elif not value:
        return  # an empty value counts as absent, like an empty variable
    option.do(wish, given, value)


def _given(table: Sequence[Option], words: Sequence[str], peer: str) -> Iterator[tuple[str, Option, str]]:
    """Options in the syntax of pflag and Go: --name value, --name=value, -n value, -name value."""
    known = {option.name: option for option in table}
    short = {option.short: option for option in table if option.short}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        option = known.get(name) or (short.get(name) if not word.startswith("--") else None) or _removed(peer, name)
        if not word.startswith("-") or option is None:
            raise CommandError(f"{word!r} is not an option of {peer}; write mailstack's own options before --")
        if option.kind == "switch":
            yield word.partition("=")[0], option, value if equals else "true"
        else:
            if not equals and not rest:
                raise CommandError(f"{word} needs a value")
            yield word.partition("=")[0], option, value if equals else rest.pop(0)
