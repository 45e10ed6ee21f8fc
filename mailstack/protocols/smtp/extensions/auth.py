"""AUTH (RFC 4954): grammar of the command and its responses."""

from __future__ import annotations

import binascii

from mailstack.letter.address import decode_xtext
from mailstack.protocols.smtp.commands import Auth, AuthResponse
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter, Verb
from mailstack.protocols.smtp.order import RESPONSE, State, Transition
from mailstack.protocols.smtp.replies import Refusal, reply

_SYNTAX = reply(501, "5.5.4", "syntax: AUTH mechanism [initial-response]")
_NOT_BASE64 = reply(501, "5.5.2", "the response is not base64")
_TOO_WEAK = reply(534, "5.7.9", "this authentication mechanism is too weak and not supported; use one that EHLO offers")
_UNKNOWN = reply(504, "5.5.4", "this authentication mechanism is not supported")
_TWICE = reply(503, "5.5.1", "you have authenticated already")
_NOT_IN_CLEAR = reply(530, "5.7.0", "no AUTH without TLS: issue a STARTTLS command first")
_NOT_HERE = reply(502, "5.5.1", "AUTH is not offered here")
_PARAMETER = reply(501, "5.5.4", "AUTH= takes xtext or <>")

_WEAK = frozenset({"CRAM-MD5", "DIGEST-MD5", "NTLM", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "ANONYMOUS"})
"""Mechanisms that are never offered because they are too weak."""


def _argument(facts: Facts) -> str | None:
    return " ".join(facts.capabilities.mechanisms) or None


def _read(argument: str, facts: Facts) -> Auth:
    # §4: AUTH mechanism [initial-response]
    mechanisms = facts.capabilities.mechanisms
    if facts.authenticated:
        raise Refusal(_TWICE)
    if "AUTH" in facts.capabilities.withheld:
        raise Refusal(_NOT_HERE)
    if not mechanisms:
        tls_helps = facts.capabilities.logins and facts.capabilities.starttls and not facts.tls
        raise Refusal(_NOT_IN_CLEAR if tls_helps else _NOT_HERE)
    words = argument.split()
    if not 1 <= len(words) <= 2:
        raise Refusal(_SYNTAX)
    mechanism = words[0].upper()
    if mechanism not in mechanisms:
        raise Refusal(_TOO_WEAK if mechanism in _WEAK else _UNKNOWN)
    if len(words) == 1:
        return Auth(mechanism, None)
    # §4: "=" is an empty initial response.
    return Auth(mechanism, b"" if words[1] == "=" else _decode(words[1]))


def _read_response(argument: str, _facts: Facts) -> AuthResponse:
    # §4: the line is base64, "*" cancels, an empty line is the empty response.
    return AuthResponse(None if argument == "*" else _decode(argument))


def _decode(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except (binascii.Error, ValueError):
        raise Refusal(_NOT_BASE64) from None


def _read_parameter(value: str | None, _facts: Facts) -> str:
    # §5: no client is trusted to vouch for another, so the value is checked and then discarded.
    if not value or (value != "<>" and decode_xtext(value) is None):
        raise Refusal(_PARAMETER)
    return value


AUTH = Extension(
    "AUTH",
    _argument,
    mail={"AUTH": Parameter(_read_parameter)},
    verbs={
        "AUTH": Verb(_read, {State.READY: Transition(State.READY, State.READY)}, long=True),
        RESPONSE: Verb(_read_response, long=True),
    },
)
