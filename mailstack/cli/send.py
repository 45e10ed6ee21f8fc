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
    "--from", "sender", metavar="ADDRESS", help="Envelope sender; default: the account. <> is the null sender."
)
@click.option("--subject", default="", help="Subject of a new message.")
@click.option("--body", metavar="TEXT", help="Text of a new message; `-` reads standard input.")
@click.option("--attach", metavar="FILE", multiple=True, type=PathType(), help="Attach this file; repeatable.")
@click.option(
    "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Add or replace a header field; repeatable."
)
@click.option("--file", metavar="FILE", type=PathType(allow_dash=True),
              help="Send this complete message unchanged; `-` reads standard input. Default of --to: its To, Cc and Bcc.")  # fmt: skip
@click.option("--server", metavar="HOST[:PORT]", help="SMTP server; default: the server of -c, or the dev environment.")
@click.option("--tls", type=click.Choice(["starttls", "implicit", "none"]), default="starttls", show_default=True,
              help="Connection security.")  # fmt: skip
@click.option("--user", metavar="LOGIN", help="Login; default in a dev environment: alice.")
@password_file
@click.option("--ca-file", metavar="FILE", type=PathType(), help="Trust this CA instead of those of the system.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: id, reply, recipients.")
@click.option("--verbose", "-v", is_flag=True, help="Print the SMTP dialogue to standard error.")
@with_target_finder
def send(find: Callable[[], TargetServer], **options: Any) -> None:
    """Send a message over SMTP with AUTH and TLS.

    The reply of the server and the id of the message are printed. `mailstack journey ID` shows what becomes of it.

    \b
    Example:
      mailstack send --to carol@elsewhere.test --subject Hello --body 'Hello Carol'
      mailstack send --server mx.example.org --user alice@example.org --file letter.eml
    """
    load("mailstack.cli.send_run:submit")(find, options)
