"""Client of the configured spam filter, with its address and timeout."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from mailstack.letter.connection import HostPort
from mailstack.net.client_tls import ClientTls
from mailstack.net.http_client import HttpClient
from mailstack.net.tcp_request import answer_to
from mailstack.protocols.connection import ConnectFailed
from mailstack.relay.loopback import is_loopback
from mailstack.web.checks.spam import (
    RSPAMD_PATH,
    BadFilterResponse,
    SpamVerdict,
    parse_rspamd_response,
    parse_spamd_report,
    spamd_request,
)

TIMEOUT = 30.0
"""Seconds for one letter: filters ask the DNS."""
MAX_LETTER = 5 * 1024 * 1024
"""Octets of a letter; filters skip larger ones (spamc's own limit is a tenth of that)."""
MAX_RESPONSE = 1024 * 1024

_EXAMPLES = "spamassassin:127.0.0.1:783 or rspamd:http://127.0.0.1:11333"


class SpamFilter(Struct, frozen=True):
    """One of this machine."""

    kind: Literal["spamassassin", "rspamd"]
    at: HostPort


def parse_filter(text: str) -> SpamFilter:
    """Of "spamassassin:127.0.0.1:783" or "rspamd:http://127.0.0.1:11333". Raises ValueError, with a reason for people."""
    kind, _, where = text.partition(":")
    match kind:
        case "spamassassin":
            return SpamFilter("spamassassin", _host_port(where, 783))
        case "rspamd":
            address = where.removeprefix("http://").removesuffix("/")
            return SpamFilter("rspamd", _host_port(address, 11333))
    raise ValueError(f"{text[:100]!r} names no spam filter; write {_EXAMPLES}")


def _host_port(text: str, usual: int) -> HostPort:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or usual
        is_plain = parts.netloc == text and "@" not in text
    except ValueError:
        host, port, is_plain = "", 0, False
    if not host or not is_plain or not host.isascii():
        raise ValueError(f"{text[:100]!r} is no host with a port; write {_EXAMPLES}")
    host = "127.0.0.1" if host == "localhost" else host
    if not is_loopback(host):
        raise ValueError(f"only a spam filter of this machine is asked (127.0.0.1, ::1), and {host[:60]!r} is not here")
    return HostPort(host, port)


class SpamFilterClient:
    """A verdict.Judge: asks a filter about letters, each over a connection of its own."""

    def __init__(self, reactor: Any, chosen: SpamFilter, *, timeout: float = TIMEOUT) -> None:
        self._reactor = reactor
        self._chosen = chosen
        self._timeout = timeout

    async def __call__(self, letter: bytes) -> SpamVerdict:
        """Why there is no verdict is its `error`."""
        if len(letter) > MAX_LETTER:
            return SpamVerdict(f"the letter is larger than {MAX_LETTER} octets, and spam filters skip such")
        try:
            return await (self._spamd(letter) if self._chosen.kind == "spamassassin" else self._rspamd(letter))
        except (ConnectFailed, BadFilterResponse) as trouble:
            at = self._chosen.at
            return SpamVerdict(f"{self._chosen.kind} at {at.host} port {at.port}: {trouble}")

    async def _spamd(self, letter: bytes) -> SpamVerdict:
        asked = answer_to(
            self._reactor, self._chosen.at, spamd_request(letter), max_size=MAX_RESPONSE, timeout=self._timeout
        )
        return parse_spamd_report(await asked)

    async def _rspamd(self, letter: bytes) -> SpamVerdict:
        at = self._chosen.at
        host = f"[{at.host}]" if ":" in at.host else at.host
        poster = HttpClient(
            self._reactor,
            ClientTls(),
            timeout=self._timeout,
            max_response=MAX_RESPONSE,
            loopback_only=True,
            connections=1,
        )
        try:
            answer = await poster.post(
                f"http://{host}:{at.port}{RSPAMD_PATH}", {"Content-Type": "message/rfc822"}, letter
            )
        finally:
            poster.close()
        if answer.code != 200:
            raise BadFilterResponse(f"it answers {answer.code}")
        return parse_rspamd_response(answer.body)
