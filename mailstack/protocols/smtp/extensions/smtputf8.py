"""SMTPUTF8 (RFC 6531): addresses and header sections in UTF-8."""

from __future__ import annotations

from mailstack.protocols.smtp import commands
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply

_SYNTAX = reply(501, "5.5.4", "SMTPUTF8 takes no value")


def _read(value: str | None, _facts: Facts) -> str:
    # §3.4: no value. `mailstack.protocols.smtp.grammar` reads the addresses.
    if value is not None:
        raise Refusal(_SYNTAX)
    return ""


def _argument(facts: Facts) -> str | None:
    # §3.1: only together with 8BITMIME.
    return None if "8BITMIME" in facts.capabilities.withheld else ""


SMTPUTF8 = Extension(commands.SMTPUTF8, _argument, mail={commands.SMTPUTF8: Parameter(_read, travels=True)})
