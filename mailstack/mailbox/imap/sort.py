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
from mailstack.mailbox.imap.selected import SelectedMailbox, send_slices
from mailstack.mailbox.imap.sort_order import needs_fields, sort_order, sort_values
from mailstack.mailbox.imap.threads import ALGORITHMS, ThreadedMessage, thread_response, threaded_message, threads
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Sort, Thread


class Sorter:
    """SORT and THREAD of one session."""

    def __init__(self, dialogue: ImapDialogue, messages: MessageSearch) -> None:
        self._dialogue = dialogue
        self._messages = messages

    async def sort(self, command: Sort, selected: SelectedMailbox) -> None:
        """SORT. Raises CommandRefused, StoreError."""
        found = await self._messages.find(command.key, selected, command.tag)
        ordered = await self._ordered(command, found, selected)
        numbers = numbers_of(ordered, selected, by_uid=command.by_uid)
        reported = ordered if command.returns is None else reported_results(ordered, command.returns)
        modseq = highest_modseq(reported, selected) if has_modseq(command.key) else None
        if command.returns is None:
            self._dialogue.send(responses.numbers("SORT", numbers, modseq))
        else:
            self._dialogue.send(
                esearch(command.tag, numbers, command.returns, by_uid=command.by_uid, modseq=modseq, is_sorted=False)
            )

    async def _ordered(self, command: Sort, found: Sequence[int], selected: SelectedMailbox) -> list[int]:
        columns = selected.view.columns
        kept, values = [], []
        if needs_fields(command.order):
            read = self._messages.fields(found, selected, command.tag)
        else:
            read = self._without_fields(found)
        async for index, fields in read:
            position = selected.position(index)
            if position is not None:
                kept.append(index)
                at, size = columns.dates[position], columns.sizes[position]
                values.append(sort_values(command.order, fields, at=at, size=size))
        return [kept[place] for place in sort_order(command.order, values)]

    async def _without_fields(self, found: Sequence[int]) -> AsyncIterator[tuple[int, Mapping[bytes, bytes]]]:
        """Messages for an order by columns alone."""
        nothing: Mapping[bytes, bytes] = {}
        for count, index in enumerate(found, 1):
            yield index, nothing
            if count % TESTS_AT_ONCE == 0:
                await self._dialogue.pause(0)

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
