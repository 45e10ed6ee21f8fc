"""Search of flags, numbers, dates and sizes, without content (RFC 3501 §6.4.4)."""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt

from mailstack.mailbox.imap.mailbox_view import MailboxView
from mailstack.mailbox.imap.message_columns import MessageColumns
from mailstack.mailbox.imap.search_matcher import Test, cost
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.protocols.imap.search_keys import (
    AgeKey,
    And,
    DateKey,
    FlagKey,
    HeaderKey,
    IdKey,
    ModseqKey,
    Not,
    NumberKey,
    Or,
    RecentKey,
    SaveDateKey,
    SearchKey,
    SizeKey,
    TextKey,
)
from mailstack.protocols.imap.sequence_set import STAR, SequenceSet

ContentKey = HeaderKey | TextKey | DateKey
"""Keys that the content decides; of dates, those of the Date field."""

DAY_S = 86400


class ColumnSearch:
    """Compiler of search keys for one selected mailbox."""

    def __init__(self, selected: SelectedMailbox, now: float, content_test: Callable[[ContentKey], Test]) -> None:
        """`now`: seconds since 1970, for ages. `content_test` makes the test of a key that needs the content."""
        self._content_test = content_test
        self._selected = selected
        self._view: MailboxView = selected.view
        self._now = now

    def compile(self, key: SearchKey) -> Test:
        """Test of a key. Time and memory are linear in its size and that of the mailbox."""
        test: Test
        match key:
            case And(keys):
                test = _all([self.compile(each) for each in sorted(keys, key=cost)])
            case Or(first, second):
                test = _any(self.compile(first), self.compile(second))
            case Not(negated):
                test = _negation(self.compile(negated))
            case NumberKey(numbers, by_uid):
                test = self._numbers(numbers, by_uid=by_uid)
            case HeaderKey() | TextKey() | DateKey("sent"):
                test = self._content_test(key)
            case FlagKey(flag, present):
                test = self._flag(flag, present=present)
            case _:
                test = self._values(key)
        return test

    def _values(self, key: SearchKey) -> Test:
        columns = self._view.columns
        test: Test = _never
        match key:
            case DateKey(source, relation, day):
                name = "dates" if source == "internal" else "saved"
                test = _day(columns, name, relation, calendar.timegm(day.timetuple()))
            case AgeKey(seconds, is_older):
                test = _compared(columns, "dates", le if is_older else ge, self._now - seconds)
            case SizeKey(octets, is_larger):
                test = _compared(columns, "sizes", gt if is_larger else lt, octets)
            case ModseqKey(modseq):
                test = _compared(columns, "modseqs", ge, modseq)
            case IdKey("emailid", value):
                test = _identified(columns, value)
            case RecentKey(present):
                test = self._recent(present=present)
            case SaveDateKey():
                test = _always
        return test

    def _recent(self, *, present: bool) -> Test:
        uids, recent = self._view.columns.uids, self._selected.recent
        return lambda _, at: (uids[at] in recent) is present

    def _flag(self, flag: str, *, present: bool) -> Test:
        columns, mask = self._view.columns, self._view.mask([flag])
        if mask.system:
            return lambda _, at: bool(columns.system[at] & mask.system) is present
        return lambda _, at: bool(columns.keywords[at] & mask.keywords) is present

    def _numbers(self, numbers: SequenceSet, *, by_uid: bool) -> Test:
        """A set; numbers beyond the last message match nothing."""
        selected = self._selected
        if not by_uid and not numbers.is_saved:
            numbers = _clipped(numbers, selected.count)
        ranges = selected.resolve(numbers, by_uid=by_uid)
        starts = [span.start for span in ranges]

        def test(index: int, _: int) -> bool:
            before = bisect_right(starts, index)
            return before > 0 and index < ranges[before - 1].stop

        return test


def _clipped(numbers: SequenceSet, count: int) -> SequenceSet:
    """The set without numbers beyond the last message."""
    there = [(start, end) for start, end in numbers.ranges if STAR in {start, end} or min(start, end) <= count]
    return SequenceSet(tuple((min(start, count), min(end, count)) for start, end in there))


def _always(_index: int, _at: int) -> bool:
    return True


def _never(_index: int, _at: int) -> bool:
    return False


def _compared(columns: MessageColumns, name: str, compare: Callable[[float, float], bool], value: float) -> Test:
    """Test of a column by its name: the column itself may be replaced meanwhile."""
    return lambda _, at: compare(getattr(columns, name)[at], value)


def _identified(columns: MessageColumns, value: str) -> Test:
    return lambda _, at: value == f"M{columns.letter(at)}"


def _day(columns: MessageColumns, name: str, relation: str, start: float) -> Test:
    if relation == "before":
        return _compared(columns, name, lt, start)
    since = _compared(columns, name, ge, start)
    return since if relation == "since" else _all([since, _compared(columns, name, lt, start + DAY_S)])


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(index: int, at: int) -> bool | None:
        result: bool | None = True
        for each in tests:
            matches = each(index, at)
            if matches is False:
                return False
            if matches is None:
                result = None
        return result

    return test


def _any(first: Test, second: Test) -> Test:
    def test(index: int, at: int) -> bool | None:
        one = first(index, at)
        if one:
            return True
        other = second(index, at)
        return other if other or one is False else one

    return test


def _negation(negated: Test) -> Test:
    def test(index: int, at: int) -> bool | None:
        matches = negated(index, at)
        return None if matches is None else not matches

    return test
