"""What `mailstack dev` can be told, and the names and ports of what it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mailstack.config import ScheduleSettings
from mailstack.config.values import Domain, HostName, Origin
from mailstack.letter import Address
from mailstack.letter.connection import HostPort
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.faults import Fault

if TYPE_CHECKING:
    from mailstack.web.checks.spam_filter import SpamFilter

HOME_DOMAIN = Domain("home.test")
HOME = HostName("mx.home.test")
WORLD = HostName("mx.world.test")
CAPTURE = HostName("capture.home.test")

ABOUT = {
    HOME: "Your own server: the accounts, submission and POP3.",
    WORLD: "The rest of the world: takes letters for every other domain, and opens a mailbox for each recipient.",
    HostName("relay.home.test"): "Carries what is released to the relay that you named, outside this machine.",
    CAPTURE: "Takes any letter from any program, without a login, and puts it into mailboxes as it is.",
}
USERS = ("alice", "bob")
"""Local parts of the accounts at home, and their passwords."""


PORTS = {"capture": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995, "web": 7025}
"""Above the port base."""


class DevSettings(Struct, frozen=True):
    """What `mailstack dev` can be told."""

    host: str = "127.0.0.1"
    port_base: int = 1000
    """0: a free port for each service."""
    data: Path | None = None
    """None: a temporary directory, removed at the end."""
    any_password: bool = False
    """Whether mailboxes in the rest of the world open to every password."""
    weak_mechanisms: bool = False
    """Whether CRAM-MD5 and APOP are offered; the passwords here are public, elsewhere nobody could keep them safely."""
    scram: bool = False
    """Whether SCRAM is offered; see `[accounts] scram` of a real server for why it may not be."""
    max_letters: int | None = None
    """How many letters are kept; the oldest are forgotten first."""
    max_age: float | None = None
    """Seconds for which letters are kept for people who look."""
    keys: Path | None = None
    """Where the private CA and the certificate are kept, so that environments can share them; None: with the data."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong from the start."""
    magic_recipients: bool = False
    """Whether addresses such as "temperror@elsewhere.test" say themselves what goes wrong."""
    at: Mapping[str, HostPort] = field(default_factory=dict)
    """Where services listen that listen elsewhere than the port base says; "captures" (under TLS) does only if named here."""
    compat: str = ""
    """The tool whose place this takes: "mailpit", "mailhog" or "greenmail"; where paths collide, its answer counts."""
    web_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets (mailstack.accounts.password_file) of those whom the pages are for; none: see `host`."""
    smtp_logins: Mapping[str, str] = field(default_factory=dict)
    """Of those from whom alone the capture port takes letters; none: it takes them from everybody."""
    send_logins: Mapping[str, str] = field(default_factory=dict)
    """Of those who may send by Mailpit's API, in place of those for whom the pages are."""
    anybody_sends: bool = False
    """Whether everybody may."""
    pop3_logins: Mapping[str, str] = field(default_factory=dict)
    """Of those who read all letters by POP3, as in one mailbox; everybody else reads his own."""
    allowed_recipients: str = ""
    """A regular expression: the capture port takes letters for addresses in which it is found."""
    web_hosts: tuple[str, ...] = ()
    """More names that the pages answer to, as that of a container."""
    users: tuple[tuple[str, str], ...] = ()
    """More accounts: addresses and passwords."""
    login_names: Mapping[str, str] = field(default_factory=dict)
    """Names by which accounts log in besides their addresses, and these."""
    relay: ExternalRelay | None = None
    """By which letters that are released leave this machine; None: nothing does."""
    relay_all: bool = False
    """Whether all that is captured leaves there by itself."""
    relay_matching: str = ""
    """A regular expression: what is captured leaves there by itself for addresses in which it is found."""
    cors: tuple[Origin, ...] = ()
    """Origins whose pages may ask."""
    spam_filter: SpamFilter | None = None
    """Who is asked for the spam score of a letter when somebody wants to know it."""
    preload: Path | None = None
    """A directory of letters that are in mailboxes from the start (mailstack.sandbox.dev.preload)."""
    strict_newlines: bool = False
    """Whether the capture port refuses lines that end in LF alone, as other hosts do."""
    clear_logins: bool = False
    """Whether passwords may go without TLS."""
    max_size: int | None = None
    """Octets of a letter at the capture port; None: as usual."""
    max_recipients: int | None = None
    """Of a letter at the capture port; None: as usual."""
    schedule: ScheduleSettings = ScheduleSettings()
    """When a letter that could not be passed on is tried again, and when it is given up."""

    @property
    def accounts(self) -> tuple[tuple[str, str], ...]:
        """Addresses and passwords of the accounts that there are from the start."""
        more = [(Address.parse(address).key, password) for address, password in self.users]
        return tuple({**{f"{user}@{HOME_DOMAIN}": user for user in USERS}, **dict(more)}.items())

    @property
    def web_host(self) -> str:
        """Where the pages listen."""
        at = self.at.get("web")
        return self.host if at is None else at.host
