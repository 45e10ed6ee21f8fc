"""DNS record texts of a zone: "10 mx.elsewhere.test", "127.0.0.1", "v=spf1 -all"."""

from __future__ import annotations

import ipaddress
from typing import Any

from twisted.names import dns

from mailstack.letter import AddressError
from mailstack.letter.address import ascii_domain, parse_domain

TTL = 60
"""Time to live of records in seconds; short, because users change the zone."""
LONGEST_TEXT = 4096
TYPES = ("A", "AAAA", "CNAME", "MX", "TXT")


def read_record(kind: str, text: str) -> Any:
    """Parses a record of `twisted.names.dns`. Raises ValueError with the expected form."""
    text = text.strip()
    match kind.upper():
        case "A":
            return dns.Record_A(str(ipaddress.IPv4Address(text)), TTL)
        case "AAAA":
            if "%" in text:
                raise ValueError("an AAAA record has no interface: remove the % and what follows it")
            return dns.Record_AAAA(str(ipaddress.IPv6Address(text)), TTL)
        case "CNAME":
            return dns.Record_CNAME(read_name(text), TTL)
        case "MX":
            preference, _, host = text.partition(" ")
            if not preference.isdecimal() or not int(preference) < 65536 or not host.strip():
                raise ValueError('an MX record is a preference and a host, as "10 mx.home.test", or "0 ." for no mail')
            # RFC 7505: null MX.
            name = "" if host.strip() == "." else read_name(host.strip())
            return dns.Record_MX(int(preference), name, TTL)
        case "TXT":
            octets = text.encode()
            if not octets or len(octets) > LONGEST_TEXT:
                raise ValueError(f"a TXT record has from 1 to {LONGEST_TEXT} octets")
            # RFC 1035 §3.3: strings of at most 255 octets, which clients join.
            strings = [octets[at : at + 255] for at in range(0, len(octets), 255)]
            return dns.Record_TXT(*strings, ttl=TTL)
    raise ValueError(f"the type is one of {', '.join(TYPES)}")


def read_name(text: str) -> str:
    """Parses a domain name into lower case and A-labels; labels may begin with an underscore. Raises ValueError."""
    labels = text.strip().rstrip(".").split(".")
    try:
        plain = ".".join(label.removeprefix("_") for label in labels)
        if not plain or plain.startswith("["):
            raise ValueError("expected a domain name such as mx.home.test")
        ascii_domain(parse_domain(plain))
        return ".".join(label if label.isascii() else ascii_domain(label) for label in labels).lower()
    except AddressError as error:
        raise ValueError(str(error)) from None


def record_text(record: Any) -> tuple[str, str]:
    """Type and value, as `read_record` parses them. Empty value: the type has no text form."""
    match record:
        case dns.Record_A():
            return "A", str(record.dottedQuad())
        case dns.Record_AAAA():
            return "AAAA", str(ipaddress.IPv6Address(record.address))
        case dns.Record_CNAME():
            canonical: Any = record.name
            return "CNAME", canonical.name.decode("ascii", "replace")
        case dns.Record_MX():
            host: Any = record.name
            return "MX", f"{record.preference} {host.name.decode('ascii', 'replace') or '.'}"
        case dns.Record_TXT():
            return "TXT", b"".join(record.data).decode("utf-8", "replace")
    return dns.QUERY_TYPES.get(record.TYPE, str(record.TYPE)), ""
