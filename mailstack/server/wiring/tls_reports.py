"""TLS reports (RFC 8460) of a configuration: counter and sender."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from mailstack.config.derived import tls_report_author
from mailstack.config.model import Config
from mailstack.letter import Letter
from mailstack.net.client_tls import ClientTls
from mailstack.net.http_client import HttpClient
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.policy.networks import contains_host, parse_networks
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.protocols.smtp.replies import Refusal
from mailstack.queue.queue import Queue
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.relay.hosts import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.tls_reports.report import Reporting
from mailstack.relay.tls_reports.reporter import Collector, Reporter
from mailstack.store import Store, StoreError

_TIMEOUT = 60.0
INTERNAL = parse_networks(
    (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""Networks that no published URL may lead to: this machine, private networks, and IPv6 prefixes for them."""


def reporting_of(config: Config) -> Reporting:
    author, settings = tls_report_author(config), config.tls_reports
    return Reporting(
        settings.organization or author.ascii_domain.lower(), settings.contact or str(author.with_a_labels), author
    )


def collector(config: Config, store: Store, clock: Clock) -> Collector:
    return Collector(
        store.tls_results,
        clock,
        submitter=tls_report_author(config).ascii_domain.lower(),
        spread=config.tls_reports.spread,
    )


def reporter(  # noqa: PLR0917  # each of a type of its own
    config: Config,
    store: Store,
    clock: Clock,
    reactor: Any,
    names: DnsResolver,
    queue: Queue,
    signing: OutboundSigner,
    owner: str,
) -> Reporter:
    """Reporter. `owner` names this process in claims of reports."""

    async def send(letter: Letter) -> None:
        facts = {"by": "mailstack", "report": "tls"}
        try:
            signed, more = await signing.signed(letter)
            if not more:
                raise SendFailed(f"no DKIM key signs for {tls_report_author(config).ascii_domain}")
            await queue.accept(signed, "submitted", {**facts, **more})
        except (StoreError, Refusal) as trouble:
            raise SendFailed(str(trouble)) from None

    poster = HttpClient(reactor, ClientTls(config.relay.ca_file), timeout=_TIMEOUT, addresses=_Outside(names))
    return Reporter(store.tls_results, names, clock, poster, send, reporting_of(config), config.hostname, owner)


class _Outside:
    """Addresses of a name outside private networks: a foreign URL must not reach internal hosts."""

    def __init__(self, names: DnsResolver) -> None:
        self._names = names

    async def __call__(self, host: str) -> Sequence[str]:
        """Raises Unreachable."""
        try:
            found = (str(ipaddress.ip_address(host)),)
        except ValueError:
            try:
                found = await self._names.addresses(host)  # type: ignore[assignment]  # any number of them
            except (NoSuchDomain, DnsUnavailable) as trouble:
                raise ConnectFailed(str(trouble)) from None
        outside = [address for address in found if not contains_host(address, INTERNAL)]
        if not outside:
            raise ConnectFailed(f"{host} has no address" + (" but inside of this network" if found else ""))
        return outside
