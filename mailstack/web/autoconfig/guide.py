"""Client services of a server, and set-up steps for mail clients."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from mailstack.config import Config
from mailstack.config.syntax import port_of


class Security(Enum):
    """Connection security (RFC 8314 §3)."""

    TLS = "TLS"
    """TLS from the first octet."""
    STARTTLS = "STARTTLS"
    """TLS after a STARTTLS or STLS command."""


class ServiceKind(Struct, frozen=True):
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
        found = (each for protocol in protocols for each in self.all if each.protocol == protocol)
        return next(found, None)

    def by_protocol(self, protocol: str) -> tuple[ClientService, ...]:
        return tuple(each for each in self.all if each.protocol == protocol)

    @property
    def sending(self) -> ClientService | None:
        return self.best("smtp")

    @property
    def reading(self) -> ClientService | None:
        return self.best("imap", "pop3")


def services_at(host: str, ports: Mapping[str, int]) -> ClientServices:
    """Return the client services of a host by their ports; other names are ignored."""
    found = (
        ClientService(each.name, each.protocol, each.security, host, ports.get(each.name, 0)) for each in SERVICE_KINDS
    )
    return ClientServices(host, tuple(service for service in found if service.port))


def services_from_config(config: Config, bound: Mapping[str, int] | None = None) -> ClientServices:
    """Return the services of a configuration, with the host and ports of [clients], else of [listen].

    `bound` has the bound ports, for descriptions that let the system choose.
    """
    ports = {each.name: _port(config, each, bound or {}) for each in SERVICE_KINDS}
    return services_at(config.clients.host or config.hostname, ports)


def _port(config: Config, service: ServiceKind, bound: Mapping[str, int]) -> int:
    """Port that clients connect to; 0: the service is off."""
    descriptions: tuple[str, ...] = getattr(config.listen, service.name)
    if not descriptions:
        return 0
    public: int = getattr(config.clients, service.name)
    found = port_of(descriptions[0])
    return public or bound.get(service.name, 0) or (found[1] if found else 0) or service.port


class SetupStep(Struct, frozen=True):
    instruction: str
    """Instruction, one or two sentences."""
    values: tuple[tuple[str, str], ...] = ()
    """Fields of the client's form with their values."""
    file: str = ""
    """File for `text`; empty: the user types `text`."""
    text: str = ""
    """Verbatim lines."""


class ClientAccount(Struct, frozen=True):
    """Account and services for the set-up of a client."""

    address: str
    sending: ClientService
    reading: ClientService
    """IMAP if the server has it, else POP3."""
    ca_file: str = ""
    """File of a private CA that the client has to trust; empty: a public CA."""


class Trust(Enum):
    """Way in which a client trusts a private CA."""

    WINDOWS = "certificate store of Windows"
    MAC = "keychain of the Mac"
    IOS = "profile of the device, installed and enabled"
    ANDROID = "certificate store of the device; the app may ask"
    OWN_LIST = "certificate list of the client"
    CONFIGURED = "file named in the configuration"
    PUBLIC = "public CAs only: servers of the vendor connect"


class Guide(Struct, frozen=True):
    name: str
    """Name of the client on the command line."""
    title: str
    write: Callable[[ClientAccount], tuple[SetupStep, ...]]
    trust: Trust
    protocols: tuple[str, ...] = ("imap", "pop3")
    """Protocols that the client can read mail with, the best first."""

    def steps(self, address: str, services: ClientServices, ca_file: str = "") -> tuple[SetupStep, ...]:
        """Steps for an account. Raises CannotSetUp."""
        sending, reading = services.sending, services.best(*self.protocols)
        if sending is None:
            raise CannotSetUp("this server has no submission service; see [listen] submissions")
        if reading is None:
            names = " or ".join(protocol.upper() for protocol in self.protocols)
            raise CannotSetUp(
                f"this server has no {names} service for reading mail with {self.title}; see [listen] pop3s"
            )
        if not fits_in_files(address):
            raise CannotSetUp("an address with quotes, blanks or backslashes must be set up by hand")
        steps = self.write(ClientAccount(address, sending, reading, ca_file))
        return (*_trust(self.trust, ca_file), *steps) if ca_file else steps


class CannotSetUp(Exception):
    """Client that can't work with this server; str() is the reason."""


def fits_in_files(address: str) -> bool:
    """Whether an address needs no quoting in the configuration files of clients."""
    return address.isprintable() and not set(address) & set(" \t\"'\\#$`%")


def _trust(trust: Trust, ca_file: str) -> tuple[SetupStep, ...]:
    if trust is Trust.CONFIGURED:
        return ()
    if trust is Trust.PUBLIC:
        return (
            SetupStep(
                "The server's certificate is issued by its own CA, which this client does not accept. Set a certificate of a"
                " public CA in [tls]."
            ),
        )
    where = {
        Trust.WINDOWS: "Make Windows trust that CA first: copy the file to it as ca.crt, double-click it, Install Certificate,"
        " Place all certificates in the following store, Trusted Root Certification Authorities.",
        Trust.MAC: "Make the Mac trust that CA first: open the file, which adds it to Keychain Access; double-click it there,"
        " Trust, Always Trust.",
        Trust.IOS: "Make the device trust that CA first: open the file on it (by AirDrop, or from a web page in Safari), install"
        " the profile in Settings, General, VPN & Device Management, and turn it on in Settings, General, About, Certificate"
        " Trust Settings.",
        Trust.ANDROID: "Make the device trust that CA first: copy the file to it; Settings, Security, Encryption & credentials,"
        " Install a certificate, CA certificate. An app that ignores such CAs asks or refuses the certificate: it needs one"
        " of a public CA.",
        Trust.OWN_LIST: "Make Thunderbird trust that CA first: Settings, Privacy & Security, Certificates, Authorities, Import.",
    }
    return (SetupStep(f"The server's certificate is issued by its own CA. {where[trust]}", (("CA file", ca_file),)),)


SECURITY_WORDS = {Security.TLS: "SSL/TLS", Security.STARTTLS: "STARTTLS"}
"""Connection security in the words of most clients."""


def server_values(service: ClientService, address: str) -> tuple[tuple[str, str], ...]:
    """Server, port, security and user, in the words of most clients."""
    return (
        ("Server", service.host),
        ("Port", str(service.port)),
        ("Security", SECURITY_WORDS[service.security]),
        ("Authentication", "normal password"),
        ("User name", address),
    )


def protocol_name(service: ClientService) -> str:
    """`IMAP` or `POP3`, for people."""
    return service.protocol.upper()


COLUMNS = 100


def as_text(steps: Iterable[SetupStep]) -> str:
    return "\n".join(_text(number, step) for number, step in enumerate(steps, 1))


def _text(number: int, step: SetupStep) -> str:
    lines = textwrap.wrap(f"{number}. {step.instruction}", COLUMNS, subsequent_indent="   ")
    width = max((len(name) for name, _ in step.values), default=0)
    lines += [f"     {name:<{width}}  {value}" for name, value in step.values]
    if step.file:
        lines.append(f"   {step.file}:")
    lines += [f"     {line}" for line in step.text.splitlines()]
    return "\n".join(lines) + "\n"


def as_markdown(steps: Iterable[SetupStep]) -> str:
    return "\n".join(_markdown(number, step) for number, step in enumerate(steps, 1))


def _markdown(number: int, step: SetupStep) -> str:
    lines = [f"{number}. {step.instruction}" + (f" `{step.file}`" if step.file else "")]
    if step.values:
        lines += ["", *(f"   * {name}: `{value}`" for name, value in step.values)]
    if step.text:
        lines += ["", "   ```text", *(f"   {line}" for line in step.text.splitlines()), "   ```"]
    return "\n".join(lines) + "\n"


def as_json(steps: Iterable[SetupStep]) -> list[dict[str, Any]]:
    return [
        {
            "say": step.instruction,
            "values": dict(step.values),
            **({"file": step.file, "text": step.text} if step.text else {}),
        }
        for step in steps
    ]
