"""Issuer client: fetches documents over HTTPS, bounded in size and time."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError

from mailstack.net.http_body import TooLarge, Upload, read_document
from mailstack.protocols.sasl import Unavailable

LARGEST = 262144
"""Octets of an answer."""


class IssuerClient:
    """Asks one URL."""

    def __init__(self, reactor: Any, url: str, *, timeout: float, user: str = "", password: str = "") -> None:
        """`timeout` in seconds, for the whole. With a `user` it authenticates (RFC 7617)."""
        self._reactor = reactor
        self._url = url
        self._timeout = timeout
        self._headers: dict[str, str] = {"Accept": "application/json", "User-Agent": "mailstack"}
        if user:
            credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {credentials}"

    async def get(self) -> bytes:
        """The document. Raises sasl.Unavailable."""
        return await self._ask(b"GET", {}, None)

    async def post(self, form: bytes) -> bytes:
        """The answer to a form. Raises sasl.Unavailable."""
        return await self._ask(b"POST", {"Content-Type": "application/x-www-form-urlencoded"}, form)

    async def _ask(self, method: bytes, more: Mapping[str, str], body: bytes | None) -> bytes:
        # Imported here, since most servers have no issuer, and the client for the web is large.
        from twisted.web.client import Agent, ResponseFailed  # noqa: PLC0415
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        headers = Headers({name: [value] for name, value in {**self._headers, **more}.items()})
        asked: Deferred[Any] = Deferred.fromCoroutine(
            _answer(
                Agent(self._reactor, connectTimeout=self._timeout),
                (method, self._url.encode("ascii"), headers),
                None if body is None else Upload(body),
            )
        )
        asked.addTimeout(self._timeout, self._reactor)
        host = urlsplit(self._url).hostname
        try:
            answer: bytes = await asked
        except (ConnectError, ConnectionClosed, DNSLookupError, ResponseFailed, OSError) as error:
            raise Unavailable(f"{host}: {error}") from None
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - time-outs, and what OpenSSL says of certificates, come in many types
            raise Unavailable(f"{host}: {type(error).__name__} {error}") from None
        return answer


async def _answer(agent: Any, request: tuple[bytes, bytes, Any], body: Any) -> bytes:
    response = await agent.request(*request, body)
    if response.code != 200:
        raise Unavailable(f"answered {response.code}")
    try:
        return await read_document(response, LARGEST)
    except TooLarge as trouble:
        raise Unavailable(str(trouble)) from None
