"""VERP: a reverse-path for each recipient.

A letter of `news@home.test` for `carol@elsewhere.test` goes out as from `news+carol=elsewhere.test@home.test`. Asked for
by XVERP in MAIL, as Postfix has it, or by the server for senders that it knows.
"""

from __future__ import annotations

import re

from mailstack.letter.address import MAX_LOCAL_PART, Address
from mailstack.letter.envelope import Envelope, Recipient

XVERP = "XVERP"
DELIMITERS = "+="
"""Delimiters before the recipient and in place of its "@". The first is that of subaddresses, so that bounces find the sender."""

_DELIMITERS = re.compile(r"[-+=]{2}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")


def read_delimiters(text: str) -> str:
    """What XVERP may say: two of "-", "+" and "=". Raises ValueError."""
    if not _DELIMITERS.match(text):
        raise ValueError('two of "-", "+" and "="')
    return text


def delimiters_of(envelope: Envelope) -> str | None:
    """Delimiters that the sender asks for; None for a letter without VERP."""
    if envelope.sender is None or not envelope.parameters:
        return None
    asked = dict(envelope.parameters).get(XVERP)
    return asked if asked is not None and _DELIMITERS.match(asked) else None


def sender_for(envelope: Envelope, recipient: Recipient) -> Address | None:
    """The reverse-path under which a letter goes to one recipient: that of the envelope unless VERP is asked for.

    So it is too where the result would need quotes, UTF-8, or more than the 64 octets of a local part (RFC 5321
    §4.5.3.1.1): a letter that arrives is worth more than a bounce that can be told from others.
    """
    delimiters, sender = delimiters_of(envelope), envelope.sender
    if delimiters is None or sender is None:
        return sender
    to = recipient.original or recipient.address
    local = f"{sender.local}{delimiters[0]}{to.local}{delimiters[1]}{to.ascii_domain}"
    return Address(local, sender.domain) if len(local) <= MAX_LOCAL_PART and _PLAIN.match(local) else sender
