"""Webhook: posts steps to one receiver as JSON, signed (Standard Webhooks 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from mailstack.letter.delivery import Step, StepName
from mailstack.letter.patterns import fits_any_domain
from mailstack.letter.times import iso8601
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.store import Filter, Record, Store, StoreError
from mailstack.store.outbox import OutboxEntry

EventName = Literal[StepName, "delayed"]
"""Steps of a journey, and "delayed": the deferral after which the sender gets a delay report."""

_MAX_WAIT_S = 3600.0
"""Maximum seconds of a Retry-After that are respected."""


class PostResponse(Struct, frozen=True):
    """Response of a receiver."""

    code: int
    retry_after: float = 0.0
    """Seconds in Retry-After (RFC 9110 §10.2.3)."""
    body: bytes = b""
    """Body; empty if it was too long, or incomplete."""
    location: str = ""
    """Target of a redirect (RFC 9110 §10.2.2), as received; redirects are not followed."""


class Poster(Protocol):
    """HTTP client for POST requests."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostResponse:
        """Sends a POST request, and follows no redirect. Raises ConnectFailed."""

    def close(self) -> object:
        """Closes idle connections."""


class SecretReader(Protocol):
    """Reads the secrets for each request, so that new ones need no restart."""

    def __call__(self) -> Sequence[bytes]:
        """The secrets, the current one first; empty for unsigned requests. Raises BadSecret, OSError."""


def no_secrets() -> Sequence[bytes]:
    """Returns no secrets: requests are unsigned."""
    return ()


class WebhookSink:
    """OutboxSink that posts entries to one receiver."""

    def __init__(
        self,
        store: Store,
        poster: Poster,
        clock: Clock,
        url: str,
        *,
        events: frozenset[EventName],
        senders: tuple[str, ...] = (),
        secrets: SecretReader = no_secrets,
    ) -> None:
        """`senders` are domain patterns (`mailstack.letter.patterns`); empty: any sender, the null one included."""
        self._store = store
        self._poster = poster
        self._clock = clock
        self._url = url
        self._events = events
        self._senders = senders
        self._secrets = secrets

    async def send(self, entry: OutboxEntry) -> None:
        """Posts an entry, unless the receiver has not subscribed to it. Raises SendFailed."""
        event = event_of(entry.step, self._events)
        try:
            found = await self._store.history.records(Filter(ids=(entry.step.letter,)))
        except StoreError as trouble:
            raise SendFailed(f"the message can't be read: {trouble}") from None
        record = found[0] if found else None
        if event is None or not self._allows_sender(record):
            return
        await self.post(entry.id, body(event, entry.step, record))

    def close(self) -> None:
        self._poster.close()

    async def post(self, message_id: str, octets: bytes) -> None:
        """Signs and posts a JSON document. Raises SendFailed."""
        try:
            keys = self._secrets()
        except (BadSecret, OSError) as trouble:
            raise SendFailed(f"the secrets can't be read: {trouble}") from None
        headers = {"Content-Type": "application/json", **signature_headers(message_id, self._clock.now(), octets, keys)}
        try:
            response = await self._poster.post(self._url, headers, octets)
        except ConnectFailed as trouble:
            raise SendFailed(str(trouble)) from None
        if not 200 <= response.code < 300:
            raise SendFailed(f"the receiver answered {response.code}", min(response.retry_after, _MAX_WAIT_S))

    def _allows_sender(self, record: Record | None) -> bool:
        """Whether the receiver may see the letter; with `senders`, an unknown sender is excluded."""
        if not self._senders:
            return True
        sender = record.letter.envelope.sender if record is not None else None
        return sender is not None and fits_any_domain(self._senders, sender.ascii_domain.lower())


def is_subscribed(step: Step, events: frozenset[EventName]) -> bool:
    return event_of(step, events) is not None


def event_of(step: Step, events: frozenset[EventName]) -> EventName | None:
    """The event of a step; None if it is none of `events`."""
    if step.step in events:
        return step.step
    return "delayed" if step.step == "deferred" and "delayed" in events and step.facts.get("warned") else None


def body(event: str, step: Step, record: Record | None) -> bytes:
    """JSON document with type, time, step and letter; the letter is null if it is pruned."""
    data = {"step": _step(step), "letter": None if record is None else _letter(record)}
    return msgspec.json.encode({"type": f"letter.{event}", "timestamp": iso8601(step.at), "data": data})


def _step(step: Step) -> dict[str, Any]:
    return {**step.facts, "at": iso8601(step.at), "server": step.server, "step": step.step, "letter": step.letter}


def _letter(record: Record) -> dict[str, Any]:
    letter = record.letter
    envelope = letter.envelope
    found = {
        "id": letter.id,
        "sender": "" if envelope.sender is None else str(envelope.sender),
        "recipients": list(dict.fromkeys(str(each.original or each.address) for each in envelope.recipients)),
        "size": letter.content.size,
        "arrived": iso8601(letter.arrival.at),
        "account": letter.arrival.account,
        "envid": dict(envelope.parameters).get("ENVID"),
    }
    return {name: value for name, value in found.items() if value is not None}


PREFIX = "whsec_"
_MIN_SECRET, _MAX_SECRET = 24, 64
"""Minimum and maximum octets of a secret."""
MAX_SECRETS = 8
MAX_OCTETS = 4096
"""Maximum octets of a file with secrets."""


class BadSecret(ValueError):
    """A secret is invalid; str() is the reason, without the secret."""


def new_secret() -> str:
    """A new secret in the form of secret files."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Parses a file with one secret per line, the current one first, and comments ("#"). Raises BadSecret."""
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(_parse_secret(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise BadSecret("the file contains no secret; create one with `mailstack webhook secret FILE`")
    if len(found) > MAX_SECRETS:
        raise BadSecret(f"the file has more than {MAX_SECRETS} secrets; each one signs every request")
    return found


def _parse_secret(line: str) -> bytes:
    if not line.startswith(PREFIX):
        raise BadSecret(
            f'a secret begins with "{PREFIX}", and a line does not; create a secret with `mailstack webhook secret FILE`'
        )
    try:
        octets = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret(f'the text after "{PREFIX}" is not base64') from None
    if not _MIN_SECRET <= len(octets) <= _MAX_SECRET:
        raise BadSecret(f"a secret has {len(octets)} octets, not {_MIN_SECRET} to {_MAX_SECRET}")
    return octets


def signature_headers(message_id: str, now: float, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Headers with id, time and a signature by each key, so that a receiver with any of the secrets can verify one.

    Without keys there is no signature.
    """
    at = str(int(now))
    found = {"webhook-id": message_id, "webhook-timestamp": at}
    if keys:
        signed = b".".join([message_id.encode("ascii"), at.encode("ascii"), body])
        found["webhook-signature"] = " ".join(f"v1,{_signature(key, signed)}" for key in keys)
    return found


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, sha256).digest()).decode("ascii")
