"""Command `mailstack dkim`: DKIM signing keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.cli.output import CommandError
from mailstack.cli.target import config_file
from mailstack.config import ConfigError, load
from mailstack.policy.authentication import keys
from mailstack.policy.authentication.signature import is_selector

if TYPE_CHECKING:
    from mailstack.config import Config

MAX_STRING = 255
"""Maximum octets of one string of a TXT record (RFC 1035 §3.3.14)."""


@click.group()
def dkim() -> None:
    """Generate DKIM signing keys.

    Letters are signed if [dkim] has a key. Its public key is published at SELECTOR._domainkey.DOMAIN.
    `mailstack dns` shows what to publish for the keys of a configuration.
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
    if not is_selector(selector):
        raise CommandError(f"{selector} is not a selector; use letters, digits and hyphens, for example s2026")
    config = _load(file)
    path = config.data / "dkim" / f"{selector.lower()}.pem"
    key = keys.generate(kind, bits)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key.pem())
        _set_owner(config.data, path)
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
    strings = [f'"{record[place : place + MAX_STRING]}"' for place in range(0, len(record), MAX_STRING)]
    return f"{selector}._domainkey.{domain}. IN TXT ( {' '.join(strings)} )"


def _load(file: Path) -> Config:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        raise CommandError(str(error)) from error


def _set_owner(data: Path, path: Path) -> None:
    """Gives files created by root to the owner of the data directory."""
    if os.geteuid() == 0:
        owner = data.stat()
        for each in (path.parent, path):
            os.chown(each, owner.st_uid, owner.st_gid)
