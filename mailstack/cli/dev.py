"""`mailstack dev` command: its options. `dev_run` has the slow imports."""

from __future__ import annotations

import re
from typing import Any

import click

from mailstack.cli.argument_types import PathType
from mailstack.cli.lazy_group import lazy_callback, load


class _Dev(click.Command):
    """Command that accepts the options of other tools."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Treats -Dname and -name as one option, not as a cluster of short options."""
        return super().parse_args(ctx, ["-" + word if _WORD.match(word) else word for word in args])


_WORD = re.compile(r"-[A-Za-z][A-Za-z.-]")


@click.command(cls=_Dev, context_settings={"ignore_unknown_options": True})
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port-base", metavar="N", type=click.IntRange(0, 58000), default=1000, show_default=True,
              help="Ports are N+25, N+587 …; 0 takes a free port for each.")  # fmt: skip
@click.option("--data", metavar="DIR", type=PathType(file_okay=False), envvar="MAILSTACK_DATA",
              help="Keep messages in DIR (or MAILSTACK_DATA); without it nothing is kept.")  # fmt: skip
@click.option("--max-letters", metavar="N", type=click.IntRange(min=1), help="Keep only the newest N messages.")
@click.option(
    "--max-age",
    metavar="TIME",
    callback=lazy_callback("mailstack.letter.times:read_duration"),
    help="Delete messages after this time: 12h, 3d.",
)
@click.option("--any-password", is_flag=True, help="Accept any password for mailboxes of other domains.")
@click.option("--weak-mechanisms", is_flag=True, help="Offer CRAM-MD5 and APOP as well, for old clients.")
@click.option("--scram", is_flag=True, help="Offer SCRAM-SHA-256 as well, with and without channel binding.")
@click.option("--strict-newlines", is_flag=True,
              help="Refuse lines that end in a bare LF at the capture port, as other hosts do.")  # fmt: skip
@click.option("--faults", metavar="FILE", callback=lazy_callback("mailstack.sandbox.faults.rule:read_rule_file"), type=PathType(dir_okay=False),
              help="Faults to inject from the start: a TOML file of [[fault]] tables, or JSON.")  # fmt: skip
@click.option("--magic-recipients", is_flag=True,
              help="Let addresses such as temperror@elsewhere.test cause faults.")  # fmt: skip
@click.option("--imap-profile", metavar="PROVIDER", default="",
              type=click.Choice(["", "gmail", "icloud", "outlook", "exchange", "yahoo", "dovecot", "bare"]),
              help="Imitate the IMAP of gmail, icloud, outlook, exchange, yahoo, dovecot, or a bare server: its"
              " extensions, folders and habits.")  # fmt: skip
@click.option("--spam-filter", metavar="FILTER", callback=lazy_callback("mailstack.web.checks.spam:parse_filter"),
              help="Get spam scores from: spamassassin:127.0.0.1:783, rspamd:http://127.0.0.1:11333.")  # fmt: skip
@click.option("--browser", metavar="PROGRAM", default="",
              help="Chromium for screenshots of messages; default: the one on PATH.")  # fmt: skip
@click.option(
    "--web-host", "web_hosts", metavar="NAME", multiple=True, help="Accept this Host name for the web pages as well."
)
@click.option("--open", is_flag=True,
              help="Serve pages and API without a login and for any Host name, also beyond this machine.")  # fmt: skip
@click.option("--compat", metavar="TOOL", type=click.Choice(["mailpit", "mailhog", "greenmail"]),
              help="Replace mailpit, mailhog or greenmail: use its ports, variables and options.")  # fmt: skip
@click.argument("options", metavar="[TOOL'S OPTIONS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--json", "as_json", is_flag=True, help="Print services and accounts as one JSON object on the first line."
)
@click.option("--quiet", "-q", is_flag=True, help="Don't log the steps of messages on standard error.")
def dev(**options: Any) -> None:
    """Run a local mail environment that needs no configuration.

    It has two servers: your own (home.test, accounts alice and bob), and one for all other domains, which opens a
    mailbox for every address that gets a message. Messages really travel between the two, and none leaves this machine.

    \b
    Example:
      mailstack dev                     then, in another terminal:
      mailstack send --to carol@elsewhere.test --subject Hello
      mailstack letters
      mailstack dev --imap-profile icloud
      mailstack dev --compat mailpit --smtp 127.0.0.1:2025 --max 100
    """
    load("mailstack.cli.dev_run:run_command")(**options)
