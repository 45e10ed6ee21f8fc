"""SPF macros for sender, client and address (RFC 7208 §7)."""

from __future__ import annotations

import re
from urllib.parse import quote

from msgspec import Struct

LONGEST_NAME = 253
"""§7.3: what is longer loses labels from the left."""
_MACRO = re.compile(r"%(?:\{([A-Za-z])([0-9]*)([Rr]?)([.+,/_=-]*)\}|([%_-]))")
_LETTERS = frozenset("slodiphv")
"""Macro letters of names; c, r and t are for explanations (§7.2), which are not used here."""


class Values(Struct, frozen=True):
    """What the letters stand for, in one domain of the evaluation."""

    sender: str
    sender_domain: str
    domain: str
    address: str
    """Dotted, or the 32 half octets of an IPv6 address with dots between."""
    family: str
    """"in-addr" or "ip6"."""
    helo: str
    pointer: str = "unknown"
    """A confirmed name of the client."""

    def of(self, letter: str) -> str:
        """What a letter of a macro stands for."""
        return {
            "s": self.sender,
            "l": self.sender.rpartition("@")[0],
            "o": self.sender_domain,
            "d": self.domain,
            "i": self.address,
            "p": self.pointer,
            "h": self.helo,
            "v": self.family,
        }[letter]


def has_good_macros(text: str) -> bool:
    """Whether every per cent sign in a text begins a macro."""
    for letter, digits, _, _, _ in _MACRO.findall(text):
        if letter and (letter.lower() not in _LETTERS or (digits and not int(digits[:4]))):
            return False
    return "%" not in _MACRO.sub("", text)


def ends_in_macro(text: str) -> bool:
    """Whether nothing follows the last macro of a text."""
    ends = [match.end() for match in _MACRO.finditer(text)]
    return bool(ends) and ends[-1] == len(text)


def needs_pointer(text: str) -> bool:
    """Whether a text has the macro that asks the DNS for the client's name."""
    return any(letter in ("p", "P") for letter, *_ in _MACRO.findall(text))


def expand(text: str, values: Values) -> str:
    """The text with its macros replaced (§7.3), as a name to be looked up."""
    name = _MACRO.sub(lambda match: _value(match, values), text).removesuffix(".")
    if len(name) <= LONGEST_NAME:
        return name
    return name[name.find(".", len(name) - LONGEST_NAME - 1) + 1 :]


def _value(match: re.Match[str], values: Values) -> str:
    letter, digits, backwards, delimiters, escape = match.groups()
    if escape:
        return {"%": "%", "_": " ", "-": "%20"}[escape]
    # No pattern is made of the delimiters: a record may have hundreds of macros, each with others.
    delimiters = delimiters or "."
    parts = values.of(letter.lower()).translate(dict.fromkeys(map(ord, delimiters), delimiters[0])).split(delimiters[0])
    if backwards:
        parts.reverse()
    if digits:
        parts = parts[-int(digits[:4]) :]
    value = ".".join(parts)
    return quote(value, safe="-._~") if letter.isupper() else value
