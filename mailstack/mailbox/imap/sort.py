"""SORT and THREAD of the selected mailbox (RFC 5256, RFC 5267)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.search import (
    TESTS_AT_ONCE,
    MessageSearch,
    esearch,
    has_modseq,
    highest_modseq,
    numbers_of,
    reported_results,
)
from mailstack.mailbox.imap.search_contexts import SearchContexts, SortValues
from mailstack.mailbox.imap.selected import SelectedMailbox, send_slices
from mailstack.mailbox.imap.sort_order import needs_fields, sort_order, sort_values
from mailstack.mailbox.imap.threads import ALGORITHMS, ThreadedMessage, thread_response, threaded_message, threads
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Sort, Thread
from mailstack.protocols.imap.search_keys import SortKey


class MessageValues:
    """Values of messages for SORT."""

    def __init__(self, dialogue: ImapDialogue, messages: MessageSearch) -> None:
        self._dialogue = dialogue
        self._messages = messages

    async def read(
        self, order: Sequence[SortKey], found: Sequence[int], selected: SelectedMailbox, tag: str
    ) -> list[tuple[int, SortValues]]:
        """Positions of those messages that are still there, with their values. Raises CommandRefused, StoreError."""
        columns = selected.view.columns
        values: list[tuple[int, SortValues]] = []
        read = self._messages.fields(found, selected, tag) if needs_fields(order) else self._without_fields(found)
        async for index, fields in read:
            position = selected.position(index)
            if position is not None:
                at, size = columns.dates[position], columns.sizes[position]
                values.append((index, sort_values(order, fields, at=at, size=size)))
        return values

    async def _without_fields(self, found: Sequence[int]) -> AsyncIterator[tuple[int, Mapping[bytes, bytes]]]:
        """Messages for an order by columns alone."""
        nothing: Mapping[bytes, bytes] = {}
        for count, index in enumerate(found, 1):
            yield index, nothing
            if count % TESTS_AT_ONCE == 0:
                await self._dialogue.pause(0)


class Sorter:
    """SORT and THREAD of one session."""

    def __init__(
        self, dialogue: ImapDialogue, messages: MessageSearch, values: MessageValues, contexts: SearchContexts
    ) -> None:
        self._dialogue = dialogue
        self._messages = messages
        self._values = values
        self._contexts = contexts

    async def sort(self, command: Sort, selected: SelectedMailbox) -> None:
        """SORT. Raises CommandRefused, StoreError."""
        context = self._contexts.begin(command, command.returns, selected)
        found = await self._messages.find(command.key, selected, command.tag)
        values = await self._values.read(command.order, found, selected, command.tag)
        ordered = [values[place][0] for place in sort_order(command.order, [each for _, each in values])]
        numbers = numbers_of(ordered, selected, by_uid=command.by_uid)
        reported = ordered if command.returns is None else reported_results(ordered, command.returns)
        modseq = highest_modseq(reported, selected) if has_modseq(command.key) else None
        if command.returns is None:
            self._dialogue.send(responses.numbers("SORT", numbers, modseq))
        else:
            self._dialogue.send(
                esearch(command.tag, numbers, command.returns, by_uid=command.by_uid, modseq=modseq, is_sorted=False)
            )
        if context is not None:
            self._contexts.keep(context, [(selected.uids[index], each) for index, each in values])

    async def thread(self, command: Thread, selected: SelectedMailbox) -> None:
        """THREAD. Raises CommandRefused, StoreError."""
        if command.algorithm not in ALGORITHMS:
            raise CommandRefused("the threading algorithm is unknown", status="BAD")
        found = await self._messages.find(command.key, selected, command.tag)
        messages: list[ThreadedMessage] = []
        async for index, fields in self._messages.fields(found, selected, command.tag):
            position = selected.position(index)
            if position is not None:
                (number,) = numbers_of([index], selected, by_uid=command.by_uid)
                messages.append(threaded_message(number, fields, selected.view.columns.dates[position]))
        roots = await threads(command.algorithm, messages, self._dialogue.pause)
        await send_slices(self._dialogue, thread_response(roots))
