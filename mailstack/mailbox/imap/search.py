"""SEARCH with return options and saved results (RFC 3501, RFC 4731, RFC 5182)."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from mailstack.letter import Content
from mailstack.mailbox.imap.capabilities import REV2, EnabledExtensions
from mailstack.mailbox.imap.column_search import ColumnSearch
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.fetch import MAX_MESSAGES, MAX_OCTETS
from mailstack.mailbox.imap.message_text import IN_MEMORY, MessageText
from mailstack.mailbox.imap.search_contexts import SearchContexts
from mailstack.mailbox.imap.search_matcher import ContentTests
from mailstack.mailbox.imap.search_progress import SearchProgress
from mailstack.mailbox.imap.searched_text import SearchedText
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.protocols.connection import Clock
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Search
from mailstack.protocols.imap.search_keys import And, ModseqKey, Not, Or, SearchKey, SearchReturn
from mailstack.protocols.imap.sections import OctetRange
from mailstack.protocols.imap.sequence_set import format_set
from mailstack.store import MailboxStore, StoreError

MAX_SEARCHED = 1_048_576
"""Maximum octets of a message that are searched: a turn of the reactor has to decode them."""

TESTS_AT_ONCE = 2000
"""Keys that are tested in one turn of the reactor."""


class MessageSearch:
    """Search of one session for the messages that match a key."""

    def __init__(self, dialogue: ImapDialogue, mailboxes: MailboxStore, clock: Clock) -> None:
        self._dialogue = dialogue
        self._mailboxes = mailboxes
        self._clock = clock

    async def find(
        self, key: SearchKey, selected: SelectedMailbox, tag: str, indexes: Sequence[int] | None = None
    ) -> array[int]:
        """Returns the positions of all matches, in order. Raises CommandRefused after too long, StoreError.

        `tag` is that of the command. `indexes`: ascending positions of the searched messages; None: all.
        """
        progress = SearchProgress(self._dialogue, self._clock, tag)
        contents = ContentTests()
        test = ColumnSearch(selected, self._clock.now(), contents.compile).compile(key)
        found: array[int] = array("I")
        undecided: list[int] = []
        searched = range(selected.count) if indexes is None else indexes
        step = max(20, TESTS_AT_ONCE // _size(key))
        for start in range(0, len(searched), step):
            if start:
                await progress.turn(start, len(searched))
            for index in searched[start : start + step]:
                position = selected.position(index)
                matches = position is not None and test(index, position)
                if matches:
                    found.append(index)
                elif matches is None:
                    undecided.append(index)
        if undecided:
            async for index, position, content in self._contents(undecided, selected, progress):
                if content is not None and await self._matches(content, contents, partial(test, index, position)):
                    found.append(index)
        return array("I", sorted(found)) if undecided else found

    async def fields(
        self, indexes: Sequence[int], selected: SelectedMailbox, tag: str
    ) -> AsyncIterator[tuple[int, Mapping[bytes, bytes]]]:
        """Unfolded fields of messages, by position; a message that can't be read has none, a removed one is left out.

        Raises CommandRefused after too long.
        """
        progress = SearchProgress(self._dialogue, self._clock, tag)
        async for index, _, content in self._contents(indexes, selected, progress):
            fields: Mapping[bytes, bytes] = {}
            if content is not None:
                text = MessageText(content, self._dialogue.pause)
                with suppress(StoreError):
                    await text.load()
                    fields = await text.fields()
            yield index, fields

    async def _contents(
        self, indexes: Sequence[int], selected: SelectedMailbox, progress: SearchProgress
    ) -> AsyncIterator[tuple[int, int, Content | None]]:
        """Positions and contents of messages that are still there; None for one that can't be read."""
        done = 0
        for batch in _batches(indexes, selected):
            await progress.turn(done, len(indexes))
            contents = dict(await self._read(batch, selected))
            for index in batch:
                content, position = contents.get(index), selected.position(index)
                if position is not None:
                    yield index, position, content
                done += 1
                await progress.read(min(content.size, MAX_OCTETS) if content else 0, done, len(indexes))

    async def _matches(self, content: Content, contents: ContentTests, test: Callable[[], bool | None]) -> bool:
        """Whether a message matches by its content: of a large one, the header section and the first octets."""
        text = MessageText(content, self._dialogue.pause)
        try:
            await text.load()
            if text.size > IN_MEMORY:
                contents.text = SearchedText(await text.header(), is_whole=False)
                if (matches := test()) is not None:
                    return matches
            octets = await text.octets(OctetRange(0, min(text.size, MAX_SEARCHED)))
        except StoreError:
            return False
        contents.text = SearchedText(octets, is_whole=True)
        return bool(test())

    async def _read(self, batch: Sequence[int], selected: SelectedMailbox) -> list[tuple[int, Content]]:
        mailbox, uids = selected.view.mailbox, [selected.uids[index] for index in batch]
        if len(uids) > 1:
            contents = await self._mailboxes.read_together(mailbox, uids)
            return [(index, contents[uid]) for index, uid in zip(batch, uids, strict=True) if uid in contents]
        try:
            return [(batch[0], await self._mailboxes.read(mailbox, uids[0]))]
        except (KeyError, StoreError):
            return []


class Searcher:
    """SEARCH of one session."""

    def __init__(
        self, dialogue: ImapDialogue, messages: MessageSearch, enabled: EnabledExtensions, contexts: SearchContexts
    ) -> None:
        self._dialogue = dialogue
        self._messages = messages
        self._contexts = contexts
        self._enabled = enabled

    async def search(self, command: Search, selected: SelectedMailbox) -> None:
        """SEARCH. Raises CommandRefused, StoreError; then a result to be saved is empty (RFC 5182 §2.1)."""
        returns = command.returns
        if returns is None and REV2 in self._enabled:
            returns = SearchReturn(("ALL",))
        saves = returns is not None and "SAVE" in returns.options
        context = self._contexts.begin(command, returns, selected)
        finds_modseqs = has_modseq(command.key)
        if finds_modseqs:
            self._enabled.enable(["CONDSTORE"])
        try:
            found = await self._messages.find(command.key, selected, command.tag)
        except (CommandRefused, StoreError):
            if saves:
                selected.saved = array("I")
            raise
        reported = found if returns is None else reported_results(found, returns)
        modseq = highest_modseq(reported, selected) if finds_modseqs else None
        numbers = numbers_of(found, selected, by_uid=command.by_uid)
        if returns is None:
            self._dialogue.send(responses.numbers("SEARCH", numbers, modseq))
            return
        if saves:
            selected.saved = selected.uids_of([range(index, index + 1) for index in reported])
        if set(returns.options) - {"SAVE"} or returns.partial is not None or returns.updates:
            self._dialogue.send(esearch(command.tag, numbers, returns, by_uid=command.by_uid, modseq=modseq))
        if context is not None:
            self._contexts.keep(context, [(selected.uids[index], ()) for index in found])


def highest_modseq(found: Sequence[int], selected: SelectedMailbox) -> int | None:
    """Highest mod-sequence of the results (RFC 7162 §3.1.5); None without any."""
    modseqs, positions = selected.view.columns.modseqs, (selected.position(index) for index in found)
    return max((modseqs[at] for at in positions if at is not None), default=None)


def numbers_of(found: Sequence[int], selected: SelectedMailbox, *, by_uid: bool) -> list[int]:
    """Message numbers or uids of positions."""
    return [selected.uids[index] for index in found] if by_uid else [index + 1 for index in found]


def esearch(
    tag: str,
    numbers: Sequence[int],
    returns: SearchReturn,
    *,
    by_uid: bool,
    modseq: int | None = None,
    is_sorted: bool = True,
) -> bytes:
    """ESEARCH with the options that were asked for (RFC 4731 §3.1, RFC 9394 §3.1)."""
    options = returns.options
    window = None
    if returns.partial is not None:
        part = _part(numbers, returns.partial)
        window = returns.partial, format_set(part) if is_sorted else responses.format_ordered(part)
    return responses.esearch(
        tag,
        by_uid=by_uid,
        minimum=numbers[0] if numbers and "MIN" in options else None,
        maximum=numbers[-1] if numbers and "MAX" in options else None,
        count=len(numbers) if "COUNT" in options else None,
        all_numbers=numbers if "ALL" in options else None,
        partial=window,
        modseq=modseq,
        is_sorted=is_sorted,
    )


def _part(numbers: Sequence[int], partial: tuple[int, int]) -> Sequence[int]:
    """Results of a range; negative numbers count from the end."""
    low, high = sorted(partial)
    if low > 0:
        return numbers[low - 1 : high]
    return numbers[max(0, len(numbers) + low) : max(0, len(numbers) + high + 1)]


def reported_results(found: Sequence[int], returns: SearchReturn) -> Sequence[int]:
    """Results that count for SAVE and MODSEQ: with MIN and MAX alone only these (RFC 5182 §2.1, RFC 4731 §3.2)."""
    options = set(returns.options) - {"SAVE"}
    if not options or options & {"ALL", "COUNT"} or returns.partial is not None or not found:
        return found
    ends = ([found[0]] if "MIN" in options else []) + ([found[-1]] if "MAX" in options else [])
    return sorted(set(ends))


def _batches(indexes: Sequence[int], selected: SelectedMailbox) -> Iterator[list[int]]:
    """Messages that are read together."""
    batch: list[int] = []
    octets = 0
    for index in indexes:
        position = selected.position(index)
        if position is None:
            continue
        size = selected.view.columns.sizes[position]
        if batch and (len(batch) >= MAX_MESSAGES or octets + size > MAX_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(index)
        octets += size
    if batch:
        yield batch


def _size(key: SearchKey) -> int:
    """Number of keys in a key."""
    match key:
        case And(keys):
            return 1 + sum([_size(each) for each in keys])
        case Or(first, second):
            return 1 + _size(first) + _size(second)
        case Not(negated):
            return 1 + _size(negated)
    return 1


def has_modseq(key: SearchKey) -> bool:
    match key:
        case And(keys):
            return any(has_modseq(each) for each in keys)
        case Or(first, second):
            return has_modseq(first) or has_modseq(second)
        case Not(negated):
            return has_modseq(negated)
    return isinstance(key, ModseqKey)
