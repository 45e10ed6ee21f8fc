"""What of an office's surroundings its DNS records depend on: certificate, keys, services."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailstack.config import Config
from mailstack.config.authentication import signing_keys
from mailstack.config.certificates import identities
from mailstack.net.certificates import TlsError, read_identity
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.web.autoconfig.records import Known
from mailstack.web.autoconfig.services import Services


def known_of(config: Config, services: Services, addresses: Sequence[str] = ()) -> Known:
    """What the records need to know; a certificate that can't be read, or is made at the first start, gives none."""
    return Known(services, bool(config.listen.https), tuple(addresses), key_hash(config), dkim_records(config))


def dkim_records(config: Config) -> tuple[tuple[str, str, str], ...]:
    """Domain, selector and text of the record for each key that signs; a key that can't be read has none."""
    try:
        keys = signing_keys(config)
    except InvalidKey:
        return ()
    return tuple([(domain, each.selector, each.key.record()) for each in keys for domain in each.domains])


def key_hash(config: Config) -> str:
    """SHA-256 of the public key in the certificate that hosts are shown; "" where there is none to be read."""
    shown = identities(config)[0]
    try:
        chain, _ = read_identity(shown.certificate, shown.key)
    except TlsError:
        return ""
    octets = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()
