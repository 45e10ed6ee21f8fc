"""Command `mailstack user token`: OAuth tokens of a dev environment."""

from __future__ import annotations

import time

import click

from mailstack.accounts.issuer import Issuer
from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.errors import CommandError
from mailstack.cli.target import TargetServer, with_target


@click.command()
@click.argument("address")
@click.option(
    "--lasting", metavar="SECONDS", type=float, default=3600.0, show_default=True, help="Lifetime of the token."
)
@click.option("--expired", is_flag=True, help="Make a token that expired yesterday.")
@click.option("--scope", metavar="SCOPE", help="What it grants, instead of the scope `mail` that is asked for.")
@click.option("--audience", metavar="NAME", help="Audience, instead of this server.")
@with_target
def token(
    target: TargetServer, address: str, lasting: float, expired: bool, scope: str | None, audience: str | None
) -> None:
    """Print a token for OAUTHBEARER or XOAUTH2, in a dev environment; a real server takes those of its issuer.

    \b
    Example:
      curl --oauth2-bearer "$(mailstack user token alice@home.test)" --user alice@home.test …
    """
    if target.config is not None:
        raise CommandError("only a dev environment issues tokens; this server takes those of [accounts.oauth] issuer")
    wanted = parse_address(address, target.domains)

    changes = {name: value for name, value in (("scope", scope), ("aud", audience)) if value is not None}
    begins = time.time() - (86400.0 + lasting if expired else 0.0)
    try:
        click.echo(Issuer(target.data / "issuer").token(wanted.key, begins, lasting=lasting, **changes))
    except OSError as error:
        raise CommandError(f"{target.data}: {error.strerror}") from error
