"""MailHog's options and variables (MH_…), and what each means here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mailstack.cli.compat.flags import Flag, instead
from mailstack.cli.compat.logins import login_file
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.paths import web_root
from mailstack.cli.errors import CommandError
from mailstack.sandbox.compat.mailhog.monkey import Jim, jim_rules

PREFIX = "MH_"

_MONGO = "letters are kept in a directory (-maildir-path DIR, or mailstack's own --data DIR), or nowhere"


_CHANCES = {
    "accept": "accept_chance",
    "disconnect": "disconnect_chance",
    "linkspeed-affect": "link_speed_affect",
    "linkspeed-min": "link_speed_min",
    "linkspeed-max": "link_speed_max",
    "reject-auth": "reject_auth_chance",
    "reject-recipient": "reject_recipient_chance",
    "reject-sender": "reject_sender_chance",
}
"""What his options are called, behind -jim-."""


def prepare(wish: DevOverrides) -> None:
    """As MailHog is when it is told nothing, but on loopback only."""
    for service, port in (("capture", 1025), ("web", 8025)):
        wish.listen(service, service, str(port), port)


def _listen(service: str, port: int, wish: DevOverrides, option: str, value: str) -> None:
    wish.listen(service, option, value, port)


def _api(wish: DevOverrides, option: str, value: str) -> None:
    """The API and the pages have one address here."""
    if "web" not in wish.told:
        wish.listen("web", option, value, 8025)
    elif not value.endswith(f":{wish.at['web'].port}"):
        wish.instead(option, f"the API is where the pages are, at port {wish.at['web'].port}")


def _storage(wish: DevOverrides, option: str, value: str) -> None:
    if value not in {"memory", "maildir"}:
        wish.instead(option, _MONGO)


def _directory(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(data=wish.directory(option, value))


def _jim(wish: DevOverrides, _option: str, _value: str) -> None:
    wish.invites_jim = True


def _jim_told(field: str, wish: DevOverrides, option: str, value: str) -> None:
    try:
        wish.jim[field] = float(value)
    except ValueError:
        raise CommandError(f"{option}: {value!r} is no number") from None


def check(wish: DevOverrides) -> None:
    """What can be said only when all is read. Raises Refused."""
    try:
        jim = Jim(**wish.jim)
        jim_rules(jim)
    except ValueError as error:
        raise CommandError(f"what -jim-… says can't be: {error}") from None
    if wish.invites_jim:
        wish.set(jim=jim)


def _origins(wish: DevOverrides, option: str, value: str) -> None:
    wish.set(cors=wish.origins(option, value))


def _flag(name: str, do: Callable[[DevOverrides, str, str], None]) -> Flag:
    return Flag(name, do, variable=PREFIX + name.upper().replace("-", "_"))


FLAGS = (
    _flag("smtp-bind-addr", partial(_listen, "capture", 1025)),
    _flag("ui-bind-addr", partial(_listen, "web", 8025)),
    _flag("api-bind-addr", _api),
    _flag("api-host", instead("the API is where the pages are")),
    _flag("hostname", instead("the office that takes letters is called capture.home.test")),
    _flag("storage", _storage),
    _flag("maildir-path", _directory),
    _flag("mongo-uri", instead(_MONGO)),
    _flag("mongo-db", instead(_MONGO)),
    _flag("mongo-coll", instead(_MONGO)),
    _flag("cors-origin", _origins),
    _flag(
        "outgoing-smtp",
        instead("nothing leaves this machine in dev mode; `mailstack serve` relays by [relay] smart_host"),
    ),
    _flag("ui-web-path", web_root),
    _flag("auth-file", partial(login_file, "web_logins")),
    Flag("invite-jim", _jim, variable="MH_INVITE_JIM", kind="switch"),
    *(_flag(f"jim-{name}", partial(_jim_told, field)) for name, field in _CHANCES.items()),
)
"""Every option of MailHog's last version."""
