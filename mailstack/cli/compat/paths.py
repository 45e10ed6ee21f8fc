"""The path of a URL below which the pages of a peer shall stand."""

from __future__ import annotations

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.errors import CommandError
from mailstack.config.values import read_web_root


def web_root(wish: DevOverrides, option: str, value: str) -> None:
    """With or without its slashes. Raises Refused."""
    try:
        wish.set(web_root=read_web_root(value))
    except ValueError as error:
        raise CommandError(f"{option}: {value!r} is not {error}") from None
