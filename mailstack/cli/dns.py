"""Commands `mailstack dns` and `dkim`: DNS records to publish, and DKIM keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from mailstack.cli.lazy_group import load
from mailstack.cli.target import TargetServer, config_file, with_target_finder


@click.command()
@click.option("--domain", "domains", metavar="DOMAIN", multiple=True, help="Print only this domain; repeatable.")
@click.option(
    "--address",
    "addresses",
    metavar="IP",
    multiple=True,
    help="IP address of this host, for A and AAAA records; repeatable.",
)
@click.option("--zone", is_flag=True, help="Print the records as lines of a zone file.")
@click.option("--nameserver", "name_servers", metavar="HOST", multiple=True,
              help="With --zone and one domain: print a complete zone with SOA and NS records; repeatable.")  # fmt: skip
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
    """Print the DNS records to publish for each domain, with the purpose of each.

    The command queries no DNS server. `mailstack check` compares the published records with these.

    \b
    Example:
      mailstack dns -c mailstack.toml
      mailstack dns -c mailstack.toml --zone --address 192.0.2.25 > mail.zone
    """
    if name_servers and not zone:
        raise click.UsageError("--nameserver requires --zone.")
    print_records = load("mailstack.cli.dns_records:print_records")
    print_records(find(), domains, addresses, name_servers, zone=zone, as_json=as_json)


@click.group()
def dkim() -> None:
    """Generate DKIM signing keys.

    Messages are signed if [dkim] has a key. Its public key is published at SELECTOR._domainkey.DOMAIN;
    `mailstack dns` prints the records for the keys of a configuration.
    """


@dkim.command()
@click.argument("selector")
@click.option("--kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True, help="Type of key.")
@click.option("--bits", type=click.IntRange(2048, 4096), default=2048, show_default=True, help="Size of an RSA key.")
@config_file
def generate(file: Path, selector: str, kind: str, bits: int) -> None:
    """Generate a key in the data directory.

    The DNS record and the lines for the configuration are printed. Every host verifies RSA. Ed25519 (RFC 8463) is
    shorter and faster, but many hosts don't verify it: use it as a second key beside RSA.

    \b
    Example:
      mailstack dkim generate s2026 -c mailstack.toml
      mailstack dkim generate e2026 --kind ed25519 -c mailstack.toml
    """
    load("mailstack.cli.dns_records:generate_key")(file, selector, kind, bits)
