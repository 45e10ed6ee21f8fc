"""Expunged messages, kept for a grace period (RFC 2180 §4.1).

Their rows have the negative id of their mailbox. So nothing that reads the mailbox finds them, and their contents stay.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from mailstack.store import imap_sql, rows
from mailstack.store.batch import Transaction, pieces
from mailstack.store.connection import Connection
from mailstack.store.mailboxes import MailboxMessage
from mailstack.store.sql_parts import removals
from mailstack.store.sql_parts.imap_reads import messages_from

_MAILBOXES_AT_ONCE = 100
PURGED_AT_ONCE = 500
"""Messages that one transaction purges."""


def extend(transaction: Transaction, name: str, seconds: float) -> None:
    """See `MailboxStore.keep_removed`."""
    until = math.ceil(time.time() + seconds)
    transaction.execute(imap_sql.KEEP_REMOVED, (until, name, until))


def kept_messages(connection: Connection, name: str, uids: Sequence[int]) -> list[MailboxMessage]:
    """See `MailboxStore.removed_messages`."""
    found: list[MailboxMessage] = []
    for part in pieces(sorted(set(uids)), 1):
        listed = connection.fetch(imap_sql.kept_messages(len(part)), imap_sql.MESSAGE, (name, *part))
        found += rows.checked("entries", name, lambda: messages_from(listed))  # noqa: B023  # called at once
    return found


def expired_mailboxes(connection: Connection, before: float) -> list[str]:
    """Some mailboxes with messages that were removed before a time."""
    parameters = (before, _MAILBOXES_AT_ONCE)
    return [rows.text(name) for (name,) in connection.execute(imap_sql.KEPT_MAILBOXES, parameters).fetchall()]


def purge(transaction: Transaction, name: str, before: float) -> int:
    """Delete some kept messages of a mailbox with the contents that nothing needs; returns their number."""
    held = removals.hold(transaction, name)
    if held is None:
        return 0
    parameters = (-held.id, before, PURGED_AT_ONCE)
    uids = [uid for (uid,) in transaction.connection.fetch(imap_sql.KEPT_UIDS, ("uid",), parameters)]
    taken = transaction.connection.take_out(-held.id, uids) if uids else []
    transaction.drop_contents(list(dict.fromkeys(letter for _, letter, *_ in taken)))
    return len(uids)
