"""Fetch plan: items of one FETCH (RFC 3501 §6.4.5)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.mailbox.imap.capabilities import EnabledExtensions
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Fetch
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection, FetchAttribute, FetchItem

Attribute = Callable[[SelectedMailbox, int], bytes]
"""Writer of one item for the message at a position of the view."""

ATTRIBUTES: dict[str, Attribute] = {
    "UID": lambda selected, at: b"UID %d" % selected.view.columns.uids[at],
    "FLAGS": lambda selected, at: b"FLAGS " + selected.flag_list(at),
    "MODSEQ": lambda selected, at: b"MODSEQ (%d)" % selected.view.columns.modseqs[at],
    "INTERNALDATE": lambda selected, at: b"INTERNALDATE " + responses.internal_date(selected.view.columns.dates[at]),
    "RFC822.SIZE": lambda selected, at: b"RFC822.SIZE %d" % selected.view.columns.sizes[at],
    "SAVEDATE": lambda selected, at: b"SAVEDATE " + responses.internal_date(selected.view.columns.saved[at]),
    "EMAILID": lambda selected, at: b"EMAILID (M%b)" % selected.view.columns.letter(at).encode("ascii"),
    "THREADID": lambda _selected, _at: b"THREADID NIL",
}
"""Items that need no content. Threads have no ids (RFC 8474 §5.2 permits NIL)."""


class FetchPlan:
    """Items of a FETCH."""

    def __init__(self, command: Fetch, enabled: EnabledExtensions) -> None:
        names = [item.name for item in command.items if isinstance(item, FetchAttribute)]
        implied = []
        if command.by_uid or "QRESYNC" in enabled:
            implied.append("UID")
        if command.changed_since is not None:
            implied.append("MODSEQ")
        wanted = dict.fromkeys([*implied, *[name for name in names if name in ATTRIBUTES]])
        self.attributes: list[Attribute] = [ATTRIBUTES[name] for name in wanted]
        """Writers of the items in memory."""
        self.contents: list[FetchItem] = [
            item for item in command.items if not (isinstance(item, FetchAttribute) and item.name in ATTRIBUTES)
        ]
        """Items that need the content of the message."""
        self.has_flags = "FLAGS" in wanted
        self.has_modseq = "MODSEQ" in wanted
        reports = ["FLAGS", "MODSEQ"] if "CONDSTORE" in enabled else ["FLAGS"]
        self._reports = [ATTRIBUTES[name] for name in reports if name not in wanted]
        self.sets_seen = any(item.sets_seen for item in command.items if isinstance(item, BodySection | BinarySection))
        """Whether the command marks the messages as seen."""

    def start(self, selected: SelectedMailbox, number: int, at: int) -> bytes:
        """The response for a message up to its last item in memory."""
        return b"* %d FETCH (" % number + b" ".join([attribute(selected, at) for attribute in self.attributes])

    def new_flags(self, selected: SelectedMailbox, at: int) -> bytes:
        """Flags that the command has changed, to be added to `start` (RFC 3501 §6.4.5, RFC 7162 §3.1.4)."""
        octets = b" ".join([attribute(selected, at) for attribute in self._reports])
        return b" " + octets if octets and self.attributes else octets
