"""MTA-STS policy fetcher over HTTPS, and the cache in files (RFC 8461 §3.3)."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint

from mailstack.net.client_tls import ClientTls, Handshake
from mailstack.net.http_client import TlsEndpoint, TooLarge, failure_reason, read_document
from mailstack.policy.networks import contains_host, parse_networks
from mailstack.relay.hosts import DnsResolver, DnsUnavailable, NoSuchDomain
from mailstack.relay.mta_sts import CachedPolicy, Mode, PolicyUnavailable, StsPolicy
from mailstack.store.tls_results import ResultType

PATH = "/.well-known/mta-sts.txt"
_MAX_ADDRESSES = 3
_LOOPBACK = parse_networks(("0.0.0.0/8", "127.0.0.0/8", "::/96"))
"""Loopback networks, and addresses that systems treat as loopback; IPv4-mapped addresses count as the IPv4 ones."""
_FETCH_ERROR: ResultType = "sts-policy-fetch-error"


class HttpsPolicies:
    """PolicyFetcher over any Twisted reactor."""

    def __init__(
        self,
        reactor: Any,
        names: DnsResolver,
        client_tls: ClientTls,
        *,
        timeout: float = 60.0,
        max_size: int = 65_536,
        port: int = 443,
    ) -> None:
        """`timeout` is the total seconds for each address of the site, `max_size` the maximum octets of a policy."""
        self._reactor = reactor
        self._names = names
        self._client_tls = client_tls
        self._timeout = timeout
        self._max_size = max_size
        self._port = port

    async def fetch(self, domain: str) -> bytes:
        """The policy file of a domain. Raises PolicyUnavailable."""
        host = f"mta-sts.{domain}"
        try:
            addresses = await self._names.addresses(host)
        except (NoSuchDomain, DnsUnavailable) as trouble:
            raise PolicyUnavailable(str(trouble)) from None
        reason, kind = f"{host} has no address", _FETCH_ERROR
        for address in addresses[:_MAX_ADDRESSES]:
            if contains_host(address, _LOOPBACK):
                # A published name must not give access to services of this machine.
                reason = f"{host} resolves to this machine"
                continue
            handshake = self._client_tls.handshake(host, verify=True)
            try:
                fetching = Deferred.fromCoroutine(self._get(host, address, handshake))
                return await fetching.addTimeout(self._timeout, self._reactor)
            except PolicyUnavailable as trouble:
                raise PolicyUnavailable(f"https://{host}{PATH}: {trouble}") from None
            except Exception as trouble:  # noqa: BLE001 - after any error there is no policy
                reason = f"https://{host}{PATH} at {address}: {failure_reason(trouble, handshake)}"
                kind = "sts-webpki-invalid" if handshake.failed else _FETCH_ERROR
        raise PolicyUnavailable(reason, kind)

    async def _get(self, host: str, address: str, handshake: Handshake) -> bytes:
        # Imported here: a large library that few servers need.
        from twisted.web.client import Agent  # noqa: PLC0415
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        endpoint = kind(self._reactor, address, self._port, self._timeout)
        agent = Agent.usingEndpointFactory(self._reactor, TlsEndpoint(endpoint, handshake, self._reactor))
        headers = Headers({"Host": [host], "User-Agent": ["mailstack"], "Accept": ["text/plain"]})
        response = await agent.request(b"GET", f"https://{host}{PATH}".encode("ascii"), headers)
        try:
            octets = await read_document(response, self._max_size)
        except TooLarge as trouble:
            raise PolicyUnavailable(str(trouble)) from None
        if response.code != 200:
            raise PolicyUnavailable(f"the server answers {response.code}")
        kinds = response.headers.getRawHeaders("content-type", [""])
        if kinds[0].partition(";")[0].strip().lower() != "text/plain":
            raise PolicyUnavailable(f"the content type is {kinds[0][:60]!r}, not text/plain")
        return octets


_log = logging.getLogger(__name__)

_MAX_FILE_SIZE = 65_536


class PolicyFiles:
    """PolicyCache that survives restarts. The policy of an unreadable file is fetched again."""

    def __init__(self, directory: Path, *, max_files: int = 5000) -> None:
        """The directory must exist. Beyond `max_files` the oldest files are deleted."""
        self._directory = directory
        self._max_files = max_files

    def get(self, domain: str) -> CachedPolicy | None:
        try:
            with self._path(domain).open("rb") as file:
                facts = json.loads(file.read(_MAX_FILE_SIZE))
            policy = StsPolicy(Mode(facts["mode"]), int(facts["max_age"]), tuple(map(str, facts["mx"])))
            return CachedPolicy(str(facts["id"]), float(facts["fetched"]), policy)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as trouble:
            _log.warning("cannot read the cached MTA-STS policy of %s: %s", domain, trouble)
            return None

    def put(self, domain: str, cached: CachedPolicy) -> None:
        policy = cached.policy
        facts = {
            "id": cached.id,
            "fetched": cached.fetched,
            "mode": policy.mode,
            "max_age": policy.max_age,
            "mx": policy.mx,
        }
        path = self._path(domain)
        # Another worker may write the same file at the same time.
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            new.write_text(json.dumps(facts))
            new.replace(path)
            self._trim()
        except OSError as trouble:
            _log.warning("cannot cache the MTA-STS policy of %s: %s", domain, trouble)

    def _path(self, domain: str) -> Path:
        # Callers check that it is a DNS name; no other text may become a path.
        if "/" in domain or domain.startswith(".") or not domain:
            raise ValueError(f"{domain!r} is not a domain name")
        return self._directory / f"{domain}.json"

    def _trim(self) -> None:
        files = sorted(os.scandir(self._directory), key=lambda each: each.stat().st_mtime)
        for each in files[: max(0, len(files) - self._max_files)]:
            Path(each.path).unlink(missing_ok=True)
