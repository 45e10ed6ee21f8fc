"""SEARCH contexts: results with updates for the client (RFC 5267 §4.3)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct, field

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.mailbox.imap.sort_order import sort_order
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Search, Sort
from mailstack.protocols.imap.search_keys import And, Not, NumberKey, Or, SearchKey, SearchReturn, SortKey
from mailstack.protocols.imap.sequence_set import format_set
from mailstack.protocols.imap.update_commands import CancelUpdate
from mailstack.store import StoreError

MAX_SORTED = 5000
"""Maximum results of a SORT that is updated: their sort values are in memory."""

_FEW = 100
"""Changes of a result that are made one by one."""

SortValues = tuple[str | float, ...]
Find = Callable[[SearchKey, SelectedMailbox, str, Sequence[int]], Awaitable[Sequence[int]]]
"""Search among messages at some positions, for a command with a tag."""
ReadValues = Callable[[Sequence[SortKey], Sequence[int], SelectedMailbox, str], Awaitable[list[tuple[int, SortValues]]]]
"""Sort values of messages at some positions."""


class SearchContext(Struct):
    """Result of one search or sort that is kept up to date for the client."""

    tag: str
    key: SearchKey
    by_uid: bool
    order: tuple[SortKey, ...]
    """Order of a SORT; empty for SEARCH."""
    serial: int
    """Serial of the view up to which changes are in the result."""
    top: int
    """Highest uid that was searched."""
    uids: array[int] = field(default_factory=lambda: array("I"))
    """Uids of the result, ascending."""
    values: dict[int, SortValues] = {}
    """Values of each uid for the order."""

    def __contains__(self, uid: int) -> bool:
        at = bisect_left(self.uids, uid)
        return at < len(self.uids) and self.uids[at] == uid

    def add(self, uids: Sequence[int]) -> None:
        if len(uids) > _FEW:
            self.uids = array("I", sorted([*self.uids, *uids]))
            return
        for uid in uids:
            insort(self.uids, uid)

    def remove(self, uids: Sequence[int]) -> None:
        if len(uids) > _FEW:
            removed = set(uids)
            self.uids = array("I", [uid for uid in self.uids if uid not in removed])
        else:
            for uid in uids:
                del self.uids[bisect_left(self.uids, uid)]
        for uid in uids:
            self.values.pop(uid, None)

    def places(self) -> dict[int, int]:
        """Places of the uids in the order of the SORT, from 1."""
        order = sort_order(self.order, [self.values[uid] for uid in self.uids])
        return {self.uids[at]: place for place, at in enumerate(order, 1)}


class SearchContexts:
    """Contexts of one session. They end with the selection of their mailbox."""

    def __init__(self, dialogue: ImapDialogue, find: Find, read_values: ReadValues) -> None:
        self._dialogue = dialogue
        self._find = find
        self._read_values = read_values
        self._contexts: dict[str, SearchContext] = {}

    def __bool__(self) -> bool:
        return bool(self._contexts)

    def clear(self) -> None:
        self._contexts.clear()

    def cancel(self, command: CancelUpdate) -> None:
        """CANCELUPDATE; the server may have ended a context before it."""
        for tag in command.searches:
            self._contexts.pop(tag, None)

    def begin(
        self, command: Search | Sort, returns: SearchReturn | None, selected: SelectedMailbox
    ) -> SearchContext | None:
        """The context of a command with UPDATE, before it is performed; None without one. Raises CommandRefused."""
        if returns is None or not returns.updates:
            return None
        if command.tag in self._contexts:
            raise CommandRefused("the tag belongs to a search that is updated", status="BAD")
        if len(self._contexts) >= self._dialogue.limits.search_contexts or not _is_updatable(command.key):
            self._refuse(command.tag)
            return None
        order = command.order if isinstance(command, Sort) else ()
        view = selected.view
        return SearchContext(command.tag, command.key, command.by_uid, order, view.serial, selected.last_uid)

    def keep(self, context: SearchContext, found: Sequence[tuple[int, SortValues]]) -> None:
        """Keeps the result of a command up to date from now on. `found`: uids, with values for a SORT."""
        if context.order and len(found) > MAX_SORTED:
            self._refuse(context.tag)
            return
        context.add([uid for uid, _ in found])
        if context.order:
            context.values = dict(found)
        self._contexts[context.tag] = context

    def _refuse(self, tag: str) -> None:
        self._contexts.pop(tag, None)
        code = f"NOUPDATE {responses.string(tag.encode()).decode()}"
        self._dialogue.send(responses.tagged("*", "NO", "the result is not updated", code))

    # --- updates

    def report_removals(self, selected: SelectedMailbox) -> None:
        """Reports removed messages, while the client still has numbers for them."""
        for context in self._contexts.values():
            changes = selected.view.changes_since(context.serial)
            if changes is None:
                columns = selected.view.columns
                gone = [uid for uid in context.uids if columns.position(uid) is None]
            else:
                removed = {uid for change in changes if change.is_removal for uid in change.uids}
                gone = sorted([uid for uid in removed if uid in context])
            self._report_removed(context, gone, selected)

    async def report_changes(self, selected: SelectedMailbox) -> None:
        """Reports messages that match now or no longer. Raises SessionEnded."""
        for context in list(self._contexts.values()):
            try:
                await self._report_changed(context, selected)
            except (CommandRefused, StoreError):
                self._refuse(context.tag)

    async def _report_changed(self, context: SearchContext, selected: SelectedMailbox) -> None:
        indexes = _changed(context, selected)
        context.serial, context.top = selected.view.serial, selected.last_uid
        if not indexes:
            return
        uids = [selected.uids[index] for index in indexes]
        matching = {selected.uids[index] for index in await self._find(context.key, selected, context.tag, indexes)}
        self._report_removed(context, [uid for uid in uids if uid in context and uid not in matching], selected)
        added = [uid for uid in uids if uid in matching and uid not in context]
        if context.order:
            positions = [index for uid in added if (index := selected.index(uid)) is not None]
            values = await self._read_values(context.order, positions, selected, context.tag)
            context.values.update([(selected.uids[index], each) for index, each in values])
            added = [uid for uid in added if uid in context.values]
        if context.order and len(context.values) > MAX_SORTED:
            self._refuse(context.tag)
            return
        context.add(added)
        places = context.places() if context.order and added else {}
        self._send(context, "ADDTO", sorted(added, key=lambda uid: places.get(uid, 0)), places, selected)

    def _report_removed(self, context: SearchContext, gone: Sequence[int], selected: SelectedMailbox) -> None:
        places = context.places() if context.order and gone else {}
        context.remove(gone)
        # From the last place on: no removal changes the place of the next.
        self._send(context, "REMOVEFROM", sorted(gone, key=lambda uid: -places.get(uid, 0)), places, selected)

    def _send(
        self,
        context: SearchContext,
        change: str,
        uids: Sequence[int],
        places: dict[int, int],
        selected: SelectedMailbox,
    ) -> None:
        numbered = [
            (uid, uid if context.by_uid else index + 1) for uid in uids if (index := selected.index(uid)) is not None
        ]
        if not numbered:
            return
        if context.order:
            pairs = [(places[uid], str(number)) for uid, number in numbered]
        else:
            # Place 0 is that of a message in the order of the mailbox (RFC 5267 §4.3.2).
            pairs = [(0, format_set([number for _, number in numbered]))]
        self._dialogue.send(responses.search_update(context.tag, change, pairs, by_uid=context.by_uid))


def _changed(context: SearchContext, selected: SelectedMailbox) -> Sequence[int]:
    """Ascending positions of messages that are new or have changed flags since the last report."""
    changes = selected.view.changes_since(context.serial)
    if changes is None:
        return range(selected.count)
    uids = {uid for change in changes if not change.is_removal for uid in change.uids if uid <= context.top}
    known = sorted([index for uid in uids if (index := selected.index(uid)) is not None])
    return [*known, *range(bisect_left(selected.uids, context.top + 1, 0, selected.count), selected.count)]


def _is_updatable(key: SearchKey) -> bool:
    """Whether a key means the same after an EXPUNGE: it has neither message numbers nor a saved result."""
    match key:
        case And(keys):
            return all(_is_updatable(each) for each in keys)
        case Or(first, second):
            return _is_updatable(first) and _is_updatable(second)
        case Not(negated):
            return _is_updatable(negated)
    return not isinstance(key, NumberKey) or (key.by_uid and not key.numbers.is_saved)
