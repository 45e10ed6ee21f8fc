"""Whether the DNS brings other hosts' letters here."""

from __future__ import annotations

from mailstack.cli.checks.finding import Finding, good, warning
from mailstack.config import Config
from mailstack.relay.names import Names, NamesUnavailable, NoSuchDomain

NOBODY_ASKS = (".test", ".example", ".invalid", ".localhost", ".home.arpa", ".local", ".internal")
"""Domains that are not in the public DNS (RFC 2606, 6761, 6762, 8375)."""


async def check_names(config: Config, names: Names) -> list[Finding]:
    """The MX records of each domain, and the addresses of our own name; nothing here is worse than a warning.

    Where no name server answers, a machine may be offline, and the office works all the same.
    """
    if not config.listen.mx:
        return []
    findings = [
        good(f"dns {domain}", "is not a name of the public DNS: nobody out there can write to it")
        for domain in config.domains
        if is_private(domain)
    ]
    try:
        if not is_private(config.hostname):
            findings.append(await _own_name(config.hostname, names))
        findings += [
            await _mail_exchange(domain, config.hostname, names) for domain in config.domains if not is_private(domain)
        ]
    except NamesUnavailable as error:
        findings.append(warning("dns", f"no answer, so that nothing is known of MX records: {error}"))
    return findings


def is_private(domain: str) -> bool:
    """Whether the name has no place in the public DNS."""
    return ("." + domain.lower()).endswith(NOBODY_ASKS) or domain.startswith("[") or "." not in domain


async def _own_name(hostname: str, names: Names) -> Finding:
    part = f"dns {hostname}"
    try:
        addresses = await names.addresses(hostname)
    except NoSuchDomain:
        addresses = ()
    if not addresses:
        return warning(
            part, f"{hostname} has no address, so that other hosts can't call it; publish A and AAAA records"
        )
    return good(part, f"is {', '.join(addresses)}")


async def _mail_exchange(domain: str, hostname: str, names: Names) -> Finding:
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
