"""Parser of options and environment variables as Mailpit and MailHog have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.compat.removed import advice_for
from mailstack.cli.errors import CommandError

_YES = {"1", "true", "yes", "t", "on"}
_NO = {"", "0", "false", "no", "f", "off"}

Action = Callable[[DevOverrides, str, str], None]
"""Called with the overrides, the option as it was given, and its value ("" for a switch that is on)."""


class Option(Struct, frozen=True):
    """Option of a tool."""

    name: str
    """Name without dashes; the variable has it in capitals behind the tool's prefix."""
    do: Action
    short: str = ""
    variable: str = ""
    """Name of the variable, where it is not made from `name`."""
    kind: Literal["text", "switch"] = "text"


def read_options(
    table: Sequence[Option], words: Sequence[str], environ: Mapping[str, str], wish: DevOverrides, prefix: str
) -> None:
    """Reads variables, then options, which override them. Raises CommandError for an unknown option."""
    variables = {each.variable or variable_of(prefix, each.name): each for each in table}
    for name in sorted(environ):
        value = environ[name]
        if name in variables:
            _apply(variables[name], wish, name, value)
        elif value and name.startswith(prefix):
            known = _removed(wish.peer, name.removeprefix(prefix).lower().replace("_", "-"))
            _apply(known or Option(name, _unknown), wish, name, value)
    for given, option, value in _given(table, words, wish.peer):
        _apply(option, wish, given, value)


def variable_of(prefix: str, name: str) -> str:
    """Environment variable of an option."""
    return prefix + name.upper().replace("-", "_")


def _unknown(wish: DevOverrides, name: str, _: str) -> None:
    wish.not_supported(name, f"{wish.peer} has no such variable")


def _removed(peer: str, name: str) -> Option | None:
    """Option that prints its advice, if it is one that is not supported."""
    if (found := advice_for(peer, name)) is None:
        return None
    advice, takes_value = found

    def say(wish: DevOverrides, option: str, _: str) -> None:
        if advice:
            wish.not_supported(option, advice)

    return Option(name, say, kind="text" if takes_value else "switch")


def _apply(option: Option, wish: DevOverrides, given: str, value: str) -> None:
    if option.kind == "switch":
        if value.lower() in _NO:
            return
        if value.lower() not in _YES:
            raise CommandError(f"{given}: {value!r} is neither true nor false")
        value = ""
    elif not value:
        return  # an empty value counts as absent, like an empty variable
    option.do(wish, given, value)


def _given(table: Sequence[Option], words: Sequence[str], peer: str) -> Iterator[tuple[str, Option, str]]:
    """Options in the syntax of pflag and Go: --name value, --name=value, -n value, -name value."""
    known = {option.name: option for option in table}
    short = {option.short: option for option in table if option.short}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        option = known.get(name) or (short.get(name) if not word.startswith("--") else None) or _removed(peer, name)
        if not word.startswith("-") or option is None:
            raise CommandError(f"{word!r} is not an option of {peer}; write mailstack's own options before --")
        if option.kind == "switch":
            yield word.partition("=")[0], option, value if equals else "true"
        else:
            if not equals and not rest:
                raise CommandError(f"{word} needs a value")
            yield word.partition("=")[0], option, value if equals else rest.pop(0)
