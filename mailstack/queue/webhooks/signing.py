"""Signatures of webhooks (Standard Webhooks 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"
_LEAST, _MOST = 24, 64
"""Octets of a secret."""
MAX_SECRETS = 8
MAX_OCTETS = 4096
"""Maximum octets of a file with secrets."""


class BadSecret(ValueError):
    """A secret can't be used; str() says what is wrong, never what it is."""


def new_secret() -> str:
    """One that can be written into a file."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The secrets of a file, one a line, the current one first; lines that begin with "#" are not read. Raises BadSecret."""
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(_read(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise BadSecret("there is no secret in it; `mailstack webhook secret FILE` writes one")
    if len(found) > MAX_SECRETS:
        raise BadSecret(f"it has more than {MAX_SECRETS} secrets: each signs every request")
    return found


def _read(line: str) -> bytes:
    if not line.startswith(PREFIX):
        raise BadSecret(
            f'each line has a secret that begins with "{PREFIX}"; `mailstack webhook secret FILE` writes one'
        )
    try:
        octets = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret(f'what follows "{PREFIX}" is not base64') from None
    if not _LEAST <= len(octets) <= _MOST:
        raise BadSecret(f"a secret has {_LEAST} to {_MOST} octets, and this one {len(octets)}")
    return octets


def headers(message_id: str, now: float, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """What tells a receiver which message it is, when it was sent, and that it is ours: signed with every key.

    A receiver that has one of the secrets can check it, so that secrets can be changed without a break; without keys
    nothing is signed.
    """
    at = str(int(now))
    found = {"webhook-id": message_id, "webhook-timestamp": at}
    if keys:
        signed = b".".join([message_id.encode("ascii"), at.encode("ascii"), body])
        found["webhook-signature"] = " ".join(f"v1,{_signature(key, signed)}" for key in keys)
    return found


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, sha256).digest()).decode("ascii")
