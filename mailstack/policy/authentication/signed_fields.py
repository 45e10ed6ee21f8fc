"""Which header fields are signed (RFC 6376 §5.4.1)."""

from __future__ import annotations

SIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post",
)  # fmt: skip
"""Header fields that are signed where they are (RFC 6376 §5.4.1)."""
OVERSIGNED = ("from", "to", "cc", "subject", "date", "reply-to", "content-type")
"""Fields that nobody may add without breaking the signature: they are named once more than they are there (§8.15)."""
