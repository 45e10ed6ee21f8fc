"""DNS records to publish for a server, and its MTA-STS policy (RFC 8461)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from mailstack.config import Config
from mailstack.config.derived import certificate_files, signing_keys
from mailstack.net.certificates import TlsError, read_identity
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.web.autoconfig.guide import SERVICE_KINDS, ClientServices

MAX_AGE = 31_557_600
"""Seconds; RFC 8461 §3.2."""


def policy_text(config: Config) -> str:
    """Return the policy file, with CRLF line ends (RFC 8461 §3.2)."""
    settings = config.mta_sts
    hosts = () if settings.mode == "none" else (config.hostname, *settings.mx)
    lines = ["version: STSv1", f"mode: {settings.mode}", *(f"mx: {host}" for host in hosts)]
    lines.append(f"max_age: {min(int(settings.max_age), MAX_AGE)}")
    return "".join(f"{line}\r\n" for line in lines)


def policy_id(config: Config) -> str:
    """Return the `id` of the TXT record, which changes with the policy (RFC 8461 §3.1)."""
    return hashlib.sha256(policy_text(config).encode()).hexdigest()[:20]


WEB_LABELS = ("mta-sts", "autoconfig", "autodiscover")
"""Labels before a domain for the host names of the web service."""

TTL = 3600
"""TTL in seconds: a mistake expires within the hour."""


class DnsRecord(Struct, frozen=True):
    name: str
    """Absolute name with its final dot."""
    type: str
    data: str
    """Data in presentation format (RFC 1035 §5.1); for TXT the text without quotes."""
    reason: str
    ttl: int = TTL


class Publication(Struct, frozen=True):
    host: tuple[DnsRecord, ...]
    """Records of the host, for the zone of its name."""
    domains: dict[str, tuple[DnsRecord, ...]]
    """Records of each domain of the configuration."""
    notes: tuple[str, ...] = ()
    """Notes for people beside the records."""

    def all(self) -> Iterator[tuple[str, DnsRecord]]:
        """Records with their domains; "" is the host."""
        yield from (("", record) for record in self.host)
        yield from ((domain, record) for domain, records in self.domains.items() for record in records)


class PublicationFacts(Struct, frozen=True):
    """Facts beyond the configuration."""

    services: ClientServices
    web: bool = False
    """Whether the server answers autoconfig, autodiscover and MTA-STS by HTTPS."""
    addresses: Sequence[str] = ()
    """IP addresses of the host, if they are known."""
    key_hash: str = ""
    """SHA-256 of the public key in the certificate (RFC 6698 §2.1.2: selector 1, matching type 1), in hexadecimal."""
    dkim: Sequence[tuple[str, str, str]] = ()
    """Domain, selector and record text of each signing key (RFC 6376 §3.6.1)."""


def publication(config: Config, facts: PublicationFacts) -> Publication:
    """Records to publish; address literals among the domains have none."""
    domains = [domain for domain in config.domains if not domain.startswith("[")]
    records: dict[str, tuple[DnsRecord, ...]] = {
        domain: tuple(_domain_records(domain, config, facts)) for domain in domains
    }
    return Publication(tuple(_host_records(config, facts)), records, tuple(_notes(config, facts, domains)))


def _host_records(config: Config, facts: PublicationFacts) -> Iterator[DnsRecord]:
    host = f"{config.hostname}."
    for address in facts.addresses:
        yield DnsRecord(host, "AAAA" if ":" in address else "A", address, "address of this host")
    if all(
        domain != str(config.hostname) for domain in config.domains
    ):  # two SPF records of one name are an error (RFC 7208 §4.5)
        yield DnsRecord(host, "TXT", "v=spf1 a -all", "SPF: bounces have this host's name (RFC 7208 §2.3)")
    if facts.key_hash and config.listen.mx:
        comment = "DANE: the key of the current certificate (RFC 7672); counts only in a zone signed by DNSSEC"
        yield DnsRecord(f"_25._tcp.{host}", "TLSA", f"3 1 1 {facts.key_hash}", comment)


def _domain_records(domain: str, config: Config, facts: PublicationFacts) -> Iterator[DnsRecord]:
    name, host = f"{domain}.", f"{config.hostname}."
    if config.listen.mx:
        yield DnsRecord(name, "MX", f"10 {host}", "host for mail to the domain")
    yield DnsRecord(name, "TXT", "v=spf1 mx ~all", "SPF: hosts that may send for the domain (RFC 7208)")
    for of, selector, text in facts.dkim:
        if of == domain:
            yield DnsRecord(f"{selector}._domainkey.{name}", "TXT", text, "DKIM: key of the signatures (RFC 6376)")
    policy = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    yield DnsRecord(f"_dmarc.{name}", "TXT", policy, "DMARC: reports first; then p=quarantine, p=reject (RFC 7489)")
    yield from _transport_records(domain, config, facts)
    yield from _service_records(name, facts.services)
    if facts.web:
        yield from _web_records(name, f"{facts.services.host}.")


def _transport_records(domain: str, config: Config, facts: PublicationFacts) -> Iterator[DnsRecord]:
    name = f"{domain}."
    if facts.web:
        sts = f"v=STSv1; id={policy_id(config)}"
        yield DnsRecord(f"_mta-sts.{name}", "TXT", sts, f"MTA-STS, mode {config.mta_sts.mode} (RFC 8461 §3.1)")
        yield DnsRecord(f"mta-sts.{name}", "CNAME", f"{facts.services.host}.", "MTA-STS: host of the policy")
    report = f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"
    yield DnsRecord(f"_smtp._tls.{name}", "TXT", report, "reports about TLS failures (RFC 8460 §3)")


def _service_records(name: str, services: ClientServices) -> Iterator[DnsRecord]:
    """Records of RFC 6186 §3 and RFC 8314 §5.1; the target "." means that a service is not offered."""
    offered = {service.name: service for service in services.all}
    for each in SERVICE_KINDS:
        label, service = f"_{each.name}._tcp.{name}", offered.get(each.name)
        if service is None:
            yield DnsRecord(label, "SRV", "0 0 0 .", "service is not offered to clients (RFC 6186 §3.4)")
            continue
        priority = 10 if each.protocol == "pop3" and services.by_protocol("imap") else 0
        comment = "service for clients (RFC 6186 §3, RFC 8314 §5.1)"
        yield DnsRecord(label, "SRV", f"{priority} 1 {service.port} {service.host}.", comment)


def _web_records(name: str, host: str) -> Iterator[DnsRecord]:
    yield DnsRecord(f"autoconfig.{name}", "CNAME", host, "Thunderbird finds its settings")
    yield DnsRecord(f"autodiscover.{name}", "CNAME", host, "Outlook finds its settings")
    yield DnsRecord(
        f"_autodiscover._tcp.{name}", "SRV", f"0 1 443 {host}", "Outlook finds its settings at the host's name"
    )


def _notes(config: Config, facts: PublicationFacts, domains: Iterable[str]) -> Iterator[str]:
    if not facts.addresses:
        yield f"{config.hostname} needs A and AAAA records, and its addresses a PTR record back to it."
    signed = {domain for domain, _, _ in facts.dkim}
    if missing := [domain for domain in domains if domain not in signed]:
        yield f"No DKIM key signs for {', '.join(missing)}; `mailstack dkim generate` creates one."
    if facts.web:
        names = ", ".join(f"{label}.{domain}" for domain in domains for label in WEB_LABELS)
        yield f"The certificate must also cover {names}; otherwise clients and other hosts refuse it."
    else:
        yield "Autoconfig, autodiscover and MTA-STS need the web service: [listen] https."
    relay = config.relay
    relays = dict.fromkeys(
        host.target.host for hosts in (relay.smart_host, *relay.sender_routes.hosts.values()) for host in hosts
    )
    if relays:
        yield f"Mail is relayed by {', '.join(relays)}: add the provider's `include:` to the SPF records."
    if facts.key_hash:
        yield "Before a renewed certificate with a new key is used, publish its TLSA record for an hour."


def publication_facts(config: Config, services: ClientServices, addresses: Sequence[str] = ()) -> PublicationFacts:
    """Facts for the records; an unreadable or missing certificate has none."""
    return PublicationFacts(
        services, bool(config.listen.https), tuple(addresses), key_hash(config), dkim_records(config)
    )


def dkim_records(config: Config) -> tuple[tuple[str, str, str], ...]:
    """Return domain, selector and record text of each signing key; empty if a key is unreadable."""
    try:
        keys = signing_keys(config)
    except InvalidKey:
        return ()
    return tuple([(domain, each.selector, each.key.record()) for each in keys for domain in each.domains])


def key_hash(config: Config) -> str:
    """Return the SHA-256 of the public key in the server's certificate; "" without a readable certificate."""
    files = certificate_files(config)[0]
    try:
        chain, _ = read_identity(files.certificate, files.key)
    except TlsError:
        return ""
    octets = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


_MAX_CHARACTER_STRING = 255
"""Octets of one character-string (RFC 1035 §3.3)."""


def data_text(record: DnsRecord) -> str:
    """Data in zone file format: TXT as quoted strings of at most 255 octets."""
    if record.type != "TXT":
        return record.data
    pieces = [record.data[at : at + _MAX_CHARACTER_STRING] for at in range(0, len(record.data), _MAX_CHARACTER_STRING)]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces or [""])


def zone_lines(records: Iterable[DnsRecord]) -> list[str]:
    records = list(records)
    width = max((len(record.name) for record in records), default=0)
    return [f"{each.name:<{width}} {each.ttl} IN {each.type:<5} {data_text(each)}" for each in records]


def zone_header(domain: str, name_servers: Sequence[str], now: float) -> list[str]:
    """Return the SOA and NS records of a zone; `now`, in seconds since 1970, makes its serial number."""
    first = f"{name_servers[0].rstrip('.')}."
    serial = f"{datetime.fromtimestamp(now, UTC):%Y%m%d%H}"
    return [
        f"$ORIGIN {domain}.",
        "$TTL 3600",
        f"{domain}. 3600 IN SOA {first} hostmaster.{domain}. {serial} 7200 900 1209600 3600",
        *(f"{domain}. 3600 IN NS {each.rstrip('.')}." for each in name_servers),
    ]
