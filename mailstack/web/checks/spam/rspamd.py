"""Parses answers of rspamd (POST /checkv2, JSON)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from mailstack.web.checks.spam import MOST_RULES, MOST_TEXT, NotUnderstood, Rule, Verdict

PATH = "/checkv2"

_HARMLESS = frozenset({"no action", "greylist", "soft reject"})
"""Actions for letters that are not held for spam; the others mark, change, refuse or drop the letter."""


class _Symbol(Struct):
    name: str = ""
    score: float = 0.0
    description: str | None = None
    options: list[str] = []


class _Checked(Struct):
    score: float
    action: str
    symbols: dict[str, _Symbol] = {}


def read_checked(octets: bytes) -> Verdict:
    """The body of an answer. The rules that weigh most come first. Raises NotUnderstood."""
    try:
        checked = msgspec.json.decode(octets, type=_Checked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(f"what came is no answer of rspamd: {error}") from None
    rules = [
        Rule(symbol.score, (symbol.name or name)[:MOST_TEXT], _words(symbol))
        for name, symbol in checked.symbols.items()
    ]
    rules.sort(key=lambda rule: -abs(rule.score))
    return Verdict("", checked.action not in _HARMLESS, checked.score, tuple(rules[:MOST_RULES]))


def _words(symbol: _Symbol) -> str:
    options = f"[{', '.join(symbol.options[:20])}]" if symbol.options else ""
    return f"{symbol.description or ''} {options}".strip()[:MOST_TEXT]
