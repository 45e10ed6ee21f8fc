"""Base subject of a message, for SORT and THREAD (RFC 5256 §2.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

from mailstack.letter.charsets import text_of
from mailstack.letter.header import plain

MAX_SUBJECT = 1000
"""Maximum characters of a subject that are compared."""

_BLANKS = re.compile(r"\s+")
_TRAILER = "(fwd)"
_BLOB = r"\[[^\[\]]*+\] *+"
_REPLY = re.compile(rf"(?:{_BLOB})*+(?:re|fwd?) *+(?:{_BLOB})?+:", re.IGNORECASE)
_BLOB_ALONE = re.compile(_BLOB)
_FORWARDED = "[fwd:"


class BaseSubject(NamedTuple):
    """Subject without marks of replies and forwards."""

    text: str
    """Text with decoded words and single blanks, in its case; "" without a subject."""
    is_reply: bool
    """Whether a mark of a reply or forward was removed."""


def base_subject(body: bytes) -> BaseSubject:
    """Base subject of the unfolded body of a Subject field."""
    text = _BLANKS.sub(" ", plain(text_of(body)))[:MAX_SUBJECT]
    is_reply = False
    while True:
        text, had_trailer = _without_trailer(text)
        text, had_leader = _without_leader(text)
        is_reply = is_reply or had_trailer or had_leader
        if not (text[: len(_FORWARDED)].lower() == _FORWARDED and text.endswith("]")):
            return BaseSubject(text, is_reply)
        text, is_reply = text[len(_FORWARDED) : -1], True


def _without_trailer(text: str) -> tuple[str, bool]:
    end = len(text)
    found = False
    while True:
        if text[:end].endswith(" "):
            end -= 1
        elif text[max(0, end - len(_TRAILER)) : end].lower() == _TRAILER:
            end -= len(_TRAILER)
            found = True
        else:
            return text[:end], found


def _without_leader(text: str) -> tuple[str, bool]:
    at = 0
    found = False
    while True:
        if text.startswith(" ", at):
            at += 1
        elif reply := _REPLY.match(text, at):
            at, found = reply.end(), True
        elif (blob := _BLOB_ALONE.match(text, at)) and blob.end() < len(text):
            at = blob.end()
        else:
            return text[at:], found
