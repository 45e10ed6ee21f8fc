"""SPF records and macros: their grammar and expansion (RFC 7208 §4.6.1, §7, §12)."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import quote

from msgspec import Struct

MAX_NAME = 253
"""§7.3: what is longer loses labels from the left."""
_MACRO = re.compile(r"%(?:\{([A-Za-z])([0-9]*)([Rr]?)([.+,/_=-]*)\}|([%_-]))")
_LETTERS = frozenset("slodiphv")
"""Macro letters of names; c, r and t are for explanations (§7.2), which are not used here."""


class Values(Struct, frozen=True):
    """Values of the macro letters, for one domain of the evaluation."""

    sender: str
    sender_domain: str
    domain: str
    address: str
    """Dotted IPv4 address, or the 32 hexadecimal digits of an IPv6 address with dots between."""
    family: str
    """"in-addr" or "ip6"."""
    helo: str
    pointer: str = "unknown"
    """A confirmed name of the client."""

    def value(self, letter: str) -> str:
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
    """Whether every per cent sign in a text is part of a macro."""
    for letter, digits, _, _, _ in _MACRO.findall(text):
        if letter and (letter.lower() not in _LETTERS or (digits and not int(digits[:4]))):
            return False
    return "%" not in _MACRO.sub("", text)


def ends_in_macro(text: str) -> bool:
    """Whether nothing follows the last macro of a text."""
    ends = [match.end() for match in _MACRO.finditer(text)]
    return bool(ends) and ends[-1] == len(text)


def needs_pointer(text: str) -> bool:
    """Whether a text has the macro of the client's name, which needs a DNS lookup."""
    return any(letter in ("p", "P") for letter, *_ in _MACRO.findall(text))


def expand(text: str, values: Values) -> str:
    """The text with its macros replaced (§7.3), as a name to be looked up."""
    name = _MACRO.sub(lambda match: _value(match, values), text).removesuffix(".")
    if len(name) <= MAX_NAME:
        return name
    return name[name.find(".", len(name) - MAX_NAME - 1) + 1 :]


def _value(match: re.Match[str], values: Values) -> str:
    letter, digits, backwards, delimiters, escape = match.groups()
    if escape:
        return {"%": "%", "_": " ", "-": "%20"}[escape]
    # No pattern is compiled from the delimiters: a record may have hundreds of macros with different ones.
    delimiters = delimiters or "."
    parts = (
        values.value(letter.lower()).translate(dict.fromkeys(map(ord, delimiters), delimiters[0])).split(delimiters[0])
    )
    if backwards:
        parts.reverse()
    if digits:
        parts = parts[-int(digits[:4]) :]
    value = ".".join(parts)
    return quote(value, safe="-._~") if letter.isupper() else value


Qualifier = Literal["pass", "fail", "softfail", "neutral"]

MAX_RECORD = 4096
"""Maximum octets of a record; §3.4 recommends 450."""
_QUALIFIERS: dict[str, Qualifier] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=([!-~]*)\Z")
_DIRECTIVE = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(?:(:)([!-~]*))?(/[0-9/]*)?\Z")
_PREFIX = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_NUMBER = r"(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_IP4 = re.compile(rf"(?:{_NUMBER}\.){{3}}{_NUMBER}\Z")
_TOP_LABEL = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?\Z")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PermError(Exception):
    """Invalid record, or a limit exceeded (§2.6.7); str() is the reason."""


class Directive(Struct, frozen=True):
    """A mechanism with its qualifier (§5)."""

    mechanism: str
    qualifier: Qualifier
    target: str = ""
    """Domain-spec with macros; "" is the current domain."""
    network: Network | None = None
    """Network of ip4 and ip6."""
    bits4: int = 32
    bits6: int = 128


class SpfRecord(Struct, frozen=True):
    """SPF record. exp= is validated and ignored, since replies never contain text of other domains."""

    directives: tuple[Directive, ...]
    redirect: str = ""


def is_record(text: str) -> bool:
    """Whether a TXT record is one of SPF (§4.5)."""
    return text[:6].lower() == "v=spf1" and text[6:7] in ("", " ")


def read_record(text: str) -> SpfRecord:
    """Parses a record. Raises PermError for any syntax error, wherever it is (§4.6)."""
    if len(text) > MAX_RECORD or not text.isascii() or not text.isprintable():
        raise PermError("it is too long, or not printable ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, str] = {}
    for term in text[6:].split(" "):
        modifier = _MODIFIER.match(term)
        if modifier is None:
            if term:
                directives.append(_directive(term))
            continue
        name, value = modifier.group(1).lower(), modifier.group(2)
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise PermError(f"{name}= is repeated")
            modifiers[name] = _domain_spec(value)
        elif not has_good_macros(value):
            raise PermError(f"a bad macro in {term[:40]}")
    return SpfRecord(tuple(directives), modifiers.get("redirect", ""))


def _directive(term: str) -> Directive:
    match = _DIRECTIVE.match(term)
    if match is None:
        raise PermError(f"no term: {term[:40]}")
    sign, name, colon, argument, prefix = match.groups()
    name, qualifier, argument = name.lower(), _QUALIFIERS[sign or "+"], (argument or "") + (prefix or "")
    if name == "all" and not colon and not argument:
        return Directive(name, qualifier)
    if name in ("ip4", "ip6") and colon:
        return Directive(name, qualifier, network=_network(name, argument))
    if name in ("a", "mx"):
        target, bits4, bits6 = _with_bits(argument)
        if bool(colon) == bool(target):
            return Directive(name, qualifier, target and _domain_spec(target), bits4=bits4, bits6=bits6)
    if (name in ("include", "exists", "ptr") and colon) or (name == "ptr" and not argument):
        return Directive(name, qualifier, _domain_spec(argument) if colon else "")
    raise PermError(f"no term: {term[:40]}")


def _domain_spec(text: str) -> str:
    """A domain-spec, which ends in a macro or a possible top-level label (§7.1). Raises PermError."""
    if not has_good_macros(text) or not (ends_in_macro(text) or _ends_in_top_label(text)):
        raise PermError(f"no domain: {text[:40]!r}")
    return text


def _ends_in_top_label(text: str) -> bool:
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.match(label) is not None and not label.isdecimal()


def _with_bits(text: str) -> tuple[str, int, int]:
    """A domain and the lengths of the prefixes behind it."""
    match = _PREFIX.match(text)
    assert match is not None, "each of its parts may be empty"
    target, four, six = match.groups()
    bits4, bits6 = 32 if four is None else int(four), 128 if six is None else int(six)
    if bits4 > 32 or bits6 > 128:
        raise PermError(f"no prefix length: {text[:40]}")
    return target, bits4, bits6


def _network(name: str, text: str) -> Network:
    address, slash, bits = text.partition("/")
    max_bits = 32 if name == "ip4" else 128
    if (slash and not bits.isdecimal()) or (len(bits) > 1 and bits.startswith("0")) or int(bits[:4] or 0) > max_bits:
        raise PermError(f"no network: {text[:40]}")
    try:
        if name == "ip4" and _IP4.match(address):
            return ipaddress.IPv4Network((address, int(bits or 32)), strict=False)
        if name == "ip6" and "%" not in address:
            return ipaddress.IPv6Network((address, int(bits or 128)), strict=False)
    except ValueError:
        pass
    raise PermError(f"no network: {text[:40]}")
