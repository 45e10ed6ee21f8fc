"""DNS records and DKIM keys of a server, for `mailstack dns` and `mailstack dkim`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.runner import set_owner
from mailstack.cli.setup import client_info_of
from mailstack.cli.target import TargetServer, target_of_config
from mailstack.policy.authentication import keys
from mailstack.policy.authentication.signature import is_selector
from mailstack.web.autoconfig.records import data_text, publication, publication_facts, zone_header, zone_lines

if TYPE_CHECKING:
    from mailstack.web.autoconfig.records import DnsRecord, Publication

MAX_STRING = 255
"""Maximum octets of one string of a TXT record (RFC 1035 §3.3.14)."""


def print_records(
    target: TargetServer,
    domains: Sequence[str],
    addresses: Sequence[str],
    name_servers: Sequence[str],
    *,
    zone: bool,
    as_json: bool,
) -> None:
    """Prints the records of all domains, or of `domains`. Raises CommandError."""
    records = _publication(target, domains, addresses)
    if as_json:
        for domain, record in records.all():
            shape = {"name": record.name, "type": record.type, "ttl": record.ttl, "data": record.data}
            print_json({"domain": domain, **shape, "why": record.reason})
    elif zone:
        click.echo("\n".join(_zone(records, name_servers)))
    else:
        _table(records)


def _publication(target: TargetServer, domains: Sequence[str], addresses: Sequence[str]) -> Publication:
    server = client_info_of(target)
    everything = publication(server.config, publication_facts(server.config, server.services, _checked(addresses)))
    chosen = {domain.lower().rstrip("."): None for domain in domains}
    if unknown := [domain for domain in chosen if domain not in everything.domains]:
        raise CommandError(f"{unknown[0]} is not a domain of this server ({', '.join(everything.domains)})")
    if not chosen:
        return everything
    return replace(everything, domains={domain: everything.domains[domain] for domain in chosen})


def _checked(addresses: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_address(each)) for each in addresses)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--address") from error


def _table(records: Publication) -> None:
    rows = [(record.name, record.type, data_text(record), record.reason) for _, record in records.all()]
    print_table(("name", "type", "data", "why"), rows)
    for note in records.notes:
        click.echo(f"\n* {note}")


def _zone(wanted: Publication, name_servers: Sequence[str]) -> list[str]:
    lines = [f"; {note}" for note in wanted.notes]
    if not name_servers:
        lines.append("; All names are absolute: $INCLUDE this file into the zone of each name, or copy the lines.")
        for domain, records in (("the host itself", wanted.host), *wanted.domains.items()):
            lines += ["", f"; {domain}", *zone_lines(records)]
        return lines
    if len(wanted.domains) != 1:
        raise CommandError(
            f"--nameserver prints the zone of one domain; choose it with --domain: {', '.join(wanted.domains)}"
        )
    ((domain, records),) = wanted.domains.items()
    host_records: list[DnsRecord] = [record for record in wanted.host if record.name.endswith(f".{domain}.")]
    return [*lines, *zone_header(domain, name_servers, time.time()), *zone_lines([*host_records, *records])]


def generate_key(file: Path, selector: str, kind: str, bits: int) -> None:
    """Generates a DKIM key, and prints its DNS record and settings. Raises CommandError."""
    if not is_selector(selector):
        raise CommandError(f"{selector} is not a selector; use letters, digits and hyphens, for example s2026")
    config = target_of_config(file).settings
    assert config is not None
    path = config.data / "dkim" / f"{selector.lower()}.pem"
    key = keys.generate(kind, bits)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key.pem())
        if os.geteuid() == 0:
            set_owner(config.data, (path.parent, path))
    except FileExistsError:
        raise CommandError(f"{path} exists already; choose another selector, and retire the old one later") from None
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"The key is in {path}. Publish in the DNS:\n")
    for domain in config.domains:
        click.echo(zone_line(selector.lower(), domain, key.record()))
    click.echo(f'\nWhen the record is visible there, add to {file}:\n\n[[dkim.keys]]\nselector = "{selector.lower()}"')
    click.echo(f'file = "{path}"')


def zone_line(selector: str, domain: str, record: str) -> str:
    """TXT record as a line of a zone file."""
    strings = [f'"{record[start : start + MAX_STRING]}"' for start in range(0, len(record), MAX_STRING)]
    return f"{selector}._domainkey.{domain}. IN TXT ( {' '.join(strings)} )"
