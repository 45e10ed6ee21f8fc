"""MTA-STS parsers: TXT record and policy of a domain (RFC 8461 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

MAX_AGE_S = 31_557_600
"""Maximum age of a policy in seconds (RFC 8461 §3.2)."""
MAX_HOSTS = 100
"""Maximum number of host patterns in one policy."""

_VERSION = "STSv1"
_RECORD = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*=[ \t]*([!-:<>-~]+)\Z")
_LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*([^\r\n]*)\Z")
_AGE = re.compile(r"[0-9]{1,10}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


class NotAPolicy(ValueError):
    """The published policy is invalid; str() is the reason, for people."""


class Mode(StrEnum):
    """Mode of a policy: the reaction to a host that fails (RFC 8461 §5)."""

    NONE = "none"
    """The policy has been withdrawn."""
    TESTING = "testing"
    """Letters are sent in spite of a failure."""
    ENFORCE = "enforce"
    """Letters are not sent after a failure."""


class StsPolicy(Struct, frozen=True):
    """MTA-STS policy of a domain."""

    mode: Mode
    max_age: int
    """Seconds for which the policy is valid after its fetch."""
    mx: tuple[str, ...]
    """Host patterns in lower case: a host, or "*." and a domain."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines of the policy in TLS reports (RFC 8460 §4.4)."""
        hosts = [f"mx: {host}" for host in self.mx]
        return ("version: STSv1", f"mode: {self.mode.value}", *hosts, f"max_age: {self.max_age}")

    def names(self, host: str) -> bool:
        """Whether a pattern matches the host; the wildcard stands for one label (§4.1)."""
        host = host.lower().rstrip(".")
        return host in self.mx or f"*.{host.partition('.')[2]}" in self.mx


def record_id(texts: Iterable[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.DOMAIN`; None unless exactly one of them is valid (§3.1)."""
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return None
    ids = []
    for part in records[0].split(";")[1:]:
        if not (text := part.strip(" \t")):
            continue
        found = _FIELD.match(text)
        if found is None:
            return None
        if found[1] == "id":
            ids.append(found[2])
    return ids[0] if ids and _ID.match(ids[0]) else None


def read_policy(octets: bytes) -> StsPolicy:
    """Parses a policy file (§3.2). The first of repeated fields counts. Raises NotAPolicy."""
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in octets.replace(b"\r\n", b"\n").split(b"\n"):
        if not line.strip(b" \t"):
            continue
        found = _LINE.match(line.strip(b" \t"))
        if found is None:
            raise NotAPolicy("a line of the policy is not a field")
        name, value = found[1].decode("ascii"), found[2].decode("utf-8", "replace")
        if name == "mx":
            hosts.append(value)
        else:
            fields.setdefault(name, value)
    if fields.get("version") != _VERSION:
        raise NotAPolicy(f"the policy's version is not {_VERSION}")
    return StsPolicy(_mode(fields), _max_age(fields), _hosts(hosts, fields))


def _mode(fields: dict[str, str]) -> Mode:
    try:
        return Mode(fields.get("mode", ""))
    except ValueError:
        raise NotAPolicy("the policy's mode is none of enforce, testing, none") from None


def _max_age(fields: dict[str, str]) -> int:
    text = fields.get("max_age", "")
    if not _AGE.match(text):
        raise NotAPolicy("the policy's max_age is not a number of seconds")
    return min(int(text), MAX_AGE_S)


def _hosts(hosts: list[str], fields: dict[str, str]) -> tuple[str, ...]:
    if not hosts and fields["mode"] != Mode.NONE:
        raise NotAPolicy("the policy names no host")
    if len(hosts) > MAX_HOSTS or not all(_HOST.match(host) for host in hosts):
        raise NotAPolicy("the policy has an invalid mx, or too many of them")
    return tuple(host.lower() for host in hosts)
