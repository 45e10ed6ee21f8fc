"""Client configuration documents: Mozilla autoconfig, Apple .mobileconfig, Outlook autodiscover (MS-OXDSCLI)."""

from __future__ import annotations

import plistlib
import uuid
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # written here, never read
from xml.parsers import expat

from msgspec import Struct

from mailstack.web.autoconfig.guide import CannotSetUp, ClientService, ClientServices, Security

_SOCKET = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}


def autoconfig(domain: str, services: ClientServices) -> bytes:
    """Return the file of a domain with all services, the best first; clients insert their address."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    for tag in ("domain", "displayName", "displayShortName"):
        SubElement(provider, tag).text = domain
    for protocol in ("imap", "pop3"):
        for service in services.by_protocol(protocol):
            _server(provider, "incomingServer", service)
    for service in services.by_protocol("smtp"):
        _server(provider, "outgoingServer", service)
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"


def _server(provider: Element, tag: str, service: ClientService) -> None:
    server = SubElement(provider, tag, type=service.protocol)
    for name, text in (
        ("hostname", service.host),
        ("port", str(service.port)),
        ("socketType", _SOCKET[service.security]),
        ("username", "%EMAILADDRESS%"),
        # Within TLS.
        ("authentication", "password-cleartext"),
    ):
        SubElement(server, name).text = text


MEDIA_TYPE = "application/x-apple-aspen-config"

_NAMESPACE = uuid.UUID("6f0f6a5e-2f0b-5c55-9d8f-3b6f3c0f7a11")
"""Namespace of UUIDs, which are the same for an account each time (RFC 9562 §5.5): a new profile replaces the old one."""

_TYPES = {"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}


def mobileconfig(address: str, server: str, services: ClientServices) -> bytes:
    """Return the profile, without a password: the device requests it. Raises CannotSetUp.

    TLS is on; the device detects implicit TLS and STARTTLS.
    """
    sending, reading = services.sending, services.reading
    if sending is None or reading is None:
        raise CannotSetUp("this server needs a service for sending and one for reading mail")
    account = {
        **_payload("com.apple.mail.managed", f"mail {address}", server, address),
        "EmailAccountDescription": address,
        "EmailAccountType": _TYPES[reading.protocol],
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": reading.host,
        "IncomingMailServerPortNumber": reading.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": sending.host,
        "OutgoingMailServerPortNumber": sending.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        **_payload("Configuration", f"profile {address}", server, address),
        "PayloadDescription": f"The mail account {address} at {server}.",
        "PayloadOrganization": server,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [account],
    }
    return plistlib.dumps(profile)


def _payload(kind: str, what: str, server: str, address: str) -> dict[str, Any]:
    """Keys of each payload (Apple: TopLevel, CommonPayloadKeys)."""
    number = str(uuid.uuid5(_NAMESPACE, f"{server} {what}")).upper()
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{'.'.join(reversed(server.split('.')))}.{number}",
        "PayloadUUID": number,
        "PayloadDisplayName": address,
    }


_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook"
OUTLOOK_SCHEMA = f"{_OUTLOOK}/responseschema/2006a"
"""Schema of POP3 and SMTP settings, which clients name in AcceptableResponseSchema."""
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"

MAX_DEPTH = 8
MAX_TEXT = 1000
"""Maximum characters of an element; an address has at most 320."""

_ADDRESS = ("Autodiscover", "Request", "EMailAddress")
_SCHEMA = ("Autodiscover", "Request", "AcceptableResponseSchema")


class BadAutodiscoverRequest(ValueError):
    """Invalid request; str() is the reason."""


class AutodiscoverRequest(Struct, frozen=True):
    """Request for the settings of an address, which is not validated."""

    address: str
    schema: str


def parse_autodiscover(octets: bytes) -> AutodiscoverRequest:
    """Parse a request; the caller limits its size. Raises BadAutodiscoverRequest.

    A DOCTYPE is refused, so that no entities are expanded and nothing is fetched. Text and nesting are limited.
    """
    reader = _Reader()
    try:
        reader.parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise BadAutodiscoverRequest(f"not XML: {error}") from None
    if not (address := reader.found.get(_ADDRESS, "").strip()):
        raise BadAutodiscoverRequest("no EMailAddress")
    return AutodiscoverRequest(address, reader.found.get(_SCHEMA, "").strip() or OUTLOOK_SCHEMA)


class _Reader:
    """Handler that stores the text of two elements."""

    def __init__(self) -> None:
        # Always UTF-8: Python would load a codec of any declared name. Its handlers refuse a DOCTYPE before its content.
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.found: dict[tuple[str, ...], str] = {}
        self._path: list[str] = []

    def _doctype(self, *_: object) -> None:
        raise BadAutodiscoverRequest("a request must not have a DOCTYPE")

    def _start(self, name: str, _: object) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise BadAutodiscoverRequest("nested too deeply")
        self._path.append(name.rpartition(" ")[2])
        path = tuple(self._path)
        if path in (_ADDRESS, _SCHEMA):
            if path in self.found:
                raise BadAutodiscoverRequest(f"more than one {path[-1]}")
            self.found[path] = ""

    def _end(self, _: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        path = tuple(self._path)
        if path in self.found:
            self.found[path] += text
            if len(self.found[path]) > MAX_TEXT:
                raise BadAutodiscoverRequest(f"{path[-1]} is too long")


def settings_response(address: str, services: ClientServices) -> bytes:
    """Response with a Protocol for each service, best first: Outlook uses the first."""
    root = Element("Autodiscover", xmlns=_RESPONSE)
    response = SubElement(root, "Response", xmlns=OUTLOOK_SCHEMA)
    SubElement(SubElement(response, "User"), "DisplayName").text = address
    account = SubElement(response, "Account")
    SubElement(account, "AccountType").text = "email"
    SubElement(account, "Action").text = "settings"
    for protocol in ("imap", "pop3", "smtp"):
        for service in services.by_protocol(protocol):
            _protocol(account, address, service)
    return _octets(root)


def _protocol(account: Element, address: str, service: ClientService) -> None:
    values = [
        ("Type", service.protocol.upper()),
        ("Server", service.host),
        ("Port", str(service.port)),
        ("DomainRequired", "off"),
        ("LoginName", address),
        ("SPA", "off"),
        # "SSL" is implicit TLS, "TLS" is STARTTLS; older clients read only the element SSL.
        ("SSL", "on"),
        ("Encryption", "SSL" if service.security is Security.TLS else "TLS"),
        ("AuthRequired", "on"),
    ]
    if service.protocol == "smtp":
        values += [("UsePOPAuth", "on"), ("SMTPLast", "off")]
    protocol = SubElement(account, "Protocol")
    for name, text in values:
        SubElement(protocol, name).text = text


INVALID, UNSUPPORTED, UNKNOWN = 600, 601, 500
_MESSAGES = {
    INVALID: "Invalid Request",
    UNSUPPORTED: "The requested schema version is not supported",
    UNKNOWN: "The email address can't be found",
}


def error_response(code: int, now: float) -> bytes:
    """Error response; `now` is in seconds since 1970."""
    root = Element("Autodiscover", xmlns=_RESPONSE)
    response = SubElement(root, "Response")
    error = SubElement(response, "Error", Time=f"{datetime.fromtimestamp(now, UTC):%H:%M:%S}.0000000", Id="1")
    SubElement(error, "ErrorCode").text = str(code)
    SubElement(error, "Message").text = _MESSAGES[code]
    SubElement(error, "DebugData")
    return _octets(root)


def _octets(root: Element) -> bytes:
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"
