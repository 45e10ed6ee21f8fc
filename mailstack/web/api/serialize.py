"""Serializes letters of the index and the store for the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from mailstack.letter import Arrival, LetterId
from mailstack.letter.address_lists import Correspondent
from mailstack.letter.delivery import DeliveryState, Step
from mailstack.letter.parsed import CalendarEvent, ParsedLetter, Part
from mailstack.letter.times import iso8601
from mailstack.mailbox.index.items import Item
from mailstack.store import Record
from mailstack.web.api.schemas import (
    AddressInfo,
    CalendarEventInfo,
    LetterDetail,
    LetterSummary,
    PartNode,
    PartSummary,
    RecipientState,
    UnsubscribeInfo,
)

FETCHED = "src"
"""Kind of links that mail clients load to display the letter, such as images."""
REMOVED = DeliveryState.REMOVED.value
UNKNOWN = "unknown"
"""State of a letter without a record in the store."""

BARE_NEWLINES = (
    "Lines of this message ended in LF only. Other hosts refuse such a message (550 5.5.2): end each line with CRLF."
)


def summary(item: Item, records: Mapping[LetterId, Record]) -> LetterSummary:
    """`records` has the records of the letter and its copies."""
    recipients = _recipients(item, records)
    return LetterSummary(
        id=item.id,
        number=item.number,
        subject=item.subject,
        author=None if item.author is None else _address_info(item.author),
        to=_address_infos(item.to),
        cc=_address_infos(item.cc),
        sender=item.sender,
        recipients=recipients,
        size=item.size,
        arrived=iso8601(item.arrived),
        unread=item.unread,
        flagged=item.flagged,
        tags=list(item.tags),
        attachments=item.attachments,
        snippet=item.snippet,
        state=_common_state([each.state for each in recipients]),
    )


def letter(
    item: Item,
    records: Mapping[LetterId, Record],
    reading: ParsedLetter,
    *,
    hide_client: bool = False,
    max_text: int | None = None,
) -> LetterDetail:
    """Return the letter with its content, in time proportional to its size. `hide_client` omits the client.

    `max_text`: maximum characters of the text; None: no limit.
    """
    listed = summary(item, records)
    values = {name: getattr(listed, name) for name in LetterSummary.__struct_fields__}
    return LetterDetail(
        **values,
        bcc=_address_infos(item.bcc),
        reply_to=_address_infos(item.reply_to),
        date=_date(reading),
        message_id=reading.message_id,
        text=reading.text[:max_text],
        text_truncated=reading.text_truncated or len(reading.text[:max_text]) < len(reading.text),
        html=reading.html,
        parts=_parts(reading),
        headers=list(reading.headers),
        links=[link.url for link in reading.links if link.kind != FETCHED],
        codes=list(reading.codes),
        envelope=_envelope(item, records.get(item.id), hide_client=hide_client),
        list_unsubscribe=unsubscribe_info(reading),
        events=[_event_info(each) for each in reading.events],
    )


def _event_info(event: CalendarEvent) -> CalendarEventInfo:
    start = event.start
    return CalendarEventInfo(
        method=event.method,
        summary=event.summary,
        start=None if start is None else start.at.isoformat(),
        end=None if event.end is None else event.end.at.isoformat(),
        all_day=start is not None and not isinstance(start.at, datetime),
        time_zone="" if start is None else start.zone,
        location=event.location,
        organizer=AddressInfo(event.organizer_name, event.organizer) if event.organizer else None,
        recurring=event.is_recurring,
    )


def unsubscribe_info(reading: ParsedLetter) -> UnsubscribeInfo | None:
    """Return List-Unsubscribe of a letter; None without the field."""
    found = reading.unsubscribe
    if found is None:
        return None
    return UnsubscribeInfo(found.field, list(found.links), found.post, found.one_click, list(found.faults))


def warnings_of(steps: Sequence[Step]) -> list[str]:
    """Deviations in the steps of a letter that other hosts reject."""
    return [BARE_NEWLINES] if any(step.facts.get("bare_newlines") for step in steps) else []


def tree(part: Part) -> PartNode:
    return PartNode(
        part=part.number,
        type=part.type,
        name=part.name,
        size=part.size,
        disposition=part.disposition,
        content_id=part.content_id,
        charset=part.charset,
        encoding=part.encoding,
        parts=[tree(each) for each in part.parts],
    )


def _date(reading: ParsedLetter) -> str | None:
    """ISO 8601 text; None for a date outside the calendar."""
    try:
        return None if reading.date is None else reading.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except OverflowError:
        return None


def _address_info(correspondent: Correspondent) -> AddressInfo:
    return AddressInfo(correspondent.name, correspondent.address)


def _address_infos(correspondents: Sequence[Correspondent]) -> list[AddressInfo]:
    return [_address_info(each) for each in correspondents]


def _parts(reading: ParsedLetter) -> list[PartSummary]:
    inline = {part.number for part in reading.inline}
    return [
        PartSummary(part.number, part.name, part.type, part.size, part.content_id, part.number in inline)
        for part in (*reading.attachments, *reading.inline)
    ]


def _recipients(item: Item, records: Mapping[LetterId, Record]) -> list[RecipientState]:
    """Return each recipient of the sender with its delivery state on the last server."""
    record = records.get(item.id)
    if record is None:
        return [RecipientState(address, UNKNOWN) for address in item.recipients]
    copies: dict[str, list[str]] = {}
    for each in item.copies:
        for delivery in records[each].deliveries if each in records else ():
            original = delivery.recipient.original or delivery.recipient.address
            copies.setdefault(original.key, []).append(delivery.state.value)
    found = []
    for recipient in record.letter.envelope.recipients:
        if str(recipient.address) not in item.recipients:
            continue
        states: list[str] = []
        for delivery in record.deliveries:
            address = delivery.recipient.address
            if (delivery.recipient.original or address).key == recipient.address.key:
                further = copies.get(address.key) if delivery.state is DeliveryState.RELAYED else None
                states += further or [delivery.state.value]
        # A redirected delivery is removed; the state of the new one counts.
        found.append(
            RecipientState(str(recipient.address), _common_state([s for s in states if s != REMOVED] or states))
        )
    return found


def _common_state(states: Iterable[str]) -> str:
    words = set(states)
    return words.pop() if len(words) == 1 else "mixed" if words else UNKNOWN


def _envelope(item: Item, record: Record | None, *, hide_client: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"sender": item.sender, "recipients": list(item.recipients)}
    if record is not None:
        arrival: Arrival = record.letter.arrival
        facts |= {
            "server": arrival.server,
            "protocol": arrival.protocol,
            "client": None if arrival.remote is None or hide_client else arrival.remote.host,
            "helo": "" if hide_client else arrival.helo,
            "account": None if hide_client else arrival.account,
            "tls": None if arrival.tls is None or hide_client else msgspec.to_builtins(arrival.tls),
            "parameters": [
                list(pair) for pair in record.letter.envelope.parameters if not (hide_client and pair[0] == "AUTH")
            ],
        }
    return facts
