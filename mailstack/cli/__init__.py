"""Command line `mailstack`, with lazily imported commands."""

from __future__ import annotations

import os

import click

import mailstack
from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "dev": ("mailstack.cli.dev:dev", "Run a local mail environment that needs no configuration."),
    "serve": ("mailstack.cli.serve:serve", "Run the mail server of a configuration file in the foreground."),
    "check": ("mailstack.cli.checks:check", "Check a configuration, its certificates, store, ports and DNS."),
    "dns": ("mailstack.cli.dns:dns", "Print the DNS records to publish for each domain."),
    "setup": ("mailstack.cli.setup:setup", "Show how to set up a mail client."),
    "user": ("mailstack.cli.user:user", "Add, import, list and remove accounts; change passwords."),
    "folder": ("mailstack.cli.folder:folder", "List, create, rename and remove folders of an account."),
    "dkim": ("mailstack.cli.dns:dkim", "Generate DKIM signing keys."),
    "alias": ("mailstack.cli.alias:alias", "Manage aliases: addresses that forward to other addresses."),
    "send": ("mailstack.cli.send:send", "Send a message, as a mail client does."),
    "sendmail": (
        "mailstack.cli.sendmail.command:sendmail",
        "Put a message into the queue, as /usr/sbin/sendmail does.",
    ),
    "letters": ("mailstack.cli.letters:letters", "List the newest messages and where each is now."),
    "journey": ("mailstack.cli.letters:journey", "Show the journey of one message, step by step."),
    "screenshot": ("mailstack.cli.screenshot:screenshot", "Write a screenshot of a message to a PNG file."),
    "suppress": ("mailstack.cli.suppress:suppress", "Manage remote addresses that get no more messages."),
    "tls-report": ("mailstack.cli.tls_report:tls_report", "Show the results of TLS with other domains."),
    "webhook": ("mailstack.cli.webhook:webhook", "Show, test and retry webhooks."),
    "fault": ("mailstack.cli.dev_control:fault", "Inject faults into a dev environment."),
    "clock": ("mailstack.cli.dev_control:clock", "Show or advance the clock of a dev environment."),
    "import": (
        "mailstack.cli.files.import_command:import_letters",
        "Import mbox, Maildir or .eml files into a mailbox.",
    ),
    "export": ("mailstack.cli.files.export:export", "Export a mailbox to a Maildir, mbox or .eml files."),
    "ingest": ("mailstack.cli.files.import_command:ingest", "Import messages into the inbox of a dev environment."),
    "dump": ("mailstack.cli.files.export:dump", "Export all messages of the inbox, or of a Mailpit, to files."),
    "backup": ("mailstack.cli.backup:backup", "Write a consistent copy of a running server into a file."),
    "store": ("mailstack.cli.store:store", "Move a stopped server to another store; verify a store."),
    "queue": ("mailstack.cli.queue:queue", "Show the queue; hold, release, retry or remove messages."),
    "docs": ("mailstack.cli.docs:docs", "Open the documentation of this version in the browser."),
    "completion": ("mailstack.cli.lazy_group:completion", "Print the completion script of a shell."),
}
"""Import path and one-line help by command name, so that `mailstack --help` imports no command."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `mailstack dev`: it runs a local mail environment and prints commands to try.",
)
@click.version_option(mailstack.__version__, prog_name="mailstack")
def main() -> None:
    """A mail server that shows the whole journey of every message.

    Without -c FILE (or MAILSTACK_CONFIG) a command uses a dev environment: the one in --data DIR (or MAILSTACK_DATA),
    else the only running one. Of several, it uses the one on the default ports, or the one started in this folder.
    NO_COLOR=1 turns colours off.
    """
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False
