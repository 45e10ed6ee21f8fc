"""Faulty TLS: handshakes fail, or show a bad certificate, by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mailstack.sandbox.faults.faults import FaultContext, Faults
from mailstack.sandbox.faults.rule import Certificate

Shown = Callable[[str, Certificate], IOpenSSLServerConnectionCreator]
"""Gives what a host with this name shows in place of its own certificate. May raise whatever making it raises."""


class FaultyTls:
    """TLS contexts of a server (mailstack.server.runtime.TlsContexts), with faults in those of SMTP and POP3."""

    def __init__(self, contexts: Any, faults: Faults, server: str, shown: Shown | None) -> None:
        self._contexts = contexts
        self._faults = faults
        self._server = server
        self._shown = shown

    def context(self, service: str) -> IOpenSSLServerConnectionCreator:
        return FaultyContext(self._contexts.context(service), self._faults, self._server, service, self._shown)

    def for_web(self) -> IOpenSSLServerConnectionCreator:
        web: IOpenSSLServerConnectionCreator = self._contexts.for_web()
        return web


@implementer(IOpenSSLServerConnectionCreator)
class FaultyContext:
    """A server's certificate, or what a rule shows in its place."""

    def __init__(
        self,
        context: IOpenSSLServerConnectionCreator,
        faults: Faults,
        mail_server: str,
        service: str,
        shown: Shown | None,
    ) -> None:
        self._context = context
        self._faults = faults
        self._server = mail_server
        self._service = service
        self._shown = shown

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        rule = None
        if self._faults.any:
            # Who the client is Twisted does not tell as early as that.
            rule = self._faults.choose(FaultContext("tls", self._server, self._service))
        if rule is None:
            return self._context.serverConnectionForTLS(protocol)
        if rule.tls == "refused" or self._shown is None:
            # Without a certificate no cipher is left that both sides know.
            return SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD), None)
        assert rule.tls != ""
        return self._shown(self._server, rule.tls).serverConnectionForTLS(protocol)
