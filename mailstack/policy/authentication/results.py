"""Authentication-Results field: writes its own, and removes forged ones (RFC 8601)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter.header import fields

FIELD = b"authentication-results"
_BLANKS = re.compile(rb"[ \t\r\n]*")
_MARK = re.compile(rb"\\.|[()]", re.DOTALL)
"""Special characters within a comment."""
_ID = re.compile(rb'"((?:[^"\\]|\\.)*+)"|([^ \t\r\n;"(]+)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]+")
_NOT_TEXT = re.compile(r"[^A-Za-z0-9 .,:=_/'-]")
_MAX_VALUE = 320
_MAX_REASON = 120


class AuthFinding(Struct, frozen=True):
    """Result of one method (§2.3), as `method=result reason="…" ptype.property=value …`."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    """Pairs such as ("smtp.mailfrom", "other.test"); untrusted text."""
    reason: str = ""
    """Explanation for people; untrusted text may be in it."""

    def __str__(self) -> str:
        reason = f' reason="{_NOT_TEXT.sub("?", self.reason[:_MAX_REASON])}"' if self.reason else ""
        return f"{self.method}={self.result}{reason}" + "".join(
            [f" {name}={_plain(value)}" for name, value in self.properties if value]
        )


def results(authserv_id: str, findings: Sequence[AuthFinding]) -> bytes:
    """Folded Authentication-Results field with its CRLF."""
    text = "".join([f";\r\n\t{finding}" for finding in findings]) or "; none"
    return f"Authentication-Results: {authserv_id}{text}\r\n".encode("ascii", "replace")


def remove_results_of(authserv_id: str, section: bytes) -> bytes:
    """Header section without the fields of this authserv-id; every other octet is unchanged (§5)."""
    if FIELD not in section.lower():
        return section
    own_id = authserv_id.lower().encode()
    return b"".join(
        [field for name, field in fields(section) if name != FIELD or not _has_id(own_id, field.partition(b":")[2])]
    )


def _has_id(own_id: bytes, body: bytes) -> bool:
    """Returns whether a field body starts with this authserv-id, after comments and quotes."""
    at = _behind_comments(body)
    if at is None:
        return True  # a comment without an end is an attack
    match = _ID.match(body, at)
    if match is None:
        return False
    quoted, plain = match.groups()
    claimed: bytes = plain if quoted is None else _ESCAPED.sub(rb"\1", quoted)
    return claimed.lower().rstrip(b".") == own_id


def _behind_comments(body: bytes) -> int | None:
    """Returns the offset of the first word; None after an unterminated comment. Comments may be nested (RFC 5322
    §3.2.2).
    """
    at, depth = 0, 0
    while True:
        blanks = _BLANKS.match(body, at)
        at = blanks.end() if blanks else at
        if body[at : at + 1] != b"(":
            return at
        for mark in _MARK.finditer(body, at):
            depth += (mark[0] == b"(") - (mark[0] == b")")
            if not depth:
                at = mark.end()
                break
        else:
            return None


def _plain(value: str) -> str:
    """Untrusted text as a single token."""
    return _NOT_PLAIN.sub("?", value[:_MAX_VALUE]) or "?"
