"""Command group `mailstack user`: accounts and passwords, with lazily imported commands."""

from __future__ import annotations

import click

from mailstack.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "add": ("mailstack.cli.user.accounts:add", "Add an account."),
        "list": ("mailstack.cli.user.accounts:list_", "List the accounts."),
        "quota": ("mailstack.cli.user.accounts:quota", "Show the size of a mailbox, or set its quota."),
        "password": ("mailstack.cli.user.accounts:password", "Give an account a new password."),
        "kick": ("mailstack.cli.user.accounts:kick", "End every session, stream and wait of an account."),
        "remove": ("mailstack.cli.user.accounts:remove", "Remove an account and all letters in its mailbox."),
        "import": ("mailstack.cli.user.import_command:import_users", "Add the accounts of a file, all or none."),
        "app-password": (
            "mailstack.cli.user.credentials:app_password",
            "More passwords of an account, each revocable.",
        ),
        "token": ("mailstack.cli.user.credentials:token", "A token to log in with, in a dev environment."),
    },
)
def user() -> None:
    """Add, import, list and remove accounts; change passwords; end sessions.

    An account is an address with a password and a mailbox. It may submit letters as this address, or as an alias that
    leads to it, and fetch what arrives for them. Changes act at once, also on a running server: a new password or the end
    of an account ends its sessions within a second.
    """
