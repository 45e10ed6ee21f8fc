"""`mailstack dns`: the DNS records to publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.setup import client_info_of
from mailstack.cli.target import TargetServer, with_target_finder
from mailstack.web.autoconfig.records import data_text, publication, publication_facts, zone_header, zone_lines

if TYPE_CHECKING:
    from mailstack.web.autoconfig.records import DnsRecord, Publication


@click.command()
@click.option("--domain", "domains", metavar="DOMAIN", multiple=True, help="Only this domain; repeatable.")
@click.option(
    "--address", "addresses", metavar="IP", multiple=True, help="Address of this host, for A and AAAA; repeatable."
)
@click.option("--zone", is_flag=True, help="Print lines for an existing zone file.")
@click.option("--nameserver", "name_servers", metavar="HOST", multiple=True,
              help="With --zone and one domain: print a complete zone, with SOA and NS.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: domain, name, type, ttl, data, why.")
@with_target_finder
def dns(
    find: Callable[[], TargetServer],
    domains: tuple[str, ...],
    addresses: tuple[str, ...],
    name_servers: tuple[str, ...],
    *,
    zone: bool,
    as_json: bool,
) -> None:
    """Print the DNS records to publish for each domain, and why.

    Nothing is looked up or changed. `mailstack check` compares what is published.

    \b
    Example:
      mailstack dns -c mailstack.toml
      mailstack dns -c mailstack.toml --zone --address 192.0.2.25 > mail.zone
    """
    if name_servers and not zone:
        raise click.UsageError("--nameserver needs --zone.")
    wanted = _wanted(find(), domains, addresses)
    if as_json:
        for domain, record in wanted.all():
            shape = {"name": record.name, "type": record.type, "ttl": record.ttl, "data": record.data}
            print_json({"domain": domain, **shape, "why": record.why})
    elif zone:
        click.echo("\n".join(_zone(wanted, name_servers)))
    else:
        _table(wanted)


def _wanted(target: TargetServer, domains: Sequence[str], addresses: Sequence[str]) -> Publication:
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
    rows = [(record.name, record.type, data_text(record), record.why) for _, record in wanted.all()]
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
