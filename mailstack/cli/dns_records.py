"""DNS records of a server, printed by `mailstack dns`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.setup import client_info_of
from mailstack.cli.target import TargetServer
from mailstack.web.autoconfig.records import data_text, publication, publication_facts, zone_header, zone_lines

if TYPE_CHECKING:
    from mailstack.web.autoconfig.records import DnsRecord, Publication


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
    wanted = _publication(target, domains, addresses)
    if as_json:
        for domain, record in wanted.all():
            shape = {"name": record.name, "type": record.type, "ttl": record.ttl, "data": record.data}
            print_json({"domain": domain, **shape, "why": record.reason})
    elif zone:
        click.echo("\n".join(_zone(wanted, name_servers)))
    else:
        _table(wanted)


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


def _table(wanted: Publication) -> None:
    rows = [(record.name, record.type, data_text(record), record.reason) for _, record in wanted.all()]
    print_table(("name", "type", "data", "why"), rows)
    for note in wanted.notes:
        click.echo(f"\n* {note}")


def _zone(wanted: Publication, name_servers: Sequence[str]) -> list[str]:
    lines = [f"; {note}" for note in wanted.notes]
    if not name_servers:
        lines.append("; All names are absolute: $INCLUDE this file into the zone of each name, or copy the lines.")
        for domain, records in (("the host itself", wanted.host), *wanted.domains.items()):
            lines += ["", f"; {domain}", *zone_lines(records)]
        return lines
    if len(wanted.domains) != 1:
        raise CommandError(f"a complete zone has one domain; choose it with --domain: {', '.join(wanted.domains)}")
    ((domain, records),) = wanted.domains.items()
    ours: list[DnsRecord] = [record for record in wanted.host if record.name.endswith(f".{domain}.")]
    return [*lines, *zone_header(domain, name_servers, time.time()), *zone_lines([*ours, *records])]
