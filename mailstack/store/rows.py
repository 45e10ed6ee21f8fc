"""Row conversion for stored values, with checks for damage on reading."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from mailstack.letter import Address, Arrival, Content, Envelope, Letter, LetterId, Recipient, Status, time_parameters
from mailstack.letter.address import ascii_domain
from mailstack.letter.delivery import OWED, Delivery, DeliveryState, Step
from mailstack.store import Damaged, Entry, StoreError
from mailstack.store.outbox import OutboxEntry

T = TypeVar("T")

FAR = 1e15
"""A time that never comes: when a held delivery may be claimed."""

_encode = msgspec.json.Encoder().encode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_arrival = msgspec.json.Decoder(Arrival).decode
_decode_recipient = msgspec.json.Decoder(Recipient).decode
_decode_facts = msgspec.json.Decoder(dict[str, Any]).decode

_decode_collected = msgspec.json.Decoder(list[tuple[int, float, str, dict[str, Any]]]).decode

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT = re.compile(r"[\x00-\x20\x7f<>]")
# Angle brackets are xtext like others (RFC 3461 §4): an ENVID is often a Message-ID.
_NO_PARAMETER = re.compile(r"[\x00-\x20\x7f]")

LETTER = ("id", "server", "sender", "arrived", "size", "envelope", "arrival")
DELIVERY = (
    "letter",
    "number",
    "recipient",
    "destination",
    "state",
    "due",
    "attempts",
    "claimed_by",
    "lease",
    "status",
    "text",
    "host",
    "warned",
    "priority",
)
DELIVERY_ROW = (*DELIVERY, "server", "address", "original", "waits_until")
STEP = ("letter", "seq", "at", "server", "step", "facts")
OUTBOX = ("id", "target", *STEP[:1], *STEP[2:], "due", "attempts", "claimed_by", "trouble")


def as_json(value: object) -> str:
    """Raises StoreError for what JSON can't say, such as text that isn't Unicode."""
    try:
        return _encode(value).decode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"a value can't be stored: {error}") from error


encode_envelope: Callable[[Envelope], str] = as_json
encode_arrival: Callable[[Arrival], str] = as_json
encode_recipient: Callable[[Recipient], str] = as_json


def decode_envelope(text: str) -> Envelope:
    """Raises ValueError."""
    envelope = _decode_envelope(text)
    _check_address(envelope.sender)
    _check_parameters(envelope.parameters)
    time_parameters.check(envelope.parameters)
    for recipient in envelope.recipients:
        _check_recipient(recipient)
    return envelope


def decode_arrival(text: str) -> Arrival:
    """Raises ValueError."""
    return _decode_arrival(text)


def decode_recipient(text: str) -> Recipient:
    """Raises ValueError."""
    recipient = _decode_recipient(text)
    _check_recipient(recipient)
    return recipient


def _check_recipient(recipient: Recipient) -> None:
    _check_address(recipient.address)
    _check_address(recipient.original)
    _check_parameters(recipient.parameters)


def _check_address(address: Address | None) -> None:
    """Refuse what would become another command, or another parameter, when it is sent."""
    if address is None:
        return
    if _CONTROL.search(address.local) or _UNFIT.search(address.domain):
        raise ValueError("an address contains invalid characters")
    if not address.local.isascii() and not address.local.isprintable():
        raise ValueError("an address contains unprintable characters")
    ascii_domain(address.domain)


def _check_parameters(parameters: tuple[tuple[str, str], ...]) -> None:
    for parameter in parameters:
        whole = "".join(parameter)
        if _NO_PARAMETER.search(whole) or not whole.isprintable():
            raise ValueError("a parameter contains invalid characters")


def checked(table: str, name: object, decode: Callable[[], T]) -> T:
    """Result of `decode`; Damaged with table and id for an invalid row."""
    try:
        return decode()
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Damaged(f"table {table}, {name!r}: {error}") from error


def key(address: Address | None) -> str:
    return "" if address is None else address.key


def waits_until(delivery: Delivery) -> float | None:
    """Time of the next claim; FAR while held, None for a closed delivery."""
    if delivery.state is DeliveryState.QUEUED:
        return delivery.due if delivery.claimed_by is None else max(delivery.due, delivery.lease)
    if delivery.state in OWED or delivery.claimed_by is not None:
        return FAR
    return None


def letter_row(letter: Letter) -> list[Any]:
    """Values in the order of LETTER."""
    arrival, envelope = letter.arrival, letter.envelope
    return [
        letter.id,
        arrival.server,
        key(envelope.sender),
        arrival.at,
        letter.content.size,
        as_json(envelope),
        as_json(arrival),
    ]


def delivery_row(delivery: Delivery, server: str) -> list[Any]:
    """Values in the order of DELIVERY_ROW."""
    recipient = delivery.recipient
    return [
        delivery.letter,
        delivery.number,
        as_json(recipient),
        delivery.destination,
        delivery.state.value,
        delivery.due,
        delivery.attempts,
        delivery.claimed_by,
        delivery.lease,
        None if delivery.status is None else str(delivery.status),
        delivery.text,
        delivery.host,
        int(delivery.warned),
        delivery.priority,
        server,
        recipient.address.key,
        None if recipient.original is None else recipient.original.key,
        waits_until(delivery),
    ]


def letter_from(row: Sequence[Any], content: Callable[[LetterId, int], Content]) -> Letter:
    """Letter from columns in the order of LETTER; `content` makes its content from id and size."""

    def decode() -> Letter:
        letter = LetterId(text(row[0]))
        return Letter(letter, decode_envelope(row[5]), content(letter, number(row[4])), decode_arrival(row[6]))

    return checked("letters", row[0], decode)


def delivery_from(row: Sequence[Any]) -> Delivery:
    """Delivery from columns in the order of DELIVERY."""

    def decode() -> Delivery:
        return Delivery(
            LetterId(text(row[0])),
            number(row[1]),
            decode_recipient(row[2]),
            text(row[3]),
            DeliveryState(row[4]),
            float(row[5]),
            number(row[6]),
            None if row[7] is None else text(row[7]),
            float(row[8]),
            None if row[9] is None else Status.parse(text(row[9])),
            text(row[10]),
            text(row[11]),
            bool(number(row[12])),
            priority(row[13]),
        )

    return checked("deliveries", (row[0], row[1]), decode)


def step_from(row: Sequence[Any]) -> Step:
    """Step from columns in the order of STEP."""

    def decode() -> Step:
        return msgspec.convert(
            {"letter": row[0], "at": row[2], "server": row[3], "step": row[4], "facts": _decode_facts(row[5])}, Step
        )

    return checked("steps", (row[0], row[1]), decode)


def facts_from(letter: object, facts: str) -> dict[str, Any]:
    """Facts of a step. Raises Damaged."""
    return checked("steps", letter, lambda: _decode_facts(facts))


def numbered_from(row: Sequence[Any]) -> tuple[int, Step]:
    """A step behind its number; from columns in the order of STEP."""
    return checked("steps", (row[0], row[1]), lambda: number(row[1])), step_from(row)


def collected_text(step: Step, seq: int) -> str:
    """A "collected" step as it stands among those of its delivery. Raises StoreError for facts that can't be stored."""
    return as_json((seq, step.at, step.server, step.facts))


def collected_again(before: object, more: str | None) -> str | None:
    """Reader column of a delivery with one more step. Raises Damaged."""
    if before is None:
        return None if more is None else f"[{more}]"
    stored = checked("deliveries", "collected", lambda: text(before))
    return stored if more is None else f"{stored.rstrip().removesuffix(']')},{more}]"


def collected_from(row: Sequence[Any]) -> list[tuple[int, Step]]:
    """The "collected" steps of a delivery, with their numbers; from letter, number, collected."""

    def decode() -> list[tuple[int, Step]]:
        letter = LetterId(text(row[0]))
        return [
            (number(seq), Step(letter, at, server, "collected", facts))
            for seq, at, server, facts in _decode_collected(text(row[2]))
        ]

    return [] if row[2] is None else checked("deliveries", (row[0], row[1]), decode)


def outbox_row(entry: OutboxEntry) -> list[Any]:
    """Values in the order of OUTBOX. Raises StoreError for facts that can't be stored."""
    step = entry.step
    return [
        entry.id,
        entry.target,
        step.letter,
        step.at,
        step.server,
        step.step,
        as_json(step.facts),
        entry.due,
        entry.attempts,
        entry.claimed_by,
        entry.trouble,
    ]


def outbox_entry_from(row: Sequence[Any]) -> OutboxEntry:
    """Entry from columns in the order of OUTBOX."""

    def decode() -> OutboxEntry:
        step = step_from((row[2], 0, *row[3:7]))
        owner = None if row[9] is None else text(row[9])
        return OutboxEntry(text(row[0]), text(row[1]), step, float(row[7]), number(row[8]), owner, text(row[10]))

    return checked("outbox", row[0], decode)


def entries_from(text: str, mailbox: str) -> list[Entry]:
    """Entries from lines of uid, size and letter, separated by spaces."""
    lines = text.splitlines()
    return checked(
        "entries", mailbox, lambda: [Entry(int(u), int(s), LetterId(i)) for u, s, i in map(str.split, lines)]
    )


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return value


def priority(value: object) -> int:
    if not isinstance(value, int) or not time_parameters.LOWEST <= value <= time_parameters.HIGHEST:
        raise TypeError(f"not a priority: {value!r:.40}")
    return value


def number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"not a number: {value!r:.40}")
    return value
