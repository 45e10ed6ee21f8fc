"""Rules of others' mock servers, in our words: Mailpit's chaos triggers, and the behaviours of James's mock SMTP server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.sandbox.faults.rule import Rule

_TRIGGERS = {"Sender": ("mail", 451), "Recipient": ("rcpt", 451), "Authentication": ("auth", 535)}
"""Mailpit's names, our steps, and the codes that it takes where none is given."""

_COMMANDS = {"EHLO": "ehlo", "HELO": "ehlo", "MAIL FROM": "mail", "RCPT TO": "rcpt", "DATA": "final", "QUIT": "quit"}
"""James's names, and our steps: its DATA is answered when the content is there."""


class _Trigger(Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    error_code: int = 0
    probability: int = 0


def from_mailpit(triggers: Mapping[str, Any]) -> list[Rule]:
    """The rules of `{"Sender": {"ErrorCode": 451, "Probability": 5}, …}`; what has the probability 0 makes none.

    Their ids are "mailpit-sender" and so on, so that new triggers take the place of the old ones. Raises ValueError.
    """
    rules = []
    for name, given in triggers.items():
        if name not in _TRIGGERS:
            raise ValueError(f"{name}: those there are: {', '.join(_TRIGGERS)}")
        trigger = msgspec.convert(given, _Trigger)
        at, usual = _TRIGGERS[name]
        code = trigger.error_code or usual
        if not 400 <= code <= 599 or not 0 <= trigger.probability <= 100:
            raise ValueError(f"{name}: ErrorCode is from 400 to 599, Probability from 0 to 100")
        if trigger.probability:
            text = f"{code} {code // 100}.0.0 chaos: {name.lower()} refused"
            rules.append(Rule(at=at, id=f"mailpit-{name.lower()}", reply=text, probability=trigger.probability / 100))
    return rules


def to_mailpit(rules: Sequence[Rule]) -> dict[str, dict[str, int]]:
    """The triggers that rules stand for, all three of them; without a rule with Probability 0."""
    found = {rule.id: rule for rule in rules}
    triggers = {}
    for name, (_, usual) in _TRIGGERS.items():
        rule = found.get(f"mailpit-{name.lower()}")
        code = rule.refusal.code if rule is not None else usual
        triggers[name] = {
            "ErrorCode": code,
            "Probability": round(rule.probability * 100) if rule is not None else 0,
        }
    return triggers


class _Condition(Struct, frozen=True, rename="camel"):
    operator: str = "matchAll"
    matching_value: str = ""


class _Response(Struct, frozen=True):
    code: int
    message: str = ""


class _Behaviour(Struct, frozen=True, rename="camel"):
    command: str
    response: _Response
    condition: _Condition = _Condition()
    number_of_answer: int | None = None


def from_james(behaviours: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """The rules of `[{"command": "RCPT TO", "condition": …, "response": {"code": 451, "message": "…"}, "numberOfAnswer": 2}]`.

    The first rule that fits happens, as there. Raises ValueError for what has no counterpart: an answer that is no
    refusal, or "contains" of a command without an address.
    """
    rules = []
    for number, given in enumerate(behaviours, 1):
        each = msgspec.convert(given, _Behaviour)
        at = _COMMANDS.get(each.command.upper())
        if at is None:
            raise ValueError(f"command {each.command!r}: those there are: {', '.join(_COMMANDS)}")
        condition: dict[str, str] = {}
        if each.condition.operator == "contains":
            if at not in {"mail", "rcpt"} or not each.condition.matching_value:
                raise ValueError(f"{each.command}: only MAIL FROM and RCPT TO can be told to contain something")
            condition["sender" if at == "mail" else "recipient"] = f"*{each.condition.matching_value.strip('<>')}*"
        elif each.condition.operator != "matchAll":
            raise ValueError(f'operator {each.condition.operator!r}: those there are: "contains", "matchAll"')
        reply = f"{each.response.code} {each.response.message or 'refused'}"
        rules.append(Rule(at=at, id=f"james-{number}", reply=reply, times=each.number_of_answer, **condition))  # type: ignore[arg-type]
    return rules
