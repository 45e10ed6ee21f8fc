"""Commands `mailstack user app-password` and `user token`, and parallel hashing of passwords."""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Self, TypeVar

import click

from mailstack.accounts.dev_logins import Issuer
from mailstack.accounts.passwords import Passwords, StoredPassword, digest, new_app_password
from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.output import CommandError, confirm, print_json, print_table
from mailstack.cli.output import yes as yes_option
from mailstack.cli.runner import OpenStore, Pending, StoreRunner
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import clean, iso8601, local_text
from mailstack.net.clock import ReactorClock
from mailstack.store import Conflict
from mailstack.store.accounts import AppPassword

MAX_NAME = 100
"""Maximum characters of a name."""


@click.group("app-password")
def app_password() -> None:
    """Manage app passwords: one for each device or program, each revocable.

    App passwords are generated and shown once. They work with PLAIN and LOGIN, not with SCRAM.
    """


@app_password.command()
@click.argument("address")
@click.argument("name")
@with_target
def add(target: TargetServer, address: str, name: str) -> None:
    """Generate an app password.

    \b
    Example:
      mailstack user app-password add alice@home.test phone
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise CommandError(f"a name must be printable, and have at most {MAX_NAME} characters")
    owner = parse_address(address, target.domains)

    made = new_app_password()
    stored = digest(owner.key, made)
    assert stored is not None, "a generated password is valid"
    with OpenStore(target) as server:
        try:
            server.run(server.store.accounts.add_app_password(AppPassword(owner.key, name, stored, time.time())))
        except KeyError:
            raise CommandError(f"there is no account {owner.key}; `mailstack user list` lists them") from None
        except Conflict:
            raise CommandError(
                f"{owner.key} has an app password {name!r} already; remove it, or choose another name"
            ) from None
    click.echo(made)
    click.echo(f"This is {owner.key}'s password for {name}; it is not shown again.", err=True)


@app_password.command("list")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: name, created.")
@with_target
def list_(target: TargetServer, address: str, as_json: bool) -> None:
    """List the app passwords of an account by name.

    \b
    Example:
      mailstack user app-password list alice@home.test
    """
    owner = parse_address(address, target.domains)

    with OpenStore(target, only_reads=True) as server:
        existing = server.run(server.store.accounts.app_passwords(owner.key))
    if as_json:
        for each in existing:
            print_json({"name": each.name, "created": iso8601(each.created)})
        return
    rows = [(each.name, local_text(each.created)) for each in existing]
    print_table(("app password", "since"), rows, empty=f"{owner.key} has no app passwords")


@app_password.command()
@click.argument("address")
@click.argument("name")
@yes_option
@with_target
def remove(target: TargetServer, address: str, name: str, yes: bool) -> None:
    """Revoke an app password; it stops working at once.

    The command asks first. In a script, give --yes.

    \b
    Example:
      mailstack user app-password remove alice@home.test phone
      mailstack user app-password remove alice@home.test phone --yes
    """
    owner = parse_address(address, target.domains)

    unknown = CommandError(f"{owner.key} has no app password {name!r}")
    with OpenStore(target) as server:
        if name not in {each.name for each in server.run(server.store.accounts.app_passwords(owner.key))}:
            raise unknown
        if not yes:
            confirm(f"Revoke the app password {clean(name)} of {owner.key}?")
        try:
            server.run(server.store.accounts.remove_app_password(owner.key, name))
        except KeyError:
            raise unknown from None
    click.echo(f"{owner.key} can no longer log in with the password for {name}")


@click.command()
@click.argument("address")
@click.option(
    "--lasting", metavar="SECONDS", type=float, default=3600.0, show_default=True, help="Lifetime of the token."
)
@click.option("--expired", is_flag=True, help="Print a token that expired yesterday.")
@click.option("--scope", metavar="SCOPE", help="Scope of the token, instead of `mail`.")
@click.option("--audience", metavar="NAME", help="Audience of the token, instead of this server.")
@with_target
def token(
    target: TargetServer, address: str, lasting: float, expired: bool, scope: str | None, audience: str | None
) -> None:
    """Print a token for OAUTHBEARER or XOAUTH2, in a dev environment.

    A configured server accepts tokens of its [accounts.oauth] issuer.

    \b
    Example:
      curl --oauth2-bearer "$(mailstack user token alice@home.test)" --user alice@home.test …
    """
    if target.config is not None:
        raise CommandError(
            "only a dev environment issues tokens; this server accepts those of the [accounts.oauth] issuer"
        )
    owner = parse_address(address, target.domains)

    changes = {name: value for name, value in (("scope", scope), ("aud", audience)) if value is not None}
    begins = time.time() - (86400.0 + lasting if expired else 0.0)
    try:
        click.echo(Issuer(target.data / "issuer").token(owner.key, begins, lifetime=lasting, **changes))
    except OSError as error:
        raise CommandError(f"{target.data}: {error.strerror}") from error


T = TypeVar("T")


class PasswordHashes:
    """Password hashes for a command, as a context manager."""

    def __init__(self, rounds: int, scram_iterations: int, max_pending: int = 1) -> None:
        """`max_pending`: maximum number of passwords that are being hashed or waiting."""
        self._carrier = StoreRunner()
        clock = ReactorClock(self._carrier)  # type: ignore[arg-type] # only the time is asked
        self._passwords = Passwords(
            self._carrier,  # type: ignore[arg-type] # only calls from threads are made
            clock,
            rounds=rounds,
            scram_iterations=scram_iterations,
            threads=os.cpu_count() or 1,
            queue_limit=max_pending,
            remember=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._passwords.close()

    def hash(self, password: str) -> StoredPassword:
        """Hashes of a password. Raises PasswordError."""
        return self._carrier.run(self._passwords.hash(password))

    def hash_each(self, passwords: Sequence[str]) -> Iterator[StoredPassword]:
        """Hashes of passwords in order, made concurrently. Raises PasswordError at the position of a rejected one."""
        return self._each([self._passwords.hash(password) for password in passwords])

    def check_each(self, pairs: Sequence[tuple[str, bytes]]) -> Iterator[bool]:
        """Checks pairs of password and stored hash, in order."""
        checks = [self._passwords.verify(str(number), *pair) for number, pair in enumerate(pairs)]
        return self._each(checks)

    def _each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        for pending in [Pending(work) for work in works]:
            yield self._carrier.wait_for(pending)
