"""SORT: order of messages by their fields, dates and sizes (RFC 5256, RFC 5957)."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from email.utils import parsedate_tz
from typing import Any

from mailstack.letter.address_lists import AddressList, read_address_list
from mailstack.letter.charsets import text_of
from mailstack.letter.header import plain
from mailstack.mailbox.imap.base_subject import base_subject
from mailstack.mailbox.imap.casemap import casemap
from mailstack.protocols.imap.envelope import split_address, unquoted
from mailstack.protocols.imap.search_keys import SortKey

_COLUMNS = frozenset(["ARRIVAL", "SIZE"])
_MAX_DATE = 100
_DAY_S = 86_400
_MAX_LIST = 4096
"""Maximum octets of a list of addresses, of which only the first counts."""


def needs_fields(order: Sequence[SortKey]) -> bool:
    """Whether the order depends on the header section."""
    return any(key.name not in _COLUMNS for key in order)


def sort_values(
    order: Sequence[SortKey], fields: Mapping[bytes, bytes], *, at: float, size: int
) -> tuple[str | float, ...]:
    """Values of one message by the keys of the order.

    `fields` are unfolded bodies by name in lower case, needed for `needs_fields`. `at`: internal date, seconds since 1970.
    """
    return tuple([_value(key.name, fields, at, size) for key in order])


def sort_order(order: Sequence[SortKey], values: Sequence[tuple[str | float, ...]]) -> list[int]:
    """Positions of the messages in their order; equal ones stay in the order of their positions (RFC 5256 §3)."""
    positions = list(range(len(values)))
    for number in range(len(order) - 1, -1, -1):
        column: list[Any] = [each[number] for each in values]
        positions.sort(key=column.__getitem__, reverse=order[number].is_reverse)
    return positions


def sent_time(fields: Mapping[bytes, bytes], at: float) -> float:
    """Time of the Date field in seconds since 1970; the internal date `at` without a valid day (RFC 5256 §2.2).

    An invalid time of the day is midnight, an invalid zone is UTC.
    """
    try:
        found = parsedate_tz(text_of(fields.get(b"date", b""))[:_MAX_DATE])
        if found is None:
            return at
        year, month, day, hour, minute, second = found[:6]
        if not (hour < 24 and minute < 60 and second <= 60):
            hour = minute = second = 0
        # The day is checked here: timegm takes the 31st of any month.
        if not 1 <= day <= calendar.monthrange(year, month)[1]:
            return at
        offset = found[9] or 0
        return calendar.timegm((year, month, day, hour, minute, second)) - (offset if abs(offset) < _DAY_S else 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return at


def _value(name: str, fields: Mapping[bytes, bytes], at: float, size: int) -> str | float:
    value: str | float
    match name:
        case "ARRIVAL":
            value = at
        case "SIZE":
            value = size
        case "DATE":
            value = sent_time(fields, at)
        case "SUBJECT":
            value = casemap(base_subject(fields.get(b"subject", b"")).text)
        case "DISPLAYFROM" | "DISPLAYTO":
            value = _display_name(_listed(fields, name.removeprefix("DISPLAY")))
        case _:
            value = _mailbox(_listed(fields, name))
    return value


def _listed(fields: Mapping[bytes, bytes], name: str) -> AddressList:
    return read_address_list(fields.get(name.lower().encode("ascii"), b"")[:_MAX_LIST], 1)


def _mailbox(listed: AddressList) -> str:
    """Local part of the first address, or the name of a group before it (RFC 5256 §3)."""
    if listed.groups and listed.groups[0].start == 0:
        return casemap(text_of(unquoted(listed.groups[0].name)))
    return casemap(text_of(split_address(listed.mailboxes[0].text)[0])) if listed.mailboxes else ""


def _display_name(listed: AddressList) -> str:
    """Decoded display name of the first address or group, else the address (RFC 5957 §3)."""
    if listed.groups and listed.groups[0].start == 0:
        return casemap(plain(text_of(unquoted(listed.groups[0].name))))
    if not listed.mailboxes:
        return ""
    mailbox = listed.mailboxes[0]
    if name := plain(text_of(unquoted(mailbox.name))):
        return casemap(name)
    local, domain = split_address(mailbox.text)
    return casemap(text_of(local + b"@" + domain if domain else local))
