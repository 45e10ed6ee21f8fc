"""XVERP, as Postfix has it: VERP for a submitted letter."""

from __future__ import annotations

from mailstack.letter.envelope import DELIMITERS, XVERP, read_delimiters
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply

_SYNTAX = reply(501, "5.5.4", 'XVERP takes two of "-", "+" and "=", as XVERP=+=')


def _argument(facts: Facts) -> str | None:
    # Only after a login: each recipient costs a transaction, and bounces go to the sender.
    return "" if facts.capabilities.verp else None


def _read(value: str | None, _facts: Facts) -> str:
    try:
        return read_delimiters(DELIMITERS if value is None else value)
    except ValueError:
        raise Refusal(_SYNTAX) from None


VERP = Extension(XVERP, _argument, mail={XVERP: Parameter(_read, travels=True)})
