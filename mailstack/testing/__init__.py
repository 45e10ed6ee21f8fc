"""Post offices for the tests of other programs: real sockets, free ports, nothing to configure, nothing left behind.

`Office` is a context manager; under pytest it comes as the fixture `mailstack` by itself, and `MailstackMixin` brings
it to unittest. Nothing is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailstack.testing.case import MailstackMixin
    from mailstack.testing.journey import Journey
    from mailstack.testing.letter import Attachment, Letter
    from mailstack.testing.office import Office
    from mailstack.testing.wanted import NoSuchLetter

__all__ = ["Attachment", "Journey", "Letter", "MailstackMixin", "NoSuchLetter", "Office"]

_HOMES = {
    "Attachment": "letter",
    "Journey": "journey",
    "Letter": "letter",
    "MailstackMixin": "case",
    "NoSuchLetter": "wanted",
    "Office": "office",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mailstack.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
