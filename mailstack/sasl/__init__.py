"""SASL: how a client proves who it is, whichever protocol carries it (RFC 4422).

A new mechanism is one new file and one name in MECHANISMS.
"""

from __future__ import annotations

from mailstack.sasl.login import Login
from mailstack.sasl.mechanism import (
    Authenticator,
    Challenge,
    Credentials,
    Denied,
    Malformed,
    Mechanism,
    Unavailable,
)
from mailstack.sasl.plain import Plain

__all__ = [
    "MECHANISMS",
    "Authenticator",
    "Challenge",
    "Credentials",
    "Denied",
    "Malformed",
    "Mechanism",
    "Unavailable",
]

MECHANISMS: dict[str, type[Mechanism]] = {mechanism.name: mechanism for mechanism in (Plain, Login)}
"""By name, the preferred one first: the order in which they are announced."""
