"""Settings of `mailstack dev`, and the names and ports of its servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mailstack.config import ScheduleSettings
from mailstack.config.values import Domain, HostName, Origin
from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.faults import Fault

if TYPE_CHECKING:
    from mailstack.web.checks.spam import SpamFilter

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
"""Port offsets of the services above the port base."""


class DevSettings(Struct, frozen=True):
    """Settings of a dev environment."""

    host: str = "127.0.0.1"
    port_base: int = 1000
    """0: a free port for each service."""
    data: Path | None = None
    """None: a temporary directory, removed at the end."""
    any_password: bool = False
    """Whether mailboxes in the rest of the world open to every password."""
    weak_mechanisms: bool = False
    """Whether CRAM-MD5 and APOP are offered; they need stored plaintext passwords, which are public here."""
    scram: bool = False
    """Whether SCRAM is offered; see `[accounts] scram` of a real server for why it may not be."""
    max_letters: int | None = None
    """Maximum number of letters; the oldest are deleted first."""
    max_age: float | None = None
    """Maximum age of letters, in seconds."""
    keys: Path | None = None
    """Directory of the private CA and the certificate, which environments can share; None: in the data directory."""
    faults: tuple[Fault, ...] = ()
    """Fault rules that are active from the start."""
    magic_recipients: bool = False
    """Whether addresses such as "temperror@elsewhere.test" inject faults."""
    at: Mapping[str, HostPort] = field(default_factory=dict)
    """Addresses of services that do not follow the port base; "captures" (under TLS) listens only if it is named here."""
    compat: str = ""
    """Tool to be compatible with: "mailpit", "mailhog" or "greenmail"; where paths collide, its answer counts."""
    web_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets (mailstack.accounts.checker) that are required for the pages; none: see `host`."""
    smtp_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets that the capture port requires; none: it needs no login."""
    send_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets that Mailpit's send API requires, in place of those for the pages."""
    anybody_sends: bool = False
    """Whether Mailpit's send API needs no login."""
    pop3_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets for POP3 access to all letters in one mailbox; other logins open their own mailbox."""
    allowed_recipients: str = ""
    """A regular expression: the capture port takes letters for addresses in which it is found."""
    open: bool = False
    """Whether pages and API are served to each client without a login, and under each host name."""
    web_hosts: tuple[str, ...] = ()
    """Additional host names of the pages, such as that of a container."""
    users: tuple[tuple[str, str], ...] = ()
    """Additional accounts: addresses and passwords."""
    login_names: Mapping[str, str] = field(default_factory=dict)
    """Names by which accounts log in besides their addresses, and these."""
    relay: ExternalRelay | None = None
    """External relay for released letters; None: no letter leaves this machine."""
    relay_all: bool = False
    """Whether all that is captured leaves there by itself."""
    relay_matching: str = ""
    """A regular expression: what is captured leaves there by itself for addresses in which it is found."""
    cors: tuple[Origin, ...] = ()
    """Origins that may use the API (CORS)."""
    spam_filter: SpamFilter | None = None
    """Spam filter that scores letters on request."""
    preload: Path | None = None
    """A directory of letters that are in mailboxes from the start (mailstack.sandbox.dev.accounts)."""
    strict_newlines: bool = False
    """Whether the capture port refuses lines that end in LF alone, as other hosts do."""
    clear_logins: bool = False
    """Whether passwords may go without TLS."""
    max_size: int | None = None
    """Maximum octets of a letter at the capture port; None: the default."""
    max_recipients: int | None = None
    """Maximum recipients of a letter at the capture port; None: the default."""
    schedule: ScheduleSettings = ScheduleSettings()
    """Retry schedule of the relay queues."""

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
