"""Fetches MTA-STS policies over HTTPS, as RFC 8461 §3.3 wants it: verified, without redirects, small, and in time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint

from mailstack.net.client_tls import ClientTls, Handshake
from mailstack.net.http_body import TooLarge, read_document
from mailstack.net.http_client import Secured
from mailstack.net.http_client import why as explained
from mailstack.policy.networks import networks_of, within
from mailstack.relay.dns import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.mta_sts import PolicyUnavailable
from mailstack.store.tls_results import ResultType

PATH = "/.well-known/mta-sts.txt"
_MOST_ADDRESSES = 3
_HERE = networks_of(("0.0.0.0/8", "127.0.0.0/8", "::/96"))
"""Loopback, and what systems take for it; IPv4-mapped addresses are taken for those in them."""
_UNREACHED: ResultType = "sts-policy-fetch-error"


class HttpsPolicies:
    """The relay.sts.PolicySite of the real world, over any Twisted reactor."""

    def __init__(
        self,
        reactor: Any,
        names: DnsResolver,
        client_tls: ClientTls,
        *,
        timeout: float = 60.0,
        most: int = 65_536,
        port: int = 443,
    ) -> None:
        """`timeout` is the seconds for each address of the site, all in all; `most` the octets of a policy."""
        self._reactor = reactor
        self._names = names
        self._client_tls = client_tls
        self._timeout = timeout
        self._most = most
        self._port = port

    async def fetch(self, domain: str) -> bytes:
        """The policy file of a domain. Raises PolicyUnavailable."""
        host = f"mta-sts.{domain}"
        try:
            addresses = await self._names.addresses(host)
        except (NoSuchDomain, DnsUnavailable) as trouble:
            raise PolicyUnavailable(str(trouble)) from None
        why, kind = f"{host} has no address", _UNREACHED
        for address in addresses[:_MOST_ADDRESSES]:
            if within(address, _HERE):
                # A name that anybody publishes must not lead to services of this machine.
                why = f"{host} leads to this machine"
                continue
            handshake = self._client_tls.handshake(host, verify=True)
            try:
                getting = Deferred.fromCoroutine(self._get(host, address, handshake))
                return await getting.addTimeout(self._timeout, self._reactor)
            except PolicyUnavailable as trouble:
                raise PolicyUnavailable(f"https://{host}{PATH}: {trouble}") from None
            except Exception as trouble:  # noqa: BLE001 - whatever goes wrong there, the policy can't be had
                why = f"https://{host}{PATH} at {address}: {explained(trouble, handshake)}"
                kind = "sts-webpki-invalid" if handshake.failed else _UNREACHED
        raise PolicyUnavailable(why, kind)

    async def _get(self, host: str, address: str, handshake: Handshake) -> bytes:
        # Imported here: most servers hardly ever meet a policy, and it is a large library.
        from twisted.web.client import Agent  # noqa: PLC0415
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        endpoint = kind(self._reactor, address, self._port, self._timeout)
        agent = Agent.usingEndpointFactory(self._reactor, Secured(endpoint, handshake, self._reactor))
        headers = Headers({"Host": [host], "User-Agent": ["mailstack"], "Accept": ["text/plain"]})
        response = await agent.request(b"GET", f"https://{host}{PATH}".encode("ascii"), headers)
        try:
            octets = await read_document(response, self._most)
        except TooLarge as trouble:
            raise PolicyUnavailable(str(trouble)) from None
        if response.code != 200:
            raise PolicyUnavailable(f"the site answers {response.code}")
        kinds = response.headers.getRawHeaders("content-type", [""])
        if kinds[0].partition(";")[0].strip().lower() != "text/plain":
            raise PolicyUnavailable(f"what is there is {kinds[0][:60]!r} and not text/plain")
        return octets
