"""Settings of `mailstack dev`, and the names and ports of its servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.config import ScheduleSettings
from mailstack.config.imap_settings import ImapSettings
from mailstack.config.values import Domain, HostName, Origin
from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.imap.profiles import ImapProfile, find_profile

if TYPE_CHECKING:
    from mailstack.web.checks.spam import SpamFilter

HOME_DOMAIN = Domain("home.test")
JOURNEY_MESSAGES = 1000
"""Messages of one IMAP command that get steps in their journeys."""
HOME = HostName("mx.home.test")
WORLD = HostName("mx.world.test")
CAPTURE = HostName("capture.home.test")
RELAY = HostName("relay.home.test")

ABOUT = {
    HOME: "Your mail server: accounts, submission, IMAP and POP3.",
    WORLD: "All other domains: accepts every message, and creates a mailbox for each recipient.",
    RELAY: "Sends released messages to the external relay of the options, outside this machine.",
    CAPTURE: "Capture port: accepts every message without a login, and delivers it unchanged.",
}
USERS = ("alice", "bob")
"""Local parts of the accounts at home, and their passwords."""
PORTS = {
    "capture": 25,
    "submission": 587,
    "submissions": 465,
    "pop3": 110,
    "pop3s": 995,
    "imap": 143,
    "imaps": 993,
    "web": 7025,
}
"""Port offsets of the services above the port base."""


class DevSettings(Struct, frozen=True):
    """Settings of a dev environment."""

    host: str = "127.0.0.1"
    port_base: int = 1000
    """0: a free port for each service."""
    data: Path | None = None
    """Data directory. None: a temporary one, removed at the end."""
    any_password: bool = False
    """Whether mailboxes outside home accept every password."""
    weak_mechanisms: bool = False
    """Whether CRAM-MD5 and APOP are offered; they need stored plaintext passwords, which are public here."""
    scram: bool = False
    """Whether SCRAM is offered; see `[accounts] scram` of a real server for why it may not be."""
    max_letters: int | None = None
    """Maximum number of letters; the oldest are deleted first."""
    max_age: float | None = None
    """Maximum age of letters, in seconds."""
    keys: Path | None = None
    """Directory of the private CA, which environments can share. None: in the data directory."""
    faults: tuple[Fault, ...] = ()
    """Fault rules that are active from the start."""
    magic_recipients: bool = False
    """Whether addresses such as "temperror@elsewhere.test" inject faults."""
    at: Mapping[str, HostPort] = field(default_factory=dict)
    """Addresses of services that do not follow the port base. "captures" (implicit TLS) listens only if set here."""
    compat: str = ""
    """Tool to be compatible with: "mailpit", "mailhog" or "greenmail"; its API wins where paths collide."""
    imap_profile: str = ""
    """Provider that IMAP imitates, a name of `mailstack.sandbox.imap.profiles`. Empty: none."""
    web_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets (mailstack.accounts.checker) for the pages. Empty: no login on loopback, else an account."""
    smtp_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets for the capture port. Empty: no login is required."""
    send_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets for Mailpit's send API. Empty: the logins of the pages."""
    open_send: bool = False
    """Whether Mailpit's send API needs no login."""
    pop3_logins: Mapping[str, str] = field(default_factory=dict)
    """Names and secrets for POP3 access to all letters in one mailbox; other logins open their own mailbox."""
    allowed_recipients: str = ""
    """Regular expression; the capture port accepts recipients in which it is found. Empty: all."""
    open: bool = False
    """Whether pages and API are served to each client without a login, and under each host name."""
    web_hosts: tuple[str, ...] = ()
    """Additional host names of the pages, such as that of a container."""
    users: tuple[tuple[str, str], ...] = ()
    """Additional accounts: addresses and passwords."""
    login_names: Mapping[str, str] = field(default_factory=dict)
    """Login names other than addresses, each with its account."""
    relay: ExternalRelay | None = None
    """External relay for released letters; None: no letter leaves this machine."""
    relay_all: bool = False
    """Whether all captured letters are relayed."""
    relay_matching: str = ""
    """Regular expression; captured letters are relayed to recipients in which it is found."""
    cors: tuple[Origin, ...] = ()
    """Origins that may use the API (CORS)."""
    spam_filter: SpamFilter | None = None
    """Spam filter that scores letters on request."""
    browser: str = ""
    """Chromium for screenshots: a name on PATH, or a path. Empty: the usual names."""
    preload: Path | None = None
    """Directory of letters that are delivered at the start (mailstack.sandbox.dev.accounts)."""
    strict_newlines: bool = False
    """Whether the capture port refuses lines that end in LF alone, as other hosts do."""
    clear_logins: bool = False
    """Whether logins are accepted without TLS."""
    max_size: int | None = None
    """Maximum octets of a letter at the capture port; None: the default."""
    max_recipients: int | None = None
    """Maximum recipients of a letter at the capture port; None: the default."""
    schedule: ScheduleSettings = ScheduleSettings()
    """Retry schedule of the relay queues."""

    @property
    def provider(self) -> ImapProfile | None:
        """Provider that IMAP imitates. Raises ValueError for an unknown one."""
        return find_profile(self.imap_profile)

    @property
    def imap(self) -> ImapSettings:
        """Default folders and limits of IMAP. Raises as `provider`."""
        settings = ImapSettings() if self.provider is None else self.provider.settings()
        return replace(settings, journey_messages=JOURNEY_MESSAGES)

    @property
    def accounts(self) -> tuple[tuple[str, str], ...]:
        """Addresses and passwords of the initial accounts."""
        more = [(Address.parse(address).key, password) for address, password in self.users]
        return tuple({**{f"{user}@{HOME_DOMAIN}": user for user in USERS}, **dict(more)}.items())

    @property
    def web_host(self) -> str:
        """Address that the pages listen on."""
        at = self.at.get("web")
        return self.host if at is None else at.host
