"""Client services of a server: host, port and connection security."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from mailstack.config import Config
from mailstack.config.endpoints import port_of


class Security(Enum):
    """Connection security (RFC 8314 §3)."""

    TLS = "TLS"
    """TLS from the first octet."""
    STARTTLS = "STARTTLS"
    """TLS after a STARTTLS or STLS command."""


class ServiceKind(Struct, frozen=True):
    """Kind of a client service."""

    name: str
    """Name in [listen] and in the SRV record (RFC 6186 §3, RFC 8314 §5.1)."""
    protocol: str
    """`smtp`, `imap` or `pop3`."""
    security: Security
    port: int
    """Port registered by IANA."""


SERVICE_KINDS = (
    ServiceKind("submissions", "smtp", Security.TLS, 465),
    ServiceKind("submission", "smtp", Security.STARTTLS, 587),
    ServiceKind("imaps", "imap", Security.TLS, 993),
    ServiceKind("imap", "imap", Security.STARTTLS, 143),
    ServiceKind("pop3s", "pop3", Security.TLS, 995),
    ServiceKind("pop3", "pop3", Security.STARTTLS, 110),
)
"""The best first: implicit TLS before STARTTLS (RFC 8314 §3), IMAP before POP3."""


class ClientService(Struct, frozen=True):
    """Service of a server."""

    name: str
    protocol: str
    security: Security
    host: str
    """Host name in the certificate."""
    port: int


class ClientServices(Struct, frozen=True):
    """Services of a server, in the order of SERVICE_KINDS."""

    host: str
    all: tuple[ClientService, ...] = ()

    def best(self, *protocols: str) -> ClientService | None:
        """Best service of the first available protocol."""
        found = (each for protocol in protocols for each in self.all if each.protocol == protocol)
        return next(found, None)

    def of(self, protocol: str) -> tuple[ClientService, ...]:
        """Services of a protocol, best first."""
        return tuple(each for each in self.all if each.protocol == protocol)

    @property
    def sending(self) -> ClientService | None:
        """Best submission service."""
        return self.best("smtp")

    @property
    def reading(self) -> ClientService | None:
        """Best service for reading mail."""
        return self.best("imap", "pop3")


def services_at(host: str, ports: Mapping[str, int]) -> ClientServices:
    """The services of a host, by the port of each; other names are none of the clients' business."""
    found = (
        ClientService(each.name, each.protocol, each.security, host, ports.get(each.name, 0)) for each in SERVICE_KINDS
    )
    return ClientServices(host, tuple(service for service in found if service.port))


def services_from_config(config: Config, bound: Mapping[str, int] | None = None) -> ClientServices:
    """The services of a configuration, as [clients] says, else as [listen] does.

    `bound` are the ports that were really taken, for descriptions that leave the choice to the system.
    """
    ports = {each.name: _port(config, each, bound or {}) for each in SERVICE_KINDS}
    return services_at(config.clients.host or config.hostname, ports)


def _port(config: Config, service: ServiceKind, bound: Mapping[str, int]) -> int:
    """Port that clients connect to; 0: the service is off."""
    descriptions: tuple[str, ...] = getattr(config.listen, service.name)
    if not descriptions:
        return 0
    told: int = getattr(config.clients, service.name)
    found = port_of(descriptions[0])
    return told or bound.get(service.name, 0) or (found[1] if found else 0) or service.port
