"""Mozilla's autoconfig file for Thunderbird and others (draft-ietf-mailmaint-autoconfig)."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring  # written here, never read

from mailstack.web.autoconfig.services import ClientService, ClientServices, Security

_SOCKET = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}


def autoconfig(domain: str, services: ClientServices) -> bytes:
    """Return the file of a domain with all services, the best first; clients insert their address."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    for tag in ("domain", "displayName", "displayShortName"):
        SubElement(provider, tag).text = domain
    for protocol in ("imap", "pop3"):
        for service in services.of(protocol):
            _server(provider, "incomingServer", service)
    for service in services.of("smtp"):
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
        # In clear under TLS, that is.
        ("authentication", "password-cleartext"),
    ):
        SubElement(server, name).text = text
