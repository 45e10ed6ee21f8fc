"""Parameter types of commands: addresses, letter ids, paths, times, quotas."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from mailstack.cli.lazy_group import load
from mailstack.cli.output import CommandError
from mailstack.letter import Address, AddressError, LetterId
from mailstack.letter.times import read_duration

_LETTER_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{15}\Z")


def address(text: str, domains: Sequence[str]) -> Address:
    """Parses an address; a name without @ is in the first of `domains`. Raises CommandError."""
    if "@" not in text and not domains:
        raise CommandError(f"{text!r} has no domain, and this server has no default domain; write user@domain")
    whole = text if "@" in text else f"{text}@{domains[0]}"
    try:
        return Address.parse(whole)
    except AddressError as error:
        raise CommandError(f"{whole!r} is not an address: {error}") from error


def local_address(text: str, domains: Sequence[str]) -> Address:
    """Parses an address in one of `domains`. Raises CommandError."""
    found = address(text, domains)
    if found.ascii_domain.lower() not in {domain.lower() for domain in domains}:
        raise CommandError(
            f"{found} is not in a domain of this server ({', '.join(domains)}); add it to `domains` first"
        )
    return found


def letter_id(text: str) -> LetterId:
    """Parses a letter id. Raises CommandError."""
    word = text.strip().lower()
    if not _LETTER_ID.match(word):
        raise CommandError(f"{text!r} is not a letter id; `mailstack letters` lists the messages")
    return LetterId(word)


def unknown_letter(letter: LetterId) -> CommandError:
    """Error for an id that is not in the store."""
    return CommandError(f"there is no message {letter}; `mailstack letters` lists the messages")


EMPTY = "is empty; is a shell variable unset?"


class PathType(click.Path):
    """Path parameter; an empty one, as of an unset shell variable, is an error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class StoreType(click.ParamType[str]):
    """A data directory, or a postgresql:// URL."""

    name = "store"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return str(value)


class When(Struct, frozen=True):
    """A moment as people name it: so long ago, or at a time."""

    ago: float | None = None
    """Seconds."""
    instant: float = 0.0
    """Seconds since 1970, where `ago` is None."""

    def at(self, now: float) -> float:
        """Time by the clock of the queried server, which may have been advanced."""
        return self.instant if self.ago is None else now - self.ago


def parse_when(text: str) -> When:
    """Parses "2h" (ago), or an ISO 8601 date or time; local time without a zone. Raises ValueError."""
    try:
        return When(read_duration(text.strip()))
    except ValueError:
        return When(instant=datetime.fromisoformat(text.strip()).timestamp())


class Since(click.ParamType[When]):
    """The type of options such as --since."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        if isinstance(value, When):
            return value
        try:
            return parse_when(value)
        except (ValueError, OverflowError, OSError):
            expected = "a duration (30m, 2h, 7d) or a date (2026-11-23, 2026-11-23T21:00)"
            self.fail(f"{value!r} is not {expected}.", param, ctx)


def read_quota(text: str) -> int | None:
    """Parses a quota in octets; 0 for `none`, None for `default`. Raises CommandError."""
    if text == "default":
        return None
    if text == "none":
        return 0

    read_size: Callable[[object], int] = load("mailstack.config.syntax:read_size")
    try:
        return read_size(int(text) if text.isdecimal() and len(text) < 15 else text)
    except ValueError:
        raise CommandError(f"{text!r} is not a quota; give a size such as 500MiB, or `none`, or `default`") from None


def size_text(octets: int) -> str:
    """Size with a binary unit."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if octets >= 1 << power:
            return f"{octets / (1 << power):.1f} {unit}"
    return f"{octets} octets"


def quota_text(quota: int | None) -> str:
    if quota is None:
        return "default"
    return size_text(quota) if quota else "none"


password_file = click.option(
    "--password-file",
    metavar="FILE",
    type=PathType(allow_dash=True),
    help="Read the password from the first line of FILE (`-` for standard input) instead of a prompt.",
)


def read_password(file: Path | None, *, confirm: bool = True) -> str:
    """Reads a password from a file, standard input or a prompt. Raises CommandError."""
    if file is None:
        if not sys.stdin.isatty():
            raise CommandError("standard input is not a terminal; give the password with --password-file FILE (or -)")
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))
    try:
        with click.open_file(str(file), encoding="utf-8") as lines:
            found = str(lines.readline()).rstrip("\r\n")
    except OSError as error:
        raise CommandError(f"the password file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"the password in {file} is not UTF-8") from error
    if not found:
        raise CommandError(f"the first line of {file} is empty; the password belongs there")
    return found
