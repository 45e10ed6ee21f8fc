"""Commands `mailstack user add`, `list`, `quota`, `password`, `kick`, `remove`: accounts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailstack.accounts.passwords import PasswordError, check_password
from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.argument_types import local_address, password_file, quota_text, read_password, read_quota, size_text
from mailstack.cli.output import CommandError, confirm, print_json, print_table
from mailstack.cli.output import yes as yes_option
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.cli.user.credentials import PasswordHashes
from mailstack.letter.times import iso8601, local_text
from mailstack.store.accounts import Account

if TYPE_CHECKING:
    from mailstack.accounts.passwords import StoredPassword

weak = click.option("--weak", is_flag=True, help="Accept any password, also a short or common one.")


@click.command()
@click.argument("address")
@password_file
@weak
@with_target
def add(target: TargetServer, address: str, password_file: Path | None, weak: bool) -> None:
    """Add an account.

    The password must have at least 8 characters ([accounts] min_password_length). It must be neither one of the 1,000
    most common passwords nor the name of the account. A dev environment accepts any password.

    \b
    Example:
      mailstack user add -c mailstack.toml alice@home.test
      pass show alice | mailstack user add alice@home.test --password-file -
    """
    parsed = local_address(address, target.domains)
    stored = _hash(read_password(password_file), target, parsed.key, weak=weak)

    with OpenStore(target) as server:
        if server.run(server.store.accounts.get(parsed.key)) is not None:
            raise CommandError(
                f"{parsed.key} exists already; `mailstack user password {parsed.key}` changes its password"
            )
        server.run(
            server.store.accounts.add([Account(parsed.key, stored.password_hash, time.time(), scram=stored.scram)])
        )
    click.echo(f"{parsed.key} is added")


@click.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line: address, created, aliases, octets, quota."
)
@with_target
def list_(target: TargetServer, as_json: bool) -> None:
    """List the accounts.

    \b
    Example:
      mailstack user list
      mailstack user list --json | jq -r .address
    """
    with OpenStore(target, only_reads=True) as server:
        accounts = sorted(server.run(server.store.accounts.all()), key=lambda account: account.address)
        aliases = server.run(server.store.accounts.aliases())
        mailboxes = server.run(server.store.mailboxes.sizes())
    names = {account.address: [alias for alias, to in aliases if account.address in to] for account in accounts}
    if as_json:
        for account in accounts:
            print_json(
                {
                    "address": account.address,
                    "created": iso8601(account.created),
                    "aliases": names[account.address],
                    "octets": mailboxes.get(account.address, 0),
                    "quota": account.quota,
                }
            )
        return
    rows = [
        (
            a.address,
            local_text(a.created),
            size_text(mailboxes.get(a.address, 0)),
            quota_text(a.quota),
            ", ".join(names[a.address]),
        )
        for a in accounts
    ]
    columns = ("account", "since", "holds", "quota", "aliases")
    print_table(columns, rows, empty="no accounts; `mailstack user add ADDRESS` adds one")


@click.command()
@click.argument("address")
@click.argument("size", required=False)
@with_target
def quota(target: TargetServer, address: str, size: str | None) -> None:
    """Show the size of a mailbox, or set its quota.

    SIZE is a size such as 500MiB or 2GiB, `none` for no limit, or `default` for `[delivery] quota`. A mailbox over its
    quota keeps its messages and accepts no new ones.

    \b
    Example:
      mailstack user quota alice@home.test
      mailstack user quota alice@home.test 2GiB
    """
    parsed = parse_address(address, target.domains)
    limit = None if size is None else read_quota(size)

    with OpenStore(target) as server:
        account = server.run(server.store.accounts.get(parsed.key))
        if account is None:
            raise _unknown(parsed.key)
        if size is not None:
            server.run(server.store.accounts.set_quota(parsed.key, limit))
        used = server.run(server.store.mailboxes.octets_in(parsed.key))
    now = account.quota if size is None else limit
    click.echo(f"{parsed.key} holds {size_text(used)}; quota: {quota_text(now)}")


@click.command()
@click.argument("address")
@password_file
@weak
@with_target
def password(target: TargetServer, address: str, password_file: Path | None, weak: bool) -> None:
    """Change the password of an account, and end its sessions.

    `mailstack user add --help` lists the rules for passwords.

    \b
    Example:
      mailstack user password alice@home.test
    """
    parsed = parse_address(address, target.domains)
    stored = _hash(read_password(password_file), target, parsed.key, weak=weak)

    with OpenStore(target) as server:
        try:
            server.run(server.store.accounts.set_password(parsed.key, stored.password_hash, stored.scram))
        except KeyError:
            raise _unknown(parsed.key) from None
    click.echo(f"{parsed.key} has a new password")


@click.command()
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: address, ended.")
@with_target
def kick(target: TargetServer, address: str, as_json: bool) -> None:
    """End every session, stream and wait of an account.

    A running server ends them within a second, in all its processes and nodes: SMTP, POP3, event streams, waits for
    messages, and logins of browsers. The password stays valid: change it or remove the account to prevent new logins.

    \b
    Example:
      mailstack user kick alice@home.test
    """
    parsed = parse_address(address, target.domains)

    with OpenStore(target) as server:
        try:
            server.run(server.store.accounts.end_sessions(parsed.key))
        except KeyError:
            raise _unknown(parsed.key) from None
    if as_json:
        print_json({"address": parsed.key, "ended": True})
    else:
        click.echo(f"the sessions of {parsed.key} have ended")


@click.command()
@click.argument("address")
@yes_option
@with_target
def remove(target: TargetServer, address: str, yes: bool) -> None:
    """Remove an account and all messages in its mailbox.

    The command asks first. In a script, give --yes.

    \b
    Example:
      mailstack user remove alice@home.test
      mailstack user remove alice@home.test --yes
    """
    parsed = parse_address(address, target.domains)
    with OpenStore(target) as server:
        if server.run(server.store.accounts.get(parsed.key)) is None:
            raise _unknown(parsed.key)
        if not yes:
            confirm(f"Remove {parsed.key} and every message in its mailbox?")
        try:
            server.run(server.store.accounts.remove(parsed.key))
        except KeyError:
            raise _unknown(parsed.key) from None
    click.echo(f"{parsed.key} and its mailbox are removed")


def _unknown(address: str) -> CommandError:
    return CommandError(f"there is no account {address}; `mailstack user list` lists them")


def check_strength(password: str, target: TargetServer, address: str, *, weak: bool) -> None:
    """Checks a password, unless `weak` or a dev environment accepts any. Raises PasswordError for a weak one."""
    if weak or target.min_password_length is None:
        return

    try:
        check_password(password, address, min_length=target.min_password_length)
    except PasswordError as error:
        raise PasswordError(f"{error}, or accept it with --weak") from None


def _hash(password: str, target: TargetServer, address: str, *, weak: bool) -> StoredPassword:
    with PasswordHashes(target.bcrypt_rounds, target.scram_iterations) as hashing:
        try:
            check_strength(password, target, address, weak=weak)
            return hashing.hash(password)
        except PasswordError as error:
            raise CommandError(str(error)) from error
