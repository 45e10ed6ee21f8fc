"""The command line: `mailstack`, one file for each command, loaded when it is called."""

from __future__ import annotations

import click

import mailstack
from mailstack.cli.lazy_group import LazyGroup

COMMANDS = {
    "dev": ("mailstack.cli.dev:dev", "Run a local mail environment that needs no configuration."),
    "serve": ("mailstack.cli.serve:serve", "Run the mail server of a configuration file in the foreground."),
    "check": ("mailstack.cli.check:check", "Say what would not work with a configuration, and why."),
    "dns": ("mailstack.cli.dns:dns", "Print the DNS records to publish for each domain."),
    "setup": ("mailstack.cli.setup:setup", "Tell the steps that set a mail client up."),
    "user": ("mailstack.cli.user:user", "Add, import, list and remove accounts; change passwords."),
    "dkim": ("mailstack.cli.dkim:dkim", "Make keys that sign letters."),
    "alias": ("mailstack.cli.alias:alias", "Give addresses that lead to other addresses."),
    "send": ("mailstack.cli.send:send", "Submit a letter, as a mail client would."),
    "sendmail": (
        "mailstack.cli.sendmail.command:sendmail",
        "Put a letter into the queue, as /usr/sbin/sendmail does.",
    ),
    "letters": ("mailstack.cli.letters:letters", "List the newest letters and where each is now."),
    "journey": ("mailstack.cli.journey:journey", "Tell one letter's life, step by step."),
    "suppress": ("mailstack.cli.suppress:suppress", "Name addresses elsewhere that no letter goes to any more."),
    "tls-report": ("mailstack.cli.tls_report:tls_report", "See what TLS with the hosts of other domains came to."),
    "webhook": ("mailstack.cli.webhook:webhook", "See which programs are told what becomes of letters."),
    "fault": ("mailstack.cli.fault:fault", "Have things go wrong in a dev environment."),
    "clock": ("mailstack.cli.clock:clock", "Move the time of a dev environment ahead."),
    "import": (
        "mailstack.cli.files.import_command:import_letters",
        "Put the letters of mbox, Maildir or .eml files into a mailbox.",
    ),
    "export": (
        "mailstack.cli.files.export:export",
        "Write the letters of a mailbox to a Maildir, mbox or .eml files.",
    ),
    "ingest": (
        "mailstack.cli.files.import_command:ingest",
        "Put the letters of files into the inbox of a dev environment.",
    ),
    "dump": ("mailstack.cli.files.export:dump", "Write all letters of the inbox, or of a Mailpit, to files."),
    "backup": ("mailstack.cli.backup:backup", "Write a consistent copy of a running server into a file."),
    "store": ("mailstack.cli.store:store", "Move a stopped server to another store; verify that all is there."),
    "queue": ("mailstack.cli.queue:queue", "See what waits and why; hold, release, retry or remove it."),
}
"""Command name: where it is, and the line that `mailstack --help` shows, so that help imports none of them."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `mailstack dev`: it runs a whole mail environment here, and says how to try it.",
)
@click.version_option(mailstack.__version__, prog_name="mailstack")
def main() -> None:
    """A mail stack that makes a letter's whole journey visible.

    Without -c FILE (or MAILSTACK_CONFIG) a command means the dev environment: the one whose data directory --data DIR
    (or MAILSTACK_DATA) names, else the newest one that you run.
    """
