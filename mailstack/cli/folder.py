"""Command `mailstack folder`: folders of an account, as IMAP shows them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.output import CommandError, confirm, print_json, print_table
from mailstack.cli.output import yes as yes_option
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import size_text
from mailstack.protocols.imap.mailbox_names import parse_name
from mailstack.store.folders import INBOX, SEPARATOR, Folder, FolderExists, FolderHasChildren, NoSuchFolder

T = TypeVar("T")

USES = ("archive", "drafts", "junk", "sent", "trash")
"""Special uses of folders (RFC 6154), without the backslash of the protocol."""


@click.group()
def folder() -> None:
    """Manage the folders of an account, as its IMAP clients show them.

    The levels of a name are separated by a slash, as in Lists/python. INBOX always exists. The folders of `[imap]
    folders` exist from the first IMAP login of the account on. Commands work beside a running server: sessions see
    a change when they list the folders next, and a session in a removed folder ends.
    """


@folder.command("list")
@click.argument("address")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: folder, use, subscribed, exists, messages, unseen, octets.",
)
@with_target
def list_(target: TargetServer, address: str, as_json: bool) -> None:
    """List the folders of an account with their messages.

    A subscribed name without a folder has no counters.

    \b
    Example:
      mailstack folder list alice@home.test
      mailstack folder list alice@home.test --json | jq -r .folder
    """
    with OpenStore(target, only_reads=True) as server:
        account = _account(server, target, address)
        folders = server.run(server.store.folders.list(account))
        mailboxes = [each.mailbox for each in folders if each.mailbox]
        statuses = server.run(server.store.mailboxes.statuses(mailboxes))
    rows = []
    for each in folders:
        status = statuses.get(each.mailbox)
        counts = (status.messages, status.unseen, status.octets) if status is not None else (0, 0, 0)
        messages, unseen, octets = counts
        if as_json:
            facts = {"folder": each.path, "use": _use_text(each), "subscribed": each.is_subscribed}
            counted = {"exists": bool(each.mailbox), "messages": messages, "unseen": unseen, "octets": octets}
            print_json(facts | counted)
            continue
        shown = (str(messages), str(unseen), size_text(octets)) if each.mailbox else ("", "", "")
        rows.append((each.path, _use_text(each), "yes" if each.is_subscribed else "no", *shown))
    if not as_json:
        print_table(("folder", "use", "subscribed", "messages", "unseen", "size"), rows)


@folder.command()
@click.argument("address")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--use", type=click.Choice(USES), help="Special use by which clients find the folder (RFC 6154).")
@with_target
def create(target: TargetServer, address: str, folders: tuple[str, ...], use: str | None) -> None:
    """Create folders with their missing parents, and subscribe them.

    An account has at most one folder for each special use.

    \b
    Example:
      mailstack folder create alice@home.test Lists/python Invoices
      mailstack folder create alice@home.test Spam --use junk
    """
    paths = [_path(each) for each in folders]
    if use is not None and len(paths) > 1:
        raise click.UsageError("--use takes one folder: an account has one folder for each use.")
    with OpenStore(target) as server:
        account = _account(server, target, address)
        attribute = f"\\{use.capitalize()}" if use else ""
        taken = [each.path for each in server.run(server.store.folders.list(account)) if use and each.use == attribute]
        if taken:
            raise CommandError(f"{taken[0]} is the folder for {use} already; rename it, or leave --use out")
        for path in paths:
            _change(server, account, path, server.store.folders.create(account, path, target.now(), attribute))
            server.run(server.store.folders.subscribe(account, path, on=True))
            click.echo(f"{account} has the folder {path}")


@folder.command()
@click.argument("address")
@click.argument("path", metavar="FOLDER")
@click.argument("to", metavar="NAME")
@with_target
def rename(target: TargetServer, address: str, path: str, to: str) -> None:
    """Rename a folder, with the folders below it.

    Its messages keep their unique ids and flags, and a subscription follows. INBOX stays: its messages move into the new
    folder (RFC 3501 section 6.3.5).

    \b
    Example:
      mailstack folder rename alice@home.test Invoices Archive/Invoices
    """
    old, new = _path(path, is_new=False), _path(to)
    if new.startswith(old + SEPARATOR) and old != INBOX:
        raise CommandError(f"{old} cannot be moved below itself; choose a name outside of it")
    with OpenStore(target) as server:
        account = _account(server, target, address)
        followed = {
            each.path: new + each.path[len(old) :]
            for each in server.run(server.store.folders.list(account))
            if each.is_subscribed and (each.path == old or each.path.startswith(old + SEPARATOR)) and old != INBOX
        }
        _change(server, account, old, server.store.folders.rename(account, old, new, target.now()), new)
        for before, after in followed.items():
            server.run(server.store.folders.subscribe(account, after, on=True))
            server.run(server.store.folders.subscribe(account, before, on=False))
    click.echo(f"{old} of {account} is {new} now")


@folder.command()
@click.argument("address")
@click.argument("path", metavar="FOLDER")
@yes_option
@with_target
def remove(target: TargetServer, address: str, path: str, yes: bool) -> None:
    """Remove a folder with its messages and its subscription.

    A folder with folders below it is refused: remove those first. The command asks first. In a script, give --yes.

    \b
    Example:
      mailstack folder remove alice@home.test Lists/python
    """
    name = _path(path, is_new=False)
    if name == INBOX:
        raise CommandError("INBOX cannot be removed; `mailstack user remove` removes an account")
    with OpenStore(target) as server:
        account = _account(server, target, address)
        found = {each.path: each for each in server.run(server.store.folders.list(account)) if each.mailbox}
        if name in found and not yes:
            status = server.run(server.store.mailboxes.status(found[name].mailbox))
            count = status.messages if status is not None else 0
            confirm(f"Remove {name} of {account} and the messages in it ({count})?")
        _change(server, account, name, server.store.folders.remove(account, name))
        server.run(server.store.folders.subscribe(account, name, on=False))
    click.echo(f"{name} of {account} is removed")


@folder.command()
@click.argument("address")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--off", is_flag=True, help="Remove the subscriptions instead.")
@with_target
def subscribe(target: TargetServer, address: str, folders: tuple[str, ...], off: bool) -> None:
    """Subscribe folders, or remove their subscriptions.

    Many clients show subscribed folders only.

    \b
    Example:
      mailstack folder subscribe alice@home.test Invoices
      mailstack folder subscribe alice@home.test Lists/python --off
    """
    paths = [_path(each, is_new=False) for each in folders]
    with OpenStore(target) as server:
        account = _account(server, target, address)
        known = {each.path for each in server.run(server.store.folders.list(account))}
        for path in paths:
            if path not in known:
                raise _unknown(account, path)
            server.run(server.store.folders.subscribe(account, path, on=not off))
            click.echo(f"{path} of {account} is {'no longer ' if off else ''}subscribed")


def _account(server: OpenStore, target: TargetServer, address: str) -> str:
    """Name of an existing account. Raises CommandError."""
    key = parse_address(address, target.domains).key
    if server.run(server.store.accounts.get(key)) is None:
        raise CommandError(f"there is no account {key}; `mailstack user list` lists them")
    return key


def _path(name: str, *, is_new: bool = True) -> str:
    """Folder name of an argument, checked as IMAP does. Raises CommandError."""
    try:
        path = parse_name(name.encode("utf-8", "surrogateescape"), utf8=True, is_new=True)
    except ValueError as error:
        raise CommandError(f"{name!r} is no name of a folder: {error}; write one such as Lists/python") from None
    if is_new and path == INBOX:
        raise CommandError("INBOX exists always; choose another name")
    return path


def _change(server: OpenStore, account: str, path: str, change: Coroutine[Any, Any, T], new: str = "") -> T:
    """Result of a change of folders. Raises CommandError for a refused one."""
    try:
        return server.run(change)
    except FolderExists as error:
        name = error.args[0] if error.args else new or path
        raise CommandError(f"{account} has a folder {name} already; choose another name") from None
    except FolderHasChildren:
        raise CommandError(f"{path} has folders below it; remove them first") from None
    except NoSuchFolder:
        raise _unknown(account, path) from None


def _unknown(account: str, path: str) -> CommandError:
    return CommandError(f"{account} has no folder {path}; `mailstack folder list {account}` lists them")


def _use_text(folder: Folder) -> str:
    """Special use without the backslash."""
    return folder.use.removeprefix("\\").lower()
