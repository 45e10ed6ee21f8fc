"""Apple's configuration profile of one mail account: `.mobileconfig` for Mac, iPhone and iPad."""

from __future__ import annotations

import plistlib
import uuid
from typing import Any

from mailstack.web.autoconfig.guide import CannotSetUp
from mailstack.web.autoconfig.services import ClientServices

MEDIA_TYPE = "application/x-apple-aspen-config"

_NAMESPACE = uuid.UUID("6f0f6a5e-2f0b-5c55-9d8f-3b6f3c0f7a11")
"""Ours, and no meaning in it: UUIDs of one account are the same each time (RFC 9562 §5.5), so that a new profile takes the
place of the old one."""

_TYPES = {"imap": "EmailTypeIMAP", "pop3": "EmailTypePOP"}


def mobileconfig(address: str, server: str, services: ClientServices) -> bytes:
    """The profile; it has no password in it, and the device asks for it. Raises CannotSetUp.

    TLS is on; a device finds out by itself whether it begins at once or with STARTTLS.
    """
    sending, reading = services.sending, services.reading
    if sending is None or reading is None:
        raise CannotSetUp("this server has not both, a service to send and one to read by")
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
    """What every payload has (Apple: TopLevel, CommonPayloadKeys)."""
    number = str(uuid.uuid5(_NAMESPACE, f"{server} {what}")).upper()
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{'.'.join(reversed(server.split('.')))}.{number}",
        "PayloadUUID": number,
        "PayloadDisplayName": address,
    }
