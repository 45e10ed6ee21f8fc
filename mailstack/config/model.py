"""Model of the configuration: each setting with its type and default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mailstack.config.endpoints import Endpoint
from mailstack.config.sizes import Size, SizeOrNone
from mailstack.config.values import (
    AddressPattern,
    Blocked,
    Domain,
    DomainPattern,
    FieldName,
    HookName,
    HostName,
    IpText,
    Keyword,
    Network,
    NodeName,
    Origin,
    Owner,
    SchemaName,
    Selector,
    StoreName,
    WebRoot,
    WebUrl,
)
from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.letter.times import Duration, read_duration
from mailstack.policy.authentication import OVERSIGNED, SIGNED
from mailstack.queue.webhooks.webhook import EventName
from mailstack.relay.routes import NO_ROUTES, NO_SENDER_ROUTES, SenderRoutes, SmartHost, StaticRoutes
from mailstack.relay.tls_policy import NO_TLS_POLICY, TlsPolicyTable

Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
CountOrNone = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")]
Port = Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")]
Priority = Annotated[int, Meta(ge=-9, le=9, description="a whole number from -9 to 9")]
PortOrNone = Annotated[int, Meta(ge=0, le=65535, description="a whole number from 0 to 65535")]
Percent = Annotated[int, Meta(ge=1, le=100, description="a whole number from 1 to 100")]
Rounds = Annotated[int, Meta(ge=4, le=20, description="a whole number from 4 to 20")]
PasswordLength = Annotated[int, Meta(ge=1, le=72, description="a whole number from 1 to 72")]
Iterations = Annotated[int, Meta(ge=4096, le=10_000_000, description="a whole number from 4096 to 10000000")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Attempts = Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")]
Threads = Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64")]


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
    """One more certificate and its key; `load` sees to it that both are given."""

    certificate: Path | None = None
    key: Path | None = None


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Our certificates; none at all: a private CA and a certificate are made in the data directory."""

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


class SubmissionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules and limits of submission."""

    max_size: Size = Size(52428800)
    max_recipients: Count = 1000
    check_sender: bool = True
    max_hold: Duration = read_duration("30d")
    min_deliver_by: Duration = read_duration("10s")
    max_priority: Priority = 3
    withhold: tuple[Keyword, ...] = ()
    xclient: tuple[Network, ...] = ()
    check_from: Literal["allow", "sender", "refuse"] = "refuse"
    broken_header: Literal["repair", "refuse", "allow"] = "repair"
    hide_client: bool = False
    recipient_domain: bool = False
    letters_per_hour: CountOrNone = 0
    recipients_per_hour: CountOrNone = 0
    verp: tuple[AddressPattern, ...] = ()


class ExchangeSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rules and limits of the MX service; None means the value of `submission`."""

    max_size: Size | None = None
    max_recipients: Count | None = None
    min_deliver_by: Duration = read_duration("10s")
    max_priority: Priority = 0
    min_priority: Priority = -9
    priority_from: tuple[Network, ...] = ()
    withhold: tuple[Keyword, ...] = ()
    xclient: tuple[Network, ...] = ()
    connections_per_address: Count = 50
    greet_delay: Duration = read_duration("0")
    reverse_dns: bool = True
    letters_per_hour: CountOrNone = 0
    recipients_per_hour: CountOrNone = 0


class LmtpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Access to LMTP delivery."""

    lmtp_from: tuple[Network, ...] = field(default=(Network("127.0.0.0/8"), Network("::1/128")), name="from")


class GreylistSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Greylisting."""

    enabled: bool = False
    delay: Duration = read_duration("5m")
    retry: Duration = read_duration("1d")
    keep: Duration = read_duration("35d")
    max_entries: Count = 1_000_000


class PolicySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Policies on clients and senders of the MX service."""

    allow: tuple[Network, ...] = ()
    block: tuple[Blocked, ...] = ()
    refuse_at: Literal["connection", "recipient"] = "connection"
    dnsbl: tuple[Domain, ...] = ()
    sender_domain: bool = False
    client_name: bool = False
    dns_timeout: Duration = read_duration("5s")
    greylist: GreylistSettings = field(default_factory=GreylistSettings)


class DkimKeySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key that signs, and what the DNS calls it; `load` sees to it that both are given."""

    selector: Selector = Selector("")
    file: Path | None = None
    domains: tuple[Domain, ...] = ()
    """None: all that the server has."""


class DkimSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the letters of our users are signed; without keys they are not."""

    keys: tuple[DkimKeySettings, ...] = ()
    headers: tuple[FieldName, ...] = tuple(FieldName(name) for name in SIGNED)
    oversign: tuple[FieldName, ...] = tuple(FieldName(name) for name in OVERSIGNED)
    sign_relayed: bool = False


class AuthenticationSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What letters of other hosts are asked, and what follows from the answers."""

    spf: bool = True
    dkim: bool = True
    dmarc: bool = True
    arc: bool = True
    trusted: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1/128"))
    spf_fail: Literal["mark", "refuse"] = "mark"
    dkim_fail: Literal["mark", "refuse"] = "mark"
    dmarc_reject: Literal["refuse", "mark"] = "refuse"
    malformed_from: Literal["refuse", "mark"] = "refuse"
    temperror: Literal["accept", "defer"] = "accept"
    trusted_sealers: tuple[Domain, ...] = ()
    signatures: Count = 8
    timeout: Duration = read_duration("10s")


class ScheduleSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Retry schedule of outbound letters."""

    first: Duration = read_duration("5m")
    longest: Duration = read_duration("4h")
    warn_after: Duration = read_duration("4h")
    give_up_after: Duration = read_duration("5d")


class RelaySourceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From where, and under which name, hosts are called for some letters; what is empty is as in Relay."""

    senders: tuple[AddressPattern, ...] = ()
    domains: tuple[DomainPattern, ...] = ()
    source_address: IpText = IpText("")
    source_address6: IpText = IpText("")
    ehlo_name: HostName = HostName("")


class RelaySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Outbound delivery to other hosts."""

    relay_from: tuple[Network, ...] = field(default=(), name="from")
    nameservers: tuple[HostPort, ...] = ()
    smart_host: tuple[SmartHost, ...] = ()
    """Complete once loaded, also when the password has a file of its own."""
    smart_host_password_file: Path | None = None
    smart_host_token_file: Path | None = None
    port: Port = 25
    source_address: IpText = IpText("")
    source_address6: IpText = IpText("")
    ehlo_name: HostName = HostName("")
    sources: tuple[RelaySourceSettings, ...] = ()
    tls: Literal["never", "opportunistic", "required", "verified"] = "opportunistic"
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    mta_sts: bool = True
    dane: bool = False
    concurrency: Count = 100
    per_destination: Count = 20
    first_per_destination: Count = 5
    letters_per_connection: Count = 100
    host_backoff_first: Duration = read_duration("15s")
    host_backoff_longest: Duration = read_duration("10m")
    silent_time: Duration = read_duration("10s")
    max_recipients: Count = 100
    allowed_domains: tuple[DomainPattern, ...] = ()
    when_not_allowed: Literal["hold", "capture", "refuse"] = "hold"
    capture_to: Address | None = None
    suppress_bounced: bool = False
    routes: StaticRoutes = NO_ROUTES
    sender_routes: SenderRoutes = NO_SENDER_ROUTES
    tls_policy: TlsPolicyTable = NO_TLS_POLICY
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)


class DeliverySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Delivery into local mailboxes."""

    postmaster: Address | None = None
    undeliverable_reports: Literal["postmaster", "drop"] = "postmaster"
    subaddress: bool = True
    quota: SizeOrNone = SizeOrNone(0)
    mailbox_full: Literal["temporary", "permanent"] = "temporary"


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
    """What people's clients are told, where it differs from `hostname` and `listen`; 0: as there."""

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


class MtaStsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The policy by which other hosts find out that letters for us must come under TLS."""

    mode: Literal["none", "testing", "enforce"] = "testing"
    mx: tuple[Domain, ...] = ()
    max_age: Duration = read_duration("7d")


class TlsReportsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS reports to other domains (RFC 8460)."""

    send: Literal["auto", "on", "off"] = "auto"
    author: Address | None = None
    organization: str = ""
    contact: str = ""
    spread: Duration = read_duration("4h")


class WebhookSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program elsewhere that is told by HTTP what becomes of letters; `load` sees to it that name and url are given."""

    name: HookName = HookName("")
    url: WebUrl = WebUrl("")
    events: tuple[EventName, ...] = ("delivered", "relayed", "delayed", "bounced")
    senders: tuple[DomainPattern, ...] = ()
    secret_file: Path | None = None
    ca_file: Path | None = None
    allow_http: bool = False
    timeout: Duration = read_duration("10s")
    in_flight: Count = 4
    first: Duration = read_duration("5s")
    longest: Duration = read_duration("1h")
    give_up_after: Duration = read_duration("3d")


class PostgresqlSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """PostgreSQL store of a deployment."""

    schema: SchemaName = SchemaName("")
    node: NodeName = NodeName("")
    """Empty: a name that is made once and kept in the data directory."""
    connect_timeout: Duration = read_duration("3s")
    timeout: Duration = read_duration("15s")
    lost_after: Duration = read_duration("30s")
    writers: Threads = 2
    readers: Threads = 2


class ContentsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where large contents go; without a bucket they are files, or rows of PostgreSQL."""

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
    """The processes that serve the server together."""

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
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    clients: ClientsSettings = field(default_factory=ClientsSettings)
    web: WebSettings = field(default_factory=WebSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    mta_sts: MtaStsSettings = field(default_factory=MtaStsSettings)
    tls_reports: TlsReportsSettings = field(default_factory=TlsReportsSettings)
    contents: ContentsSettings = field(default_factory=ContentsSettings)
    journey: JourneySettings = field(default_factory=JourneySettings)
    workers: WorkersSettings = field(default_factory=WorkersSettings)
    postgresql: PostgresqlSettings = field(default_factory=PostgresqlSettings)
    log: LogSettings = field(default_factory=LogSettings)
