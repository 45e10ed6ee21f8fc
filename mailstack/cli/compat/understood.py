"""The options of a peer, by its name, as settings of the dev environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailstack.cli.compat import greenmail, mailhog, mailpit
from mailstack.cli.compat.flags import read
from mailstack.cli.compat.overrides import DevOverrides
from mailstack.sandbox.dev import DevSettings


def understood(peer: str, settings: DevSettings, words: Sequence[str], environ: Mapping[str, str]) -> DevOverrides:
    """Raises Refused for what is no option of the peer's, or has a value that none can have."""
    wish = DevOverrides(peer, settings)
    if peer == "greenmail":
        greenmail.prepare(wish)
        greenmail.read(words, environ, wish)
        return wish
    table = mailpit if peer == "mailpit" else mailhog
    table.prepare(wish)
    read(table.FLAGS, words, environ, wish, table.PREFIX)
    table.check(wish)
    return wish
