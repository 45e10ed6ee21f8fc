"""CANCELUPDATE of search contexts (RFC 5267 §4.5)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError

MAX_TAGS = 100
"""Maximum tags of one CANCELUPDATE."""


class CancelUpdate(Struct, frozen=True):
    """CANCELUPDATE."""

    tag: str
    """Tag of the command itself."""
    searches: tuple[str, ...]
    """Tags of the searches that are updated no longer."""


def cancel_update(reader: CommandReader, tag: str) -> CancelUpdate:
    tags: list[str] = []
    while reader.skip_space():
        tags.append(reader.string("a tag").decode("ascii", "replace"))
        if len(tags) > MAX_TAGS:
            raise ImapGrammarError("CANCELUPDATE has too many tags")
    if not tags:
        raise ImapGrammarError("an argument is missing")
    return CancelUpdate(tag, tuple(tags))
