"""Reads options as Mailpit, MailHog and GreenMail write them, and their environment variables, against a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.errors import CommandError

YES = {"1", "true", "yes", "t", "on"}
NO = {"", "0", "false", "no", "f", "off"}


class Flag(Struct, frozen=True):
    """One option of a peer."""

    name: str
    """Without its dashes."""
    do: Callable[[DevOverrides, str, str], None]
    """Called with the wish, the option as it was given, and its value ("" for a switch that is on)."""
    short: str = ""
    variable: str = ""
    """Of the environment."""
    kind: Literal["text", "switch"] = "text"


def instead(advice: str) -> Callable[[DevOverrides, str, str], None]:
    """For an option that is not honoured."""
    return lambda wish, option, _: wish.instead(option, advice)


def already(_wish: DevOverrides, _option: str, _value: str) -> None:
    """For an option that asks for what is so anyway."""


def read(
    table: Sequence[Flag], words: Sequence[str], environ: Mapping[str, str], wish: DevOverrides, prefix: str
) -> None:
    """Variables first, then options, which count more. Raises Refused for an option that is not in the table.

    `prefix` is that of the peer's variables: one that is unknown is told, not passed over.
    """
    variables = {flag.variable: flag for flag in table if flag.variable}
    for name in sorted(environ):
        value = environ[name]
        if name in variables:
            _apply(variables[name], wish, name, value)
        elif value and name.startswith(prefix):
            wish.instead(name, f"no such variable is known of {wish.peer}")
    for option, flag, value in _options(table, words, wish.peer):
        _apply(flag, wish, option, value)


def _apply(flag: Flag, wish: DevOverrides, option: str, value: str) -> None:
    if flag.kind == "switch":
        if value.lower() in NO:
            return
        if value.lower() not in YES:
            raise CommandError(f"{option}: {value!r} is neither true nor false")
        value = ""
    elif not value:
        return  # as if it were not there, as for a variable that is empty
    flag.do(wish, option, value)


def _options(table: Sequence[Flag], words: Sequence[str], peer: str) -> Iterator[tuple[str, Flag, str]]:
    """As pflag has it, and Go: --name value, --name=value, -n value, -name value, and switches without one."""
    known = {flag.name: flag for flag in table}
    short = {flag.short: flag for flag in table if flag.short}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        flag = known.get(name) or (short.get(name) if not word.startswith("--") else None)
        if not word.startswith("-") or flag is None:
            raise CommandError(f"{word!r} is no option of {peer}'s that is known here; mailstack's own stand before --")
        if flag.kind == "switch":
            yield word.partition("=")[0], flag, value if equals else "true"
        else:
            if not equals and not rest:
                raise CommandError(f"{word} needs a value")
            yield word.partition("=")[0], flag, value if equals else rest.pop(0)
