"""Command `mailstack user import`: accounts of a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click
from msgspec import Struct

from mailstack.accounts.passwords import PasswordError, StoredPassword
from mailstack.cli.argument_types import PathType, local_address
from mailstack.cli.output import CommandError
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.cli.user.accounts import check_strength, weak
from mailstack.cli.user.credentials import PasswordHashes
from mailstack.store.accounts import Account

T = TypeVar("T")


MIN_SHOWN = 20
"""Minimum number of passwords for which a terminal shows a progress bar."""


class ImportedUser(Struct, frozen=True):
    """Line of the file: an account and its password."""

    address: str
    password: str
    where: str
    """FILE:LINE."""


@click.command("import")
@click.argument("file", type=PathType(allow_dash=True))
@weak
@with_target
def import_users(target: TargetServer, file: Path, weak: bool) -> None:
    """Add all accounts of FILE (`-` is standard input), or none.

    A line has an address, a space, and the password up to the end of the line. Empty lines and lines that begin with
    "# " are skipped. An existing account with the same password is left unchanged; one with another password is an
    error. `mailstack user add --help` lists the rules for passwords.

    \b
    Example:
      printf 'alice@home.test corr3ct-h0rse\\nbob@home.test batt3ry+stapl3\\n' > users
      mailstack user import -c mailstack.toml users
    """
    entries = read(file, target.domains)
    with (
        OpenStore(target) as server,
        PasswordHashes(target.bcrypt_rounds, target.scram_iterations, max_pending=len(entries) + 1) as hashing,
    ):
        existing = {account.address: account for account in server.run(server.store.accounts.all())}
        new = [entry for entry in entries if entry.address not in existing]
        check_known(hashing, [(entry, existing[entry.address]) for entry in entries if entry.address in existing])
        check_new(new, target, weak=weak)
        now = time.time()
        accounts = [
            Account(entry.address, stored.password_hash, now, scram=stored.scram)
            for entry, stored in zip(new, hash_all(hashing, new), strict=True)
        ]
        if accounts:
            server.run(server.store.accounts.add(accounts))
    known_already = len(entries) - len(new)
    unchanged = f"; {known_already} {'was' if known_already == 1 else 'were'} there already" if known_already else ""
    click.echo(f"{len(new)} {'account' if len(new) == 1 else 'accounts'} added{unchanged}")


def read(file: Path, domains: Sequence[str]) -> list[ImportedUser]:
    """Entries of a file. Raises CommandError with file and line for the first invalid line."""
    try:
        with click.open_file(str(file), encoding="utf-8") as lines:
            return list(parse(lines, "standard input" if str(file) == "-" else str(file), domains))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8: {error.reason}") from error


def parse(lines: Iterable[str], name: str, domains: Sequence[str]) -> Iterator[ImportedUser]:
    """Entries of lines of text; `name` is that of the file, for errors. Raises CommandError."""
    seen: dict[str, str] = {}
    for number, whole in enumerate(lines, 1):
        line, where = whole.rstrip("\r\n"), f"{name}:{number}"
        if not line.strip() or line.startswith("# ") or line == "#":
            continue
        address, _, password = line.lstrip().partition(" ") if " " in line.strip() else line.strip().partition("\t")
        if not password:
            raise CommandError(f"{where}: no password; write ADDRESS PASSWORD")
        try:
            key = local_address(address, domains).key
        except CommandError as error:
            raise CommandError(f"{where}: {error.message}") from None
        if key in seen:
            raise CommandError(f"{where}: {key} is in {seen[key]} already; remove one of the lines")
        seen[key] = where
        yield ImportedUser(key, password, where)


def check_known(hashing: PasswordHashes, pairs: Sequence[tuple[ImportedUser, Account]]) -> None:
    """Checks existing accounts. Raises CommandError for the first with another password than its line."""
    checks = hashing.check_each([(entry.password, account.password_hash) for entry, account in pairs])
    for (entry, _), same in zip(pairs, checks, strict=True):
        if not same:
            raise CommandError(
                f"{entry.where}: {entry.address} exists with another password: change it with"
                f" `mailstack user password {entry.address}`, or remove the line. Nothing was imported"
            )


def check_new(entries: Sequence[ImportedUser], target: TargetServer, *, weak: bool) -> None:
    """Checks passwords before any is hashed. Raises CommandError for the first weak one."""
    for entry in entries:
        try:
            check_strength(entry.password, target, entry.address, weak=weak)
        except PasswordError as error:
            raise CommandError(f"{entry.where}: {error}. Nothing was imported") from None


def hash_all(hashing: PasswordHashes, entries: Sequence[ImportedUser]) -> Iterator[StoredPassword]:
    """Hashes of the passwords, in order. Raises CommandError for an unusable one."""
    hashes = hashing.hash_each([entry.password for entry in entries])
    for entry in _watched(entries):
        try:
            yield next(hashes)
        except PasswordError as error:
            raise CommandError(f"{entry.where}: {error}. Nothing was imported") from None


def _watched(entries: Sequence[ImportedUser]) -> Iterable[ImportedUser]:
    """Entries, with a progress bar for many."""
    if len(entries) < MIN_SHOWN or not sys.stderr.isatty():
        yield from entries
        return
    with click.progressbar(entries, label="Hashing passwords", file=sys.stderr) as bar:
        yield from bar
