"""Command `mailstack dkim`: DKIM signing keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.target import config_file
from mailstack.config import ConfigError, load
from mailstack.policy.authentication import keys
from mailstack.policy.authentication.signature import is_selector

if TYPE_CHECKING:
    from mailstack.config import Config

CHARACTERS = 255
"""Octets of one string of a TXT record (RFC 1035 §3.3.14)."""


@click.group()
def dkim() -> None:
    """Make keys that sign letters.

    Letters are signed when [dkim] names a key, and others find its other half under SELECTOR._domainkey.DOMAIN.
    `mailstack dns` shows what to publish for the keys of a configuration.
    """


@dkim.command()
@click.argument("selector")
@click.option(
    "--kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True, help="The kind of key."
)
@click.option("--bits", type=click.IntRange(2048, 4096), default=2048, show_default=True, help="Of an RSA key.")
@config_file
def generate(file: Path, selector: str, kind: str, bits: int) -> None:
    """Make a key in the data directory.

    What to publish, and what to write into the configuration, is said then.

    Every host verifies RSA; Ed25519 (RFC 8463) is short and quick, and stands as a second key beside RSA, for many hosts don't verify it.

    \b
    Example:
      mailstack dkim generate s2026 -c mailstack.toml
      mailstack dkim generate e2026 --kind ed25519 -c mailstack.toml
    """
    if not is_selector(selector):
        raise CommandError(f"{selector} is no selector; take letters, digits and hyphens, as s2026")
    config = _load(file)
    path = config.data / "dkim" / f"{selector.lower()}.pem"
    key = keys.generate(kind, bits)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key.pem())
        _give_to_the_owner(config.data, path)
    except FileExistsError:
        raise CommandError(f"{path} is there already; take another selector, and retire that one later") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"The key is in {path}. Publish in the DNS:\n")
    for domain in config.domains:
        click.echo(zone_line(selector.lower(), domain, key.record()))
    click.echo(f'\nThen, when it can be seen there, add to {file}:\n\n[[dkim.keys]]\nselector = "{selector.lower()}"')
    click.echo(f'file = "{path}"')


def zone_line(selector: str, domain: str, record: str) -> str:
    """A TXT record as a line of a zone file, in strings that fit."""
    strings = [f'"{record[place : place + CHARACTERS]}"' for place in range(0, len(record), CHARACTERS)]
    return f"{selector}._domainkey.{domain}. IN TXT ( {' '.join(strings)} )"


def _load(file: Path) -> Config:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        raise CommandError(str(error)) from error


def _give_to_the_owner(data: Path, path: Path) -> None:
    """What root makes in the data directory is its owner's, who serves."""
    if os.geteuid() == 0:
        owner = data.stat()
        for each in (path.parent, path):
            os.chown(each, owner.st_uid, owner.st_gid)
