"""Sections of the configuration for letters: submission, MX, policies, relay and delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from mailstack.config.syntax import Size, SizeOrNone
from mailstack.config.values import (
    AddressPattern,
    Blocked,
    Count,
    CountOrNone,
    Domain,
    DomainPattern,
    FieldName,
    HookName,
    HostName,
    IpText,
    Keyword,
    Network,
    Port,
    Priority,
    Selector,
    WebUrl,
)
from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.letter.times import Duration, read_duration
from mailstack.policy.authentication import OVERSIGNED, SIGNED
from mailstack.queue.webhooks.webhook import EventName
from mailstack.relay.routes import NO_ROUTES, NO_SENDER_ROUTES, SenderRoutes, SmartHost, StaticRoutes
from mailstack.relay.tls_policy import NO_TLS_POLICY, TlsPolicyTable


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
    """DKIM signing key and its selector in the DNS. `load` requires both."""

    selector: Selector = Selector("")
    file: Path | None = None
    domains: tuple[Domain, ...] = ()
    """Domains that the key signs for. Empty: all domains of the server, and their subdomains."""


class DkimSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """DKIM signatures of submitted letters; without keys there are none."""

    keys: tuple[DkimKeySettings, ...] = ()
    headers: tuple[FieldName, ...] = tuple(FieldName(name) for name in SIGNED)
    oversign: tuple[FieldName, ...] = tuple(FieldName(name) for name in OVERSIGNED)
    sign_relayed: bool = False


class AuthenticationSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Authentication of letters from other hosts, and its consequences."""

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
    """Source address and HELO name of connections for some letters; empty values are taken from Relay."""

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
    subaddress_folders: bool = True
    junk_folder: bool = True
    quota: SizeOrNone = SizeOrNone(0)
    mailbox_full: Literal["temporary", "permanent"] = "temporary"


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
    """Webhook: receiver of journey steps by HTTP. `load` requires its name and URL."""

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
