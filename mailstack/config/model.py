"""Model of the configuration: accounts, limits, web, storage, and the whole file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from mailstack.config.imap_settings import ImapSettings
from mailstack.config.mail_sections import (
    AuthenticationSettings,
    DeliverySettings,
    DkimSettings,
    ExchangeSettings,
    LmtpSettings,
    MtaStsSettings,
    PolicySettings,
    RelaySettings,
    SubmissionSettings,
    TlsReportsSettings,
    WebhookSettings,
)
from mailstack.config.syntax import Endpoint, Size, SizeOrNone
from mailstack.config.values import (
    Algorithm,
    Attempts,
    Count,
    CountOrNone,
    Domain,
    HostName,
    Iterations,
    Network,
    NodeName,
    Origin,
    Owner,
    PasswordLength,
    Percent,
    PortOrNone,
    Rounds,
    SchemaName,
    StoreName,
    Threads,
    WebRoot,
)
from mailstack.letter import Address
from mailstack.letter.times import Duration, read_duration


class ListenSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Endpoints of each service; an empty list disables the service."""

    submission: tuple[Endpoint, ...] = ()
    submissions: tuple[Endpoint, ...] = ()
    mx: tuple[Endpoint, ...] = ()
    pop3: tuple[Endpoint, ...] = ()
    pop3s: tuple[Endpoint, ...] = ()
    imap: tuple[Endpoint, ...] = ()
    imaps: tuple[Endpoint, ...] = ()
    lmtp: tuple[Endpoint, ...] = ()
    web: tuple[Endpoint, ...] = ()
    https: tuple[Endpoint, ...] = ()


class ProxySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Load balancers that send a PROXY header to "haproxy:" endpoints."""

    networks: tuple[Network, ...] = ()
    timeout: Duration = read_duration("5s")


class CertificateSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Additional certificate and its key. `load` requires both."""

    certificate: Path | None = None
    key: Path | None = None


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Certificates of the server; without any, a private CA and a certificate are made in the data directory."""

    certificate: Path | None = None
    key: Path | None = None
    certificates: tuple[CertificateSettings, ...] = ()
    client_ca: Path | None = None
    ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP"
    watch: Duration = read_duration("1m")
    warn_before: Duration = read_duration("30d")
    urgent_before: Duration = read_duration("7d")


class OAuthSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Logins with OAuth tokens; disabled without an issuer."""

    issuer: str = ""
    audience: str = ""
    scopes: tuple[str, ...] = ()
    claim: str = "email"
    jwks: Path | None = None
    jwks_url: str = ""
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    introspection: str = ""
    client_id: str = ""
    client_secret_file: Path | None = None
    timeout: Duration = read_duration("5s")
    refresh: Duration = read_duration("1h")
    remember: Duration = read_duration("1m")
    leeway: Duration = read_duration("30s")


class AccountsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Logins and passwords."""

    min_password_length: PasswordLength = 8
    bcrypt_rounds: Rounds = 12
    scram: bool = False
    scram_iterations: Iterations = 65_536
    require_tls: bool = True
    threads: Threads = 2
    queue: Count = 64
    remember: Duration = read_duration("5m")
    failure_delay: Duration = read_duration("1s")
    longest_delay: Duration = read_duration("15s")
    shared_failures: CountOrNone = 10
    certificate_names: bool = False
    certificates: tuple[Owner, ...] = ()
    oauth: OAuthSettings = field(default_factory=OAuthSettings)


class LimitsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of clients and sessions."""

    connections: Count = 10000
    connections_per_address: Count = 2000
    connections_per_minute: CountOrNone = 0
    exempt: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1/128"))
    busy_percent: Percent = 80
    busy_timeout: Duration = read_duration("30s")
    errors: Count = 20
    junk_commands: CountOrNone = 100
    auth_failures: Count = 5
    tarpit: Duration = read_duration("1s")
    tarpit_longest: Duration = read_duration("10s")
    tarpit_connections: CountOrNone = 100
    command_timeout: Duration = read_duration("5m")
    data_timeout: Duration = read_duration("3m")
    handshake_timeout: Duration = read_duration("30s")
    data_rate: Count = 128
    session_time: Duration = read_duration("1h")
    session_letters: CountOrNone = 0
    pop3_idle: Duration = read_duration("10m")
    pop3_write: Duration = read_duration("2m")
    pop3_login_delay: Duration = read_duration("0")
    header_size: Size = Size(262144)
    report_size: Size = Size(1048576)
    content_line: CountOrNone = 0
    hops: Count = 100
    min_free_space: SizeOrNone = SizeOrNone(67108864)


class ClientsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Client settings that differ from `hostname` and `listen`; 0: the same."""

    host: HostName = HostName("")
    submission: PortOrNone = 0
    submissions: PortOrNone = 0
    pop3: PortOrNone = 0
    pop3s: PortOrNone = 0
    imap: PortOrNone = 0
    imaps: PortOrNone = 0


class WebSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Web interface and HTTP API."""

    hosts: tuple[HostName, ...] = ()
    root: WebRoot = WebRoot("/")
    max_body: Size = Size(65536)
    request_timeout: Duration = read_duration("30s")
    max_upload: Size = Size(73400320)
    max_uploads: Size = Size(268435456)
    max_attachments: Count = 100
    threads: Count = 2
    queue: Count = 50
    streams: Count = 500
    streams_per_client: Count = 250
    admins: tuple[Address, ...] = ()
    cors: tuple[Origin, ...] = ()


class IndexSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Index of letters for the web interface, and its retention."""

    enabled: bool = False
    max_letters: CountOrNone = 100_000
    max_age: Duration = read_duration("30d")
    undo: Duration = read_duration("1m")


class ScreenshotsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Screenshots of letters by Chromium, and their limits."""

    browser: str = ""
    """Empty: the first of the usual names on PATH."""
    require_sandbox: bool = True
    concurrency: CountOrNone = 1
    queue: CountOrNone = 10
    timeout: Duration = read_duration("20s")
    memory: Size = Size(1073741824)
    max_width: Count = 2000
    max_height: Count = 10_000


class PostgresqlSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """PostgreSQL store of a deployment."""

    schema: SchemaName = SchemaName("")
    node: NodeName = NodeName("")
    """Empty: a generated name, stored in the data directory."""
    connect_timeout: Duration = read_duration("3s")
    timeout: Duration = read_duration("15s")
    lost_after: Duration = read_duration("30s")
    writers: Threads = 2
    readers: Threads = 2


class ContentsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Storage of large contents: a bucket, else files, or rows of PostgreSQL."""

    bucket: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    above: Size = Size(65536)
    only_read: bool = False
    access_key: str = ""
    secret_key_file: Path | None = None
    ca_file: Path | None = None
    connections: Threads = 8
    connect_timeout: Duration = read_duration("5s")
    timeout: Duration = read_duration("20s")
    attempts: Attempts = 3
    patience: Duration = read_duration("1m")
    orphan_age: Duration = read_duration("1d")


class JourneySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Retention of journeys."""

    keep: Duration = read_duration("30d")


class WorkersSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Worker processes of the server."""

    count: Threads = 1
    hung_after: Duration = read_duration("1m")


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Log output."""

    level: Literal["debug", "info", "warn", "error"] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One mail server. Paths are absolute, durations are seconds, sizes are octets."""

    hostname: HostName = HostName("")
    """Never empty once loaded: `load` puts the machine's own name for an empty one."""
    data: Path = Path("data")
    domains: tuple[Domain, ...] = ()
    store: StoreName = StoreName()
    webhooks: tuple[WebhookSettings, ...] = ()
    listen: ListenSettings = field(default_factory=ListenSettings)
    proxy: ProxySettings = field(default_factory=ProxySettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    accounts: AccountsSettings = field(default_factory=AccountsSettings)
    submission: SubmissionSettings = field(default_factory=SubmissionSettings)
    exchange: ExchangeSettings = field(default_factory=ExchangeSettings)
    lmtp: LmtpSettings = field(default_factory=LmtpSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    clients: ClientsSettings = field(default_factory=ClientsSettings)
    web: WebSettings = field(default_factory=WebSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    screenshots: ScreenshotsSettings = field(default_factory=ScreenshotsSettings)
    mta_sts: MtaStsSettings = field(default_factory=MtaStsSettings)
    tls_reports: TlsReportsSettings = field(default_factory=TlsReportsSettings)
    contents: ContentsSettings = field(default_factory=ContentsSettings)
    journey: JourneySettings = field(default_factory=JourneySettings)
    workers: WorkersSettings = field(default_factory=WorkersSettings)
    postgresql: PostgresqlSettings = field(default_factory=PostgresqlSettings)
    log: LogSettings = field(default_factory=LogSettings)
