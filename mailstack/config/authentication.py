"""DKIM keys that a configuration names."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.policy.authentication.keys import load_private
from mailstack.policy.authentication.signing import SigningKey


def signing_keys(config: Config) -> tuple[SigningKey, ...]:
    """With which our letters are signed. Raises InvalidKey."""
    return tuple(
        [
            SigningKey(each.selector, load_private(each.file), each.domains or config.domains)
            for each in config.dkim.keys
            if each.file is not None
        ]
    )
