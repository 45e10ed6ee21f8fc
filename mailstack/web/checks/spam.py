"""Spam filter verdicts from a local SpamAssassin (spamd) or rspamd.

A SpamVerdict has the format of Mailpit's SpamAssassinResponse.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from itertools import takewhile
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from mailstack.letter.envelope import HostPort
from mailstack.net.client_tls import ClientTls
from mailstack.net.connector import tcp_request
from mailstack.net.http_client import HttpClient
from mailstack.protocols.connection import ConnectFailed
from mailstack.relay.external_relay import is_loopback

MAX_RULES = 500
MAX_TEXT = 500
"""Maximum characters of a name or description."""


class SpamRule(Struct, frozen=True, rename="pascal"):
    """Rule of a filter that matched."""

    score: float
    """Points; negative for a good sign."""
    name: str
    description: str


class SpamVerdict(Struct, frozen=True, rename="pascal"):
    """Verdict of a filter, with its total points."""

    error: str = ""
    """Reason for a missing verdict; the other fields are then unset."""
    is_spam: bool = False
    score: float = 0.0
    rules: tuple[SpamRule, ...] = ()


class BadFilterResponse(ValueError):
    """Invalid response of a filter; str() is the reason."""


SpamCheck = Callable[[bytes], Awaitable[SpamVerdict]]
"""Checks the octets of a letter. An error of the filter is in the verdict."""

RSPAMD_PATH = "/checkv2"

_HARMLESS = frozenset({"no action", "greylist", "soft reject"})
"""Actions for letters that are not held for spam; all other actions mark, change, refuse or drop the letter."""


class _Symbol(Struct):
    name: str = ""
    score: float = 0.0
    description: str | None = None
    options: list[str] = []


class _Checked(Struct):
    score: float
    action: str
    symbols: dict[str, _Symbol] = {}


def parse_rspamd_response(octets: bytes) -> SpamVerdict:
    """Parses the body of a response; rules with the most points first. Raises BadFilterResponse."""
    try:
        checked = msgspec.json.decode(octets, type=_Checked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFilterResponse(f"invalid response of rspamd: {error}") from None
    rules = [
        SpamRule(symbol.score, (symbol.name or name)[:MAX_TEXT], _description(symbol))
        for name, symbol in checked.symbols.items()
    ]
    rules.sort(key=lambda rule: -abs(rule.score))
    return SpamVerdict("", checked.action not in _HARMLESS, checked.score, tuple(rules[:MAX_RULES]))


def _description(symbol: _Symbol) -> str:
    options = f"[{', '.join(symbol.options[:20])}]" if symbol.options else ""
    return f"{symbol.description or ''} {options}".strip()[:MAX_TEXT]


_STATUS = re.compile(r"SPAMD/\d{1,3}\.\d{1,3} (\d{1,5}) ?(.*)")
_SPAM = re.compile(r"(true|yes|false|no) *; *(-?\d{1,9}(?:\.\d{1,9})?) */ *-?\d{1,9}(?:\.\d{1,9})?", re.IGNORECASE)
_RULER = re.compile(r"---- -{5,}[ -]*")
"""Line between the head of the table and its rows."""
_RULE = re.compile(r" {0,3}(-?\d{1,6}(?:\.\d{1,6})?) ([A-Za-z0-9_]{1,200}) *(.*)")
_MORE = re.compile(r" {8,}(\S.*)")
"""Continuation of a description."""


def spamd_request(letter: bytes) -> bytes:
    """Request to spamd for a report on a letter."""
    return b"REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n%b" % (len(letter), letter)


def parse_spamd_report(octets: bytes) -> SpamVerdict:
    """Parses a complete response. Raises BadFilterResponse."""
    head, found, body = octets.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadFilterResponse("invalid response of SpamAssassin's spamd")
    if int(status[1]):
        raise BadFilterResponse(f"spamd responded {status[1]} {status[2][:MAX_TEXT]}".rstrip())
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "")
    if not found or (length.isascii() and length.isdigit() and len(length) < 12 and len(body) < int(length)):
        raise BadFilterResponse("the response of spamd is truncated")
    spam = _SPAM.fullmatch(fields.get("spam", ""))
    if spam is None:
        raise BadFilterResponse("the response of spamd has no score")
    return SpamVerdict("", spam[1].lower() in {"true", "yes"}, float(spam[2]), _rules(body.decode("utf-8", "replace")))


def _rules(report: str) -> tuple[SpamRule, ...]:
    """Rules in the rows of the table; a custom report may have none."""
    lines = iter(report.splitlines())
    if not any(_RULER.fullmatch(line) for line in lines):
        return ()
    found: list[tuple[float, str, list[str]]] = []
    for line in takewhile(str.strip, lines):
        rule, more = _RULE.fullmatch(line), _MORE.fullmatch(line)
        if rule is not None and len(found) < MAX_RULES:
            found.append((float(rule[1]), rule[2], [rule[3]]))
        elif more is not None and found:
            found[-1][2].append(more[1])
    return tuple(SpamRule(score, name, " ".join(words).strip()[:MAX_TEXT]) for score, name, words in found)


TIMEOUT = 30.0
"""Seconds for one letter: filters query the DNS."""
MAX_LETTER = 5 * 1024 * 1024
"""Maximum octets of a letter; filters skip larger ones (spamc's own limit is a tenth)."""
MAX_RESPONSE = 1024 * 1024

_EXAMPLES = "spamassassin:127.0.0.1:783 or rspamd:http://127.0.0.1:11333"


class SpamFilter(Struct, frozen=True):
    kind: Literal["spamassassin", "rspamd"]
    address: HostPort


def parse_filter(text: str) -> SpamFilter:
    """Parses "spamassassin:127.0.0.1:783" or "rspamd:http://127.0.0.1:11333". Raises ValueError."""
    kind, _, where = text.partition(":")
    match kind:
        case "spamassassin":
            return SpamFilter("spamassassin", _host_port(where, 783))
        case "rspamd":
            address = where.removeprefix("http://").removesuffix("/")
            return SpamFilter("rspamd", _host_port(address, 11333))
    raise ValueError(f"unknown spam filter {text[:100]!r}; use {_EXAMPLES}")


def _host_port(text: str, usual: int) -> HostPort:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or usual
        is_plain = parts.netloc == text and "@" not in text
    except ValueError:
        host, port, is_plain = "", 0, False
    if not host or not is_plain or not host.isascii():
        raise ValueError(f"invalid host or port {text[:100]!r}; use {_EXAMPLES}")
    host = "127.0.0.1" if host == "localhost" else host
    if not is_loopback(host):
        raise ValueError(f"the spam filter must be on this machine (127.0.0.1 or ::1), not at {host[:60]!r}")
    return HostPort(host, port)


class SpamFilterClient:
    """SpamCheck that opens one connection for each letter."""

    def __init__(self, reactor: Any, spam_filter: SpamFilter, *, timeout: float = TIMEOUT) -> None:
        self._reactor = reactor
        self._filter = spam_filter
        self._timeout = timeout

    async def __call__(self, letter: bytes) -> SpamVerdict:
        """Verdict of the filter; an error is in its `error`."""
        if len(letter) > MAX_LETTER:
            return SpamVerdict(f"the message has more than {MAX_LETTER} octets; spam filters skip such messages")
        try:
            return await (self._spamd(letter) if self._filter.kind == "spamassassin" else self._rspamd(letter))
        except (ConnectFailed, BadFilterResponse) as error:
            at = self._filter.address
            return SpamVerdict(f"{self._filter.kind} at {at.host} port {at.port}: {error}")

    async def _spamd(self, letter: bytes) -> SpamVerdict:
        response = tcp_request(
            self._reactor, self._filter.address, spamd_request(letter), max_size=MAX_RESPONSE, timeout=self._timeout
        )
        return parse_spamd_report(await response)

    async def _rspamd(self, letter: bytes) -> SpamVerdict:
        at = self._filter.address
        host = f"[{at.host}]" if ":" in at.host else at.host
        client = HttpClient(
            self._reactor,
            ClientTls(),
            timeout=self._timeout,
            max_response=MAX_RESPONSE,
            loopback_only=True,
            connections=1,
        )
        try:
            response = await client.post(
                f"http://{host}:{at.port}{RSPAMD_PATH}", {"Content-Type": "message/rfc822"}, letter
            )
        finally:
            client.close()
        if response.code != 200:
            raise BadFilterResponse(f"it responded {response.code}")
        return parse_rspamd_response(response.body)
