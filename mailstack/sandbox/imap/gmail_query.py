"""Gmail's search language in X-GM-RAW, as search keys of IMAP."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from mailstack.protocols.imap.search_keys import AgeKey, And, DateKey, FlagKey, HeaderKey, Not, Or, SizeKey, TextKey

MAX_TERMS = 200
MAX_DEPTH = 20
MAX_SIZE = 2**50
"""Maximum octets of a size, and seconds of an age."""


class GmailQueryError(Exception):
    """Query with too many terms, or nested too deeply."""


class GmailKey(Struct, frozen=True):
    """Key of Gmail that depends on what is stored."""

    kind: str
    """"msgid", "thrid" or "label"."""
    value: str
    """Number in decimal digits, or a label such as "Work" or "\\Inbox"."""


_TOKEN = re.compile(
    r'(?P<mark>[(){}])|(?P<no>-)?(?:(?P<operator>[A-Za-z0-9_]{1,20}):)?(?:"(?P<quoted>[^"]*)"|(?P<word>[^\s(){}"]+))?'
)
_SIZE = re.compile(r"([0-9]{1,15})([KMG]?)B?", re.IGNORECASE)
_AGE = re.compile(r"([0-9]{1,5})([dmy])", re.IGNORECASE)
_DAY = re.compile(r"([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "d": 86_400, "m": 30 * 86_400, "y": 365 * 86_400}
_SYSTEM_LABELS = {"inbox": "\\Inbox", "sent": "\\Sent", "draft": "\\Draft", "drafts": "\\Draft", "spam": "\\Spam"} | {
    "trash": "\\Trash", "starred": "\\Starred", "important": "\\Important"
}  # fmt: skip


def system_label(name: str) -> str:
    r"""System label such as "\Inbox" in its usual case. Raises ValueError for an unknown one."""
    for label in _SYSTEM_LABELS.values():
        if label.lower() == name.lower():
            return label
    raise ValueError(name)


def label_key(name: str) -> Any:
    """Key of a label by its name, such as "work" or "inbox"."""
    return GmailKey("label", _SYSTEM_LABELS.get(name.lower(), name))


def _in(place: str) -> Any:
    return And() if place.lower() in {"anywhere", "all"} else label_key(place)


def _is(state: str) -> Any:
    match state.lower():
        case "read" | "unread":
            return FlagKey("\\Seen", present=state.lower() == "read")
        case "starred":
            return FlagKey("\\Flagged")
    return label_key(state)


def _has(what: str) -> Any:
    return HeaderKey("content-type", "multipart/mixed") if what.lower() == "attachment" else TextKey(what, True)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.fullmatch(text)
    if found is None:
        return None
    unit = found[2].lower() if pattern is _AGE else found[2].upper()
    return max(1, min(MAX_SIZE, int(found[1]) * _UNITS[unit]))


def _size(*, is_larger: bool) -> Callable[[str], Any]:
    def key(text: str) -> Any:
        octets = _number(_SIZE, text)
        return None if octets is None else SizeKey(octets, is_larger)

    return key


def _age(*, is_older: bool) -> Callable[[str], Any]:
    def key(text: str) -> Any:
        seconds = _number(_AGE, text)
        return None if seconds is None else AgeKey(seconds, is_older)

    return key


def _date(relation: str) -> Callable[[str], Any]:
    def key(text: str) -> Any:
        found = _DAY.fullmatch(text)
        try:
            return None if found is None else DateKey("internal", relation, dt.date(*map(int, found.groups())))
        except ValueError:
            return None

    return key


def _field(name: str) -> Callable[[str], Any]:
    return lambda text: HeaderKey(name, text)


_OPERATORS: dict[str, Callable[[str], Any]] = {
    **{name: _field(name) for name in ("from", "to", "cc", "bcc", "subject")},
    "deliveredto": _field("delivered-to"),
    "list": _field("list-id"),
    "rfc822msgid": _field("message-id"),
    "label": label_key,
    "in": _in,
    "is": _is,
    "has": _has,
    "filename": lambda text: TextKey(text, with_header=False),
    "larger": _size(is_larger=True),
    "size": _size(is_larger=True),
    "smaller": _size(is_larger=False),
    "older_than": _age(is_older=True),
    "newer_than": _age(is_older=False),
    "after": _date("since"),
    "before": _date("before"),
}
"""Key of each operator; None for a value that it does not accept."""


def parse_query(text: str) -> Any:
    """Key of a query: words, operators, `OR`, `-`, parentheses and braces. Raises GmailQueryError."""
    tokens = [found for found in _TOKEN.finditer(text) if found[0]]
    if len(tokens) > MAX_TERMS:
        raise GmailQueryError("the query has too many terms")
    return _Query(tokens).several("", 0)


class _Query:
    """Terms of a query, consumed from the front."""

    def __init__(self, tokens: list[re.Match[str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._operator = ""
        """Operator before the present parentheses, such as "subject" in `subject:(a b)`."""

    def several(self, closer: str, depth: int) -> Any:
        """Terms up to a closing mark: all of them, or in braces any of them."""
        if depth > MAX_DEPTH:
            raise GmailQueryError("the query is nested too deeply")
        keys: list[Any] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token["mark"] in {")", "}"}:
                self._at += 1
                if token["mark"] == closer:
                    break
            elif token[0] == "OR" and keys:
                self._at += 1
                keys.append(Or(keys.pop(), self._one(depth)))
            else:
                keys.append(self._one(depth))
        if closer == "}":
            return _any(keys)
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def _one(self, depth: int) -> Any:
        if self._at >= len(self._tokens):
            return And()
        token = self._tokens[self._at]
        self._at += 1
        if token["mark"] in {"(", "{"}:
            return self.several({"(": ")", "{": "}"}[token["mark"]], depth + 1)
        value = token["quoted"] if token["quoted"] is not None else token["word"]
        if value is None:
            key = self._group(token["operator"] or self._operator, depth)
        else:
            key = _term(token["operator"] or self._operator, value)
        return Not(key) if token["no"] else key

    def _group(self, operator: str, depth: int) -> Any:
        """Parentheses after an operator or a minus."""
        is_there = self._at < len(self._tokens) and self._tokens[self._at]["mark"] in {"(", "{"}
        if not is_there:
            return And()
        outer, self._operator = self._operator, operator
        key = self._one(depth)
        self._operator = outer
        return key


def _term(operator: str, value: str) -> Any:
    """Key of one term; an unknown operator, or one with a wrong value, is text."""
    known = _OPERATORS.get(operator.lower())
    key = known(value) if known is not None else None
    if key is None:
        key = TextKey(f"{operator}:{value}" if operator else value, with_header=True)
    return key


def _any(keys: list[Any]) -> Any:
    if not keys:
        return And()
    found = keys[0]
    for key in keys[1:]:
        found = Or(found, key)
    return found
