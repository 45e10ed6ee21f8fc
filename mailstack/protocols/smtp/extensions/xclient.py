"""XCLIENT, as Postfix has it: client data from a trusted proxy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from mailstack.letter import Address, AddressError
from mailstack.letter.address import decode_xtext
from mailstack.protocols.smtp.commands import XClient
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Verb
from mailstack.protocols.smtp.order import State, Transition
from mailstack.protocols.smtp.replies import Refusal, reply

NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")

_UNKNOWN = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})
# RFC 3461 §4 has upper-case hexadecimal digits only; proxies send both.
_HEXCHAR = re.compile(r"\+[0-9a-fA-F]{2}")
_MAX_VALUE = 255
_IPV6 = "IPV6:"

_NOT_ALLOWED = reply(550, "5.7.0", "XCLIENT is not permitted for this client")
_SYNTAX = reply(501, "5.5.4", "syntax: XCLIENT attribute=value ...")
_BAD_NAME = reply(501, "5.5.4", "XCLIENT: unknown attribute")
_BAD_VALUE = reply(501, "5.5.4", "XCLIENT: invalid value")


def _argument(facts: Facts) -> str | None:
    return " ".join(NAMES) if facts.capabilities.xclient else None


def _read(argument: str, facts: Facts) -> XClient:
    if not facts.capabilities.xclient or "XCLIENT" in facts.capabilities.withheld:
        raise Refusal(_NOT_ALLOWED)
    attributes: dict[str, str | None] = {}
    for word in argument.split():
        name, equals, text = word.partition("=")
        if not equals:
            raise Refusal(_SYNTAX)
        if name.upper() not in NAMES:
            raise Refusal(_BAD_NAME)
        attributes[name.upper()] = _decoded(text)
    if not attributes:
        raise Refusal(_SYNTAX)
    return XClient(
        name=attributes.get("NAME"),
        address=_address(attributes, "ADDR"),
        port=_port(attributes, "PORT"),
        protocol=_protocol(attributes),
        hello=attributes.get("HELO"),
        login=_login(attributes),
        local_address=_address(attributes, "DESTADDR"),
        local_port=_port(attributes, "DESTPORT"),
    )


def _decoded(text: str) -> str | None:
    """The decoded value; None for one that the proxy does not know."""
    if text.upper() in _UNKNOWN:
        return None
    value = decode_xtext(_HEXCHAR.sub(lambda match: match[0].upper(), text))
    if not value or len(value) > _MAX_VALUE:
        raise Refusal(_BAD_VALUE)
    return value


def _address(attributes: Mapping[str, str | None], name: str) -> str | None:
    text = attributes.get(name)
    if text is None:
        return None
    try:
        return str(ipaddress.ip_address(text[len(_IPV6) :] if text.upper().startswith(_IPV6) else text))
    except ValueError:
        raise Refusal(_BAD_VALUE) from None


def _port(attributes: Mapping[str, str | None], name: str) -> int | None:
    text = attributes.get(name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise Refusal(_BAD_VALUE)
    return int(text)


def _login(attributes: Mapping[str, str | None]) -> str | None:
    """Key of the account; raises Refusal for a name other than an address."""
    text = attributes.get("LOGIN")
    if text is None:
        return None
    try:
        return Address.parse(text).key
    except AddressError:
        raise Refusal(_BAD_VALUE) from None


def _protocol(attributes: Mapping[str, str | None]) -> str | None:
    text = attributes.get("PROTO")
    if text is not None and text.upper() not in ("SMTP", "ESMTP"):
        raise Refusal(_BAD_VALUE)
    return text and text.upper()


# The named client has sent no EHLO: 220 greets it and restarts the session.
_VERB = Verb(
    _read,
    {
        State.CONNECTED: Transition(State.CONNECTED, State.CONNECTED),
        State.READY: Transition(State.CONNECTED, State.READY),
    },
)

XCLIENT = Extension("XCLIENT", _argument, verbs={"XCLIENT": _VERB})
