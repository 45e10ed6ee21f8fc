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
        "password": ("mailstack.cli.user.accounts:password", "Change the password of an account."),
        "kick": ("mailstack.cli.user.accounts:kick", "End every session, stream and wait of an account."),
        "remove": ("mailstack.cli.user.accounts:remove", "Remove an account and all messages in its mailbox."),
        "import": ("mailstack.cli.user.import_command:import_users", "Add all accounts of a file, or none."),
        "app-password": ("mailstack.cli.user.credentials:app_password", "Manage additional passwords of an account."),
        "token": ("mailstack.cli.user.credentials:token", "Print a login token, in a dev environment."),
    },
)
def user() -> None:
    """Add, import, list and remove accounts; change passwords; end sessions.

    An account is an address with a password and a mailbox. It can send messages from its address and from aliases that
    point to it. A running server applies a change within a second: a new password or a removal ends the sessions of the
    account.
    """
