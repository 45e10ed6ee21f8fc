"""Options of LIST and STATUS (RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

StatusItem = Literal[
    "MESSAGES",
    "RECENT",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "SIZE",
    "DELETED",
    "HIGHESTMODSEQ",
    "MAILBOXID",
    "APPENDLIMIT",
]


class ListOptions(Struct, frozen=True):
    """Selection and return options; a plain LIST has none."""

    is_extended: bool = False
    """Whether the command used the syntax of RFC 5258."""
    select: frozenset[str] = frozenset()
    """SUBSCRIBED, REMOTE, RECURSIVEMATCH, SPECIAL-USE in upper case."""
    returns: frozenset[str] = frozenset()
    """SUBSCRIBED, CHILDREN, SPECIAL-USE in upper case."""
    status: tuple[StatusItem, ...] = ()
    """Items of RETURN (STATUS …)."""
