"""Checks of the published DNS records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from mailstack.cli.checks import Finding, good, warning
from mailstack.config import Config
from mailstack.net.resolver import ReverseNames
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable, NoSuchDomain
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.autoconfig.records import DnsRecord, publication, publication_facts

PRIVATE_DOMAINS = (".test", ".example", ".invalid", ".localhost", ".home.arpa", ".local", ".internal")
"""Top-level domains outside the public DNS (RFC 2606, 6761, 6762, 8375)."""


async def check_names(config: Config, names: ReverseNames) -> list[Finding]:
    """Checks MX records of the domains, and address and PTR records of the server's own names.

    All problems are warnings: without a name server the machine may be offline, and the server works all the same.
    """
    if not config.listen.mx:
        return []
    findings = [
        good(f"dns {domain}", "is not in the public DNS, so other hosts can't send mail to it")
        for domain in config.domains
        if is_private(domain)
    ]
    try:
        own = dict.fromkeys(
            (config.relay.ehlo_name or config.hostname, *(each.ehlo_name for each in config.relay.sources))
        )
        findings += [await _own_name(name, names) for name in own if name and not is_private(name)]
        findings += [
            await _mail_exchange(domain, config.hostname, names) for domain in config.domains if not is_private(domain)
        ]
    except DnsUnavailable as error:
        findings.append(warning("dns", f"no answer, so the published records could not be checked: {error}"))
    return findings


def is_private(domain: str) -> bool:
    """Whether a name is outside the public DNS."""
    return ("." + domain.lower()).endswith(PRIVATE_DOMAINS) or domain.startswith("[") or "." not in domain


async def _own_name(hostname: str, names: ReverseNames) -> Finding:
    part = f"dns {hostname}"
    addresses = await _addresses_of(hostname, names)
    if not addresses:
        return warning(
            part, f"{hostname} has no address, so other hosts can't connect to it; publish A and AAAA records"
        )
    strange = [address for address in addresses if hostname.lower() not in await _pointers(address, names)]
    if strange:
        text = f"{', '.join(strange)} has no PTR record for {hostname}; publish one, or other hosts may reject messages"
        return warning(part, text)
    return good(part, f"is {', '.join(addresses)}")


async def _addresses_of(hostname: str, names: ReverseNames) -> tuple[str, ...]:
    try:
        return await names.addresses(hostname)
    except NoSuchDomain:
        return ()


async def _pointers(address: str, names: ReverseNames) -> list[str]:
    """PTR names of an address, in lower case."""
    try:
        return [name.lower() for name in await names.pointers(address)]
    except NoSuchDomain:
        return []


async def _mail_exchange(domain: str, hostname: str, names: ReverseNames) -> Finding:
    part = f"dns {domain}"
    try:
        records = sorted(await names.mx(domain))
    except NoSuchDomain:
        return warning(part, "does not exist in the DNS, so other hosts can't send mail to it")
    hosts = [record.host.lower() for record in records]
    if hostname.lower() in hosts:
        return good(part, f"MX {', '.join(f'{record.preference} {record.host}' for record in records)}")
    found = f"is {', '.join(hosts)}" if hosts else "is missing"
    return warning(part, f'MX {found}, so messages do not arrive here; publish "{domain}. MX 10 {hostname}."')


class Published(Protocol):
    """DNS queries of the checks. All raise DnsUnavailable, and all but `tlsa` NoSuchDomain."""

    async def txt(self, name: str) -> tuple[str, ...]: ...
    async def srv(self, name: str) -> tuple[str, ...]: ...
    async def tlsa(self, name: str) -> tuple[Tlsa, ...]: ...
    async def addresses(self, host: str) -> tuple[str, ...]: ...


Check = Callable[[DnsRecord, Published], Coroutine[Any, Any, Finding | None]]


async def check_published(config: Config, names: Published) -> list[Finding]:
    """Compares the published records, except MX, with the output of `mailstack dns`. Raises DnsUnavailable."""
    expected = publication(config, publication_facts(config, services_from_config(config)))
    records = [record for domain, record in expected.all() if not is_private(domain or config.hostname)]
    found = [await CHECKS[record.type](record, names) for record in records if record.type in CHECKS]
    return [finding for finding in found if finding is not None]


async def _text(record: DnsRecord, names: Published) -> Finding:
    """Finds a TXT record by its first tag; only STS and DKIM records must agree beyond it."""
    part, tag = _part(record), record.data.split(";")[0].split(" ")[0]
    texts = [text for text in await _lookup(names.txt, record) if text.lower().startswith(tag.lower())]
    if not texts:
        return warning(part, f'{tag} is missing; publish TXT "{record.data}" ({record.reason})')
    if len(texts) > 1:
        return warning(part, f"{tag} is published {len(texts)} times, which is an error for verifiers; keep one")
    must_agree = tag in ("v=STSv1", "v=DKIM1")
    if must_agree and _fields(texts[0]) != _fields(record.data):
        return warning(part, f'{tag} differs from the configuration; publish TXT "{record.data}"')
    return good(part, texts[0])


def _fields(text: str) -> list[str]:
    """Tags of a record, without spaces."""
    return ["".join(each.split()) for each in text.split(";") if each.strip()]


async def _service(record: DnsRecord, names: Published) -> Finding | None:
    """Compares the target only; a denied service may be unpublished."""
    targets = [text.split(" ", 2)[2].lower() for text in await _lookup(names.srv, record)]
    target = record.data.split(" ", 2)[2].lower()
    if target in targets:
        return good(_part(record), f"SRV {record.data}")
    if targets:
        return warning(_part(record), f"SRV points to {', '.join(targets)}; publish SRV {record.data}")
    if target == "0 .":
        return None
    return warning(_part(record), f"SRV is missing; publish SRV {record.data} ({record.reason})")


async def _alias(record: DnsRecord, names: Published) -> Finding:
    """Accepts a CNAME and address records alike."""
    here = await _addresses(record.data.rstrip("."), names)
    addresses = await _addresses(record.name.rstrip("."), names)
    if here & addresses:
        return good(_part(record), f"points to {record.data.rstrip('.')}")
    found = f"points to {', '.join(sorted(addresses))}" if addresses else "is missing"
    return warning(_part(record), f"{found}; publish CNAME {record.data} ({record.reason})")


async def _key(record: DnsRecord, names: Published) -> Finding | None:
    """Checks TLSA records. None is fine; with a wrong one, other hosts refuse to deliver (RFC 7672 §2.2)."""
    found = await names.tlsa(record.name.rstrip("."))
    if not found:
        return None
    key = record.data.split(" ")[3]
    if any((each.usage, each.selector, each.matching, each.data.hex()) == (3, 1, 1, key) for each in found):
        return good(_part(record), "TLSA matches the key of the certificate")
    if all((each.usage, each.selector, each.matching) == (3, 1, 1) for each in found):
        return warning(
            _part(record), f"TLSA has another key, so other hosts deliver no messages; publish TLSA {record.data}"
        )
    return good(_part(record), "TLSA is published, of a kind that is not compared")


CHECKS: dict[str, Check] = {"TXT": _text, "SRV": _service, "CNAME": _alias, "TLSA": _key}


async def _lookup(ask: Callable[[str], Coroutine[Any, Any, Sequence[str]]], record: DnsRecord) -> Sequence[str]:
    try:
        return await ask(record.name.rstrip("."))
    except NoSuchDomain:
        return ()


async def _addresses(host: str, names: Published) -> set[str]:
    try:
        return set(await names.addresses(host))
    except NoSuchDomain:
        return set()


def _part(record: DnsRecord) -> str:
    return f"dns {record.name.rstrip('.')}"
