"""Whether the DNS brings other hosts' letters here, and lets them believe who we are."""

from __future__ import annotations

from mailstack.cli.checks.finding import Finding, good, warning
from mailstack.config import Config
from mailstack.net.lookups import ReverseNames
from mailstack.relay.dns import DnsUnavailable, NoSuchDomain

NOBODY_ASKS = (".test", ".example", ".invalid", ".localhost", ".home.arpa", ".local", ".internal")
"""Domains that are not in the public DNS (RFC 2606, 6761, 6762, 8375)."""


async def check_names(config: Config, names: ReverseNames) -> list[Finding]:
    """The MX records of each domain, the addresses of our own name, and whether they lead back to it.

    Nothing here is worse than a warning. Where no name server answers, a machine may be offline, and the server works all the same.
    """
    if not config.listen.mx:
        return []
    findings = [
        good(f"dns {domain}", "is not a name of the public DNS: nobody out there can write to it")
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
        findings.append(warning("dns", f"no answer, so that nothing is known of what is published: {error}"))
    return findings


def is_private(domain: str) -> bool:
    """Whether the name has no place in the public DNS."""
    return ("." + domain.lower()).endswith(NOBODY_ASKS) or domain.startswith("[") or "." not in domain


async def _own_name(hostname: str, names: ReverseNames) -> Finding:
    part = f"dns {hostname}"
    addresses = await _addresses(hostname, names)
    if not addresses:
        return warning(
            part, f"{hostname} has no address, so that other hosts can't call it; publish A and AAAA records"
        )
    strange = [address for address in addresses if hostname.lower() not in await _pointers(address, names)]
    if strange:
        text = (
            f"{', '.join(strange)} does not lead back to it; have the PTR record say {hostname}, or others distrust us"
        )
        return warning(part, text)
    return good(part, f"is {', '.join(addresses)}")


async def _addresses(hostname: str, names: ReverseNames) -> tuple[str, ...]:
    try:
        return await names.addresses(hostname)
    except NoSuchDomain:
        return ()


async def _pointers(address: str, names: ReverseNames) -> list[str]:
    """The names that an address leads to, in lower case."""
    try:
        return [name.lower() for name in await names.pointers(address)]
    except NoSuchDomain:
        return []


async def _mail_exchange(domain: str, hostname: str, names: ReverseNames) -> Finding:
    part = f"dns {domain}"
    try:
        records = sorted(await names.mx(domain))
    except NoSuchDomain:
        return warning(part, "does not exist in the DNS, so that nobody can write to it")
    hosts = [record.host.lower() for record in records]
    if hostname.lower() in hosts:
        return good(part, f"MX {', '.join(f'{record.preference} {record.host}' for record in records)}")
    found = f"is {', '.join(hosts)}" if hosts else "is missing"
    return warning(part, f'MX {found}, so that letters do not come here; publish "{domain}. MX 10 {hostname}."')
