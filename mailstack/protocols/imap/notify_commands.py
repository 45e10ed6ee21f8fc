"""NOTIFY as an event of the server engine (RFC 5465 §8)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.imap.fetch_items import FetchItem

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = "MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = "MAILBOXNAME", "SUBSCRIPTIONCHANGE"
MESSAGE_EVENTS = frozenset({MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE})


class EventGroup(Struct, frozen=True):
    """Mailboxes of NOTIFY, and the events that are reported of them."""

    which: str
    """SELECTED, SELECTED-DELAYED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE or MAILBOXES."""
    events: frozenset[str]
    """Events in upper case; empty for NONE."""
    folders: tuple[str, ...] = ()
    """Decoded names for SUBTREE and MAILBOXES."""
    items: tuple[FetchItem, ...] = ()
    """Items of new messages in the selected mailbox."""

    @property
    def is_selected(self) -> bool:
        """Whether it is about the selected mailbox."""
        return self.which.startswith("SELECTED")


class Notify(Struct, frozen=True):
    """NOTIFY SET, or NONE without groups."""

    tag: str
    groups: tuple[EventGroup, ...] = ()
    with_status: bool = False
    """Whether STATUS of each mailbox is sent at once."""
