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

from mailstack.letter.patterns import fits_any_domain
from mailstack.letter.step import Step, StepName
from mailstack.letter.times import iso8601
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.store import Filter, Record, Store, StoreError
from mailstack.store.outbox import OutboxEntry

EventName = Literal[StepName, "delayed"]
"""The steps of a journey, and "delayed": the deferral with which the sender is told of a delay."""

_MOST_WAIT = 3600.0
"""Seconds for which a receiver may ask to be left alone."""


class Answer(Struct, frozen=True):
    """What a receiver said."""

    code: int
    retry_after: float = 0.0
    """Seconds (RFC 9110 §10.2.3)."""
    body: bytes = b""
    """Empty when it was too long, or cut off."""
    location: str = ""
    """Target of a redirect (RFC 9110 §10.2.2), as received; redirects are not followed."""


class Poster(Protocol):
    """Sends one request."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST; no redirect is followed. Raises wire.Unreachable, with a reason for people."""

    def close(self) -> object:
        """Let go of connections that were kept."""


class Secrets(Protocol):
    """Where the secrets are read each time, so that new ones need no restart."""

    def __call__(self) -> Sequence[bytes]:
        """The current one first; empty when nothing is to be signed. Raises BadSecret, OSError."""


def no_secrets() -> Sequence[bytes]:
    """Of a webhook that signs nothing."""
    return ()


class WebhookSink:
    """One receiver: an `announcer.Teller`."""

    def __init__(
        self,
        store: Store,
        poster: Poster,
        clock: Clock,
        url: str,
        *,
        events: frozenset[EventName],
        senders: tuple[str, ...] = (),
        secrets: Secrets = no_secrets,
    ) -> None:
        """`senders` are patterns of domains (`mailstack.letter.patterns`); empty: of any sender, the null one too."""
        self._store = store
        self._poster = poster
        self._clock = clock
        self._url = url
        self._events = events
        self._senders = senders
        self._secrets = secrets

    async def send(self, entry: OutboxEntry) -> None:
        """Post it. Raises SendFailed."""
        event = event_of(entry.step, self._events)
        try:
            found = await self._store.records(Filter(ids=(entry.step.letter,)))
        except StoreError as trouble:
            raise SendFailed(f"the letter can't be read: {trouble}") from None
        record = found[0] if found else None
        if event is None or not self._is_of_sender(record):
            return
        await self.post(entry.id, body(event, entry.step, record))

    def close(self) -> None:
        self._poster.close()

    async def post(self, message_id: str, octets: bytes) -> None:
        """Post octets of JSON, signed now. Raises SendFailed."""
        try:
            keys = self._secrets()
        except (BadSecret, OSError) as trouble:
            raise SendFailed(f"the secrets can't be read: {trouble}") from None
        headers = {
            "Content-Type": "application/json",
            **signature_headers(message_id, self._clock.now(), octets, keys),
        }
        try:
            answer = await self._poster.post(self._url, headers, octets)
        except ConnectFailed as trouble:
            raise SendFailed(str(trouble)) from None
        if not 200 <= answer.code < 300:
            raise SendFailed(f"the receiver answered {answer.code}", min(answer.retry_after, _MOST_WAIT))

    def _is_of_sender(self, record: Record | None) -> bool:
        """Return whether the receiver may see the letter; an unknown sender, as of a pruned letter, may be excluded."""
        if not self._senders:
            return True
        sender = record.letter.envelope.sender if record is not None else None
        return sender is not None and fits_any_domain(self._senders, sender.ascii_domain.lower())


def is_wanted(step: Step, events: frozenset[EventName]) -> bool:
    """Whether a receiver of these events is to be told of a step, as far as the step itself says."""
    return event_of(step, events) is not None


def event_of(step: Step, events: frozenset[EventName]) -> EventName | None:
    """Which of the events a step is; None for a step that is none of them."""
    if step.step in events:
        return step.step
    return "delayed" if step.step == "deferred" and "delayed" in events and step.facts.get("warned") else None


def body(event: str, step: Step, record: Record | None) -> bytes:
    """The message: its type, its time, the step as journeys have it, and its letter, if that is known still."""
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
_LEAST, _MOST = 24, 64
"""Octets of a secret."""
MAX_SECRETS = 8
MAX_OCTETS = 4096
"""Maximum octets of a file with secrets."""


class BadSecret(ValueError):
    """A secret can't be used; str() says what is wrong, never what it is."""


def new_secret() -> str:
    """One that can be written into a file."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The secrets of a file, one a line, the current one first; lines that begin with "#" are not read. Raises BadSecret."""
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(_read(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise BadSecret("there is no secret in it; `mailstack webhook secret FILE` writes one")
    if len(found) > MAX_SECRETS:
        raise BadSecret(f"it has more than {MAX_SECRETS} secrets: each signs every request")
    return found


def _read(line: str) -> bytes:
    if not line.startswith(PREFIX):
        raise BadSecret(
            f'each line has a secret that begins with "{PREFIX}"; `mailstack webhook secret FILE` writes one'
        )
    try:
        octets = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret(f'what follows "{PREFIX}" is not base64') from None
    if not _LEAST <= len(octets) <= _MOST:
        raise BadSecret(f"a secret has {_LEAST} to {_MOST} octets, and this one {len(octets)}")
    return octets


def signature_headers(message_id: str, now: float, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """What tells a receiver which message it is, when it was sent, and that it is ours: signed with every key.

    A receiver that has one of the secrets can check it, so that secrets can be changed without a break; without keys
    nothing is signed.
    """
    at = str(int(now))
    found = {"webhook-id": message_id, "webhook-timestamp": at}
    if keys:
        signed = b".".join([message_id.encode("ascii"), at.encode("ascii"), body])
        found["webhook-signature"] = " ".join(f"v1,{_signature(key, signed)}" for key in keys)
    return found


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, sha256).digest()).decode("ascii")
