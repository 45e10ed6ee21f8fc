"""Command `mailstack dns`: the DNS records to publish."""

from __future__ import annotations

from collections.abc import Callable

import click

from mailstack.cli.lazy_group import load
from mailstack.cli.target import TargetServer, with_target_finder


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
    print_records = load("mailstack.cli.dns_records:print_records")
    print_records(find(), domains, addresses, name_servers, zone=zone, as_json=as_json)
