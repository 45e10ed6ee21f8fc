"""SIZE (RFC 1870): maximum and declared size of a content."""

from __future__ import annotations

import re

from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

_VALUE = re.compile(r"[0-9]{1,20}\Z")
_SYNTAX = reply(501, "5.5.4", "SIZE takes 1 to 20 digits")


def too_large(max_size: int) -> Reply:
    """The refusal of a content beyond `max_size` octets, declared (§6.1) or real (§6.3)."""
    return reply(552, "5.3.4", f"message too large, the limit is {max_size} octets")


def _argument(facts: Facts) -> str:
    # §4: "0" is no fixed limit.
    return str(facts.capabilities.max_size)


def _read(value: str | None, facts: Facts) -> str:
    # §5: size-value ::= 1*20DIGIT
    if value is None or not _VALUE.match(value):
        raise Refusal(_SYNTAX)
    limit = facts.capabilities.max_size
    if limit and int(value) > limit:
        raise Refusal(too_large(limit))
    return value


# Python's smtplib adds SIZE even if its caller did, so it may be repeated; each value is checked.
SIZE = Extension("SIZE", _argument, mail={"SIZE": Parameter(_read, repeats=True)})
