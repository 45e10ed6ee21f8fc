"""Ports, logins, limits and relay of Mailpit, MailHog and GreenMail for `mailstack dev --compat`.

Files: `options` reads the options of a tool into settings. `mailpit`, `mailhog` and `greenmail` have the options of each,
and for options without support the replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailstack.cli.compat import greenmail, mailhog, mailpit
from mailstack.cli.compat.options import DevOverrides
from mailstack.sandbox.dev import DevSettings


def overrides_for(peer: str, settings: DevSettings, words: Sequence[str], environ: Mapping[str, str]) -> DevOverrides:
    """Overrides of a tool's options and variables. Raises CommandError for invalid ones."""
    overrides = DevOverrides(peer, settings)
    {"mailpit": mailpit, "mailhog": mailhog, "greenmail": greenmail}[peer].read(words, environ, overrides)
    return overrides
