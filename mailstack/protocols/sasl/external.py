"""EXTERNAL (RFC 4422 appendix A): authentication by TLS client certificate."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.sasl.credentials import CertificateProof, Proof
from mailstack.protocols.sasl.mechanism import AccountLogin, Channel, Denied, SaslExchange, text


class External(Struct, frozen=True):
    name: str = "EXTERNAL"
    proof: type[Proof] = CertificateProof

    def usable(self, channel: Channel) -> bool:
        return channel.certificate is not None

    async def prove(self, exchange: SaslExchange) -> AccountLogin:
        """Log in by certificate; the message is the authorization identity or empty."""
        message = await exchange.first()
        authzid = text(message) if message else ""
        certificate = exchange.channel.certificate
        if certificate is None:
            raise Denied
        return await exchange.login(
            CertificateProof(username=authzid, mechanism=self.name, authzid=authzid, certificate=certificate)
        )


EXTERNAL = External()
