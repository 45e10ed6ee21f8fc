"""Command `mailstack send`: its options.

`send_run` submits the letter. It is imported only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mailstack.cli.argument_types import PathType, password_file
from mailstack.cli.lazy_group import load
from mailstack.cli.target import TargetServer, with_target_finder


@click.command()
@click.option("--to", "recipients", metavar="ADDRESS", multiple=True, help="Recipient; repeatable.")
@click.option(
    "--from", "sender", metavar="ADDRESS", help="Sender; default is the login account. <> is the null sender."
)
@click.option("--subject", default="", help="The subject of a new letter.")
@click.option("--body", metavar="TEXT", help="The text of a new letter; `-` is standard input.")
@click.option("--attach", metavar="FILE", multiple=True, type=PathType(), help="Attach a file.")
@click.option(
    "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Add or replace a header field; repeatable."
)
@click.option("--file", metavar="FILE", type=PathType(allow_dash=True),
              help="Send this complete letter unchanged; `-` is standard input. To, Cc and Bcc are the default of --to.")  # fmt: skip
@click.option(
    "--server", metavar="HOST[:PORT]", help="Server to connect to; default is the server of -c, or the dev environment."
)
@click.option("--tls", type=click.Choice(["starttls", "implicit", "none"]), default="starttls", show_default=True,
              help="Connection security.")  # fmt: skip
@click.option("--user", metavar="LOGIN", help="Login; default in the dev environment is alice.")
@password_file
@click.option("--ca-file", metavar="FILE", type=PathType(), help="CA to trust instead of the system's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: id, reply, recipients.")
@click.option("--verbose", "-v", is_flag=True, help="Show the dialogue on standard error.")
@with_target_finder
def send(find: Callable[[], TargetServer], **options: Any) -> None:
    """Send a letter over SMTP with AUTH and TLS; print the reply and the id for `mailstack journey`.

    \b
    Example:
      mailstack send --to carol@elsewhere.test --subject Hello --body 'Hello Carol'
      mailstack send --server mx.example.org --user alice@example.org --file letter.eml
    """
    load("mailstack.cli.send_run:submit")(find, options)
