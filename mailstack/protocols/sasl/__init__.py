"""SASL mechanisms of server and client (RFC 4422).

A new mechanism is one new file and one name in MECHANISMS.
"""

from __future__ import annotations

from mailstack.protocols.sasl.bearer import OAUTHBEARER, XOAUTH2
from mailstack.protocols.sasl.cram import CRAM_MD5
from mailstack.protocols.sasl.credentials import CertificateProof, Credentials, DigestProof, Proof, ScramProof, Token
from mailstack.protocols.sasl.external import EXTERNAL
from mailstack.protocols.sasl.mechanism import (
    AccountLogin,
    Authenticator,
    Cancelled,
    Channel,
    Denied,
    Malformed,
    Mechanism,
    OpenSession,
    SaslExchange,
    Sessions,
    Unavailable,
)
from mailstack.protocols.sasl.plain import LOGIN, PLAIN
from mailstack.protocols.sasl.scram import SCRAM, SCRAM_PLUS
from mailstack.protocols.sasl.scram_keys import ScramKeys

__all__ = [
    "MECHANISMS",
    "AccountLogin",
    "Authenticator",
    "Cancelled",
    "CertificateProof",
    "Channel",
    "Credentials",
    "Denied",
    "DigestProof",
    "Malformed",
    "Mechanism",
    "OpenSession",
    "Proof",
    "SaslExchange",
    "ScramKeys",
    "ScramProof",
    "Sessions",
    "Token",
    "Unavailable",
    "offered",
]

_ALL: tuple[Mechanism, ...] = (EXTERNAL, SCRAM_PLUS, SCRAM, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN, CRAM_MD5)

MECHANISMS: dict[str, Mechanism] = {mechanism.name: mechanism for mechanism in _ALL}
"""Mechanisms by name, in the order of the EHLO reply: the preferred one first."""


def offered(authenticator: Authenticator, channel: Channel) -> tuple[str, ...]:
    """Names of the mechanisms for this connection, the preferred one first."""
    kinds = authenticator.kinds
    return tuple(
        name for name, mechanism in MECHANISMS.items() if mechanism.proof in kinds and mechanism.usable(channel)
    )
