"""Records as lines of a zone file (RFC 1035 §5): to be included into a zone, or a whole zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mailstack.web.autoconfig.records import DnsRecord

_LONGEST = 255
"""Octets of one character-string (RFC 1035 §3.3)."""


def data_text(record: DnsRecord) -> str:
    """The data as a zone file has it: TXT in quotes, in pieces of at most 255 octets."""
    if record.type != "TXT":
        return record.data
    pieces = [record.data[at : at + _LONGEST] for at in range(0, len(record.data), _LONGEST)]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces or [""])


def zone_lines(records: Iterable[DnsRecord]) -> list[str]:
    """Each record on a line, with absolute names, so that it may stand in any zone file."""
    records = list(records)
    width = max((len(record.name) for record in records), default=0)
    return [f"{each.name:<{width}} {each.ttl} IN {each.type:<5} {data_text(each)}" for each in records]


def begin_zone(domain: str, name_servers: Sequence[str], now: float) -> list[str]:
    """SOA and NS, which make a whole zone of what follows; `now`, in seconds since 1970, is its serial number."""
    first = f"{name_servers[0].rstrip('.')}."
    serial = f"{datetime.fromtimestamp(now, UTC):%Y%m%d%H}"
    return [
        f"$ORIGIN {domain}.",
        "$TTL 3600",
        f"{domain}. 3600 IN SOA {first} hostmaster.{domain}. {serial} 7200 900 1209600 3600",
        *(f"{domain}. 3600 IN NS {each.rstrip('.')}." for each in name_servers),
    ]
