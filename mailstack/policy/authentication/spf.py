"""SPF: check_host() of a client for a domain (RFC 7208 §4, §5)."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.policy.authentication.spf_record import (
    Directive,
    PermError,
    SpfRecord,
    Values,
    expand,
    is_record,
    needs_pointer,
    read_record,
)
from mailstack.policy.dns_checks import Lookups
from mailstack.policy.networks import IpAddress, ip_address

SpfCode = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]

MAX_TERMS = 10
"""Maximum terms with DNS queries in one check; also maximum hosts of an mx, and names of a ptr (§4.6.4)."""
MAX_VOID = 2
"""Maximum answers without a record (§4.6.4)."""
_LABEL = re.compile(r"[ -~]{1,63}\Z")
_MAX_NAME = 253


class SpfResult(Struct, frozen=True):
    """Result of SPF, with the reason for the log and the header."""

    result: SpfCode
    reason: str = ""


class TempError(Exception):
    """Temporary DNS error (§2.6.6)."""


async def check_host(
    address: IpAddress, domain: str, sender: str, helo: str, lookups: Lookups, *, reverse_lookups: Lookups
) -> SpfResult:
    """Checks whether a client may send for a domain (§4.1). `sender` is the complete address.

    `reverse_lookups` has its own budget for names of the client: their name servers are under its control.
    """
    if not _is_name(domain) or "." not in domain:
        return SpfResult("none", "no domain of several labels")
    try:
        result = await _Check(address, sender, helo, lookups, reverse_lookups).evaluate(domain)
    except TempError as error:
        return SpfResult("temperror", str(error))
    except PermError as error:
        return SpfResult("permerror", str(error))
    return SpfResult(result or "none")


class _Check:
    """One check; its limits apply to all records together."""

    def __init__(self, address: IpAddress, sender: str, helo: str, lookups: Lookups, reverse_lookups: Lookups) -> None:
        self._is_4 = isinstance(address, ipaddress.IPv4Address)
        dotted = str(address) if self._is_4 else ".".join(address.exploded.replace(":", ""))
        local, _, domain = sender.rpartition("@")
        sender = f"{local or 'postmaster'}@{domain}"
        self._values = Values(sender, domain, domain, dotted, "in-addr" if self._is_4 else "ip6", helo)
        self._address = address
        self._lookups = lookups
        self._reverse_lookups = reverse_lookups
        self._terms = 0
        self._voids = 0
        self._pointers: list[str] | None = None

    async def evaluate(self, domain: str) -> SpfCode | None:
        """SPF record of a domain; None without one. Raises PermError, TempError."""
        policy = await self._policy(domain)
        if policy is None:
            return None
        for directive in policy.directives:
            if await self._matches(directive, domain):
                return directive.qualifier
        if not policy.redirect:
            return "neutral"
        self._count_term()
        target = await self._expanded(policy.redirect, domain)
        result = await self.evaluate(target) if _is_name(target) else None
        if result is None:
            raise PermError(f"redirect to {target[:40]}, which has no record")
        return result

    async def _policy(self, domain: str) -> SpfRecord | None:
        texts = await self._lookups.texts(domain)
        if texts is None:
            raise TempError(f"no answer about {domain}")
        records = [text for text in texts if is_record(text)]
        if len(records) > 1:
            raise PermError(f"{domain} has several records")
        return read_record(records[0]) if records else None

    async def _matches(self, directive: Directive, domain: str) -> bool:
        mechanism = directive.mechanism
        if mechanism == "all":
            return True
        if directive.network is not None:
            return self._address in directive.network
        self._count_term()
        target = await self._expanded(directive.target, domain) if directive.target else domain
        if mechanism == "include":
            return await self._includes(target)
        return _is_name(target) and await self._leads_to_client(directive, target)

    async def _leads_to_client(self, directive: Directive, target: str) -> bool:
        """Whether a mechanism of §5.3 to §5.7 matches the client."""
        mechanism = directive.mechanism
        if mechanism == "ptr":
            return any(_is_within(name, target) for name in await self._names())
        if mechanism == "exists":
            return bool(await self._addresses(target, family=4))
        for host in (target,) if mechanism == "a" else await self._exchanges(target):
            if any(self._is_near(each, directive) for each in await self._addresses(host, 4 if self._is_4 else 6)):
                return True
        return False

    async def _includes(self, domain: str) -> bool:
        """Whether the included record passes (§5.2)."""
        result = await self.evaluate(domain) if _is_name(domain) else None
        if result is None:
            raise PermError(f"include of {domain[:40]}, which has no record")
        return result == "pass"

    def _is_near(self, found: IpAddress, directive: Directive) -> bool:
        bits = directive.bits4 if self._is_4 else directive.bits6
        return self._address in ipaddress.ip_network(f"{found}/{bits}", strict=False)

    async def _addresses(self, host: str, family: int) -> list[IpAddress]:
        """Addresses of a host in one family."""
        texts = await self._lookups.addresses(host)
        if texts is None:
            raise TempError(f"no answer about {host}")
        found = [address for text in texts if (address := ip_address(text)) is not None and address.version == family]
        self._count_void(not found)
        return found

    async def _exchanges(self, domain: str) -> tuple[str, ...]:
        hosts = await self._lookups.exchanges(domain)
        if hosts is None:
            raise TempError(f"no answer about {domain}")
        if len(hosts) > MAX_TERMS:
            raise PermError(f"{domain} has more than {MAX_TERMS} mail hosts")
        self._count_void(not hosts)
        return tuple([host for host in hosts if _is_name(host)])

    async def _names(self) -> list[str]:
        """Confirmed names of the client (§5.5); names without an answer are left out."""
        if self._pointers is None:
            found = await self._reverse_lookups.pointers(str(self._address)) or ()
            self._count_void(not found)
            self._pointers = []
            for name in found[:MAX_TERMS]:
                if _is_name(name) and any(
                    ip_address(each) == self._address for each in await self._reverse_lookups.addresses(name) or ()
                ):
                    self._pointers.append(name.lower())
        return self._pointers

    async def _expanded(self, text: str, domain: str) -> str:
        values = replace(self._values, domain=domain)
        if needs_pointer(text):
            names = await self._names()
            within = [name for name in names if _is_within(name, domain)]
            values = replace(values, pointer=next(iter([*within, *names]), "unknown"))
        return expand(text, values)

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise PermError(f"more than {MAX_TERMS} terms ask the DNS")

    def _count_void(self, is_void: bool) -> None:
        self._voids += is_void
        if self._voids > MAX_VOID:
            raise PermError(f"more than {MAX_VOID} names have no records")


def _is_name(text: str) -> bool:
    """Returns whether a name can be looked up (§4.3)."""
    name = text.removesuffix(".")
    return len(name) <= _MAX_NAME and all(_LABEL.match(label) for label in name.split("."))


def _is_within(name: str, domain: str) -> bool:
    name, domain = name.lower().rstrip("."), domain.lower().rstrip(".")
    return name == domain or name.endswith("." + domain)
