"""Flags, copies, moves and removals of two mailboxes agree with a plain model, whatever their order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailstack.letter import LetterId
from mailstack.store.mailboxes import DELETED, MAX_KEYWORDS, SEEN, AppendedLetter, FlagChange, Flags
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import examples, run
from tests.contracts.store import BOB, Subject, acceptance, place

KEYWORDS = ("$Forwarded", "work", "Later")
NAMES = st.sampled_from(["inbox", "trash"])
UIDS = st.lists(st.integers(1, 12), max_size=6)
SYSTEM = st.integers(0, 31)
WORDS = st.frozensets(st.sampled_from(KEYWORDS))


class Model:
    """One mailbox: messages by uid, each with letter, system flags, keywords and mod-sequence."""

    def __init__(self) -> None:
        self.messages: dict[int, tuple[LetterId, int, frozenset[str], int]] = {}
        self.next_uid = 1
        self.modseq = 1
        self.gone: list[tuple[int, int]] = []
        """Mod-sequence and uid of each removal."""

    def add(self, letter: LetterId, system: int, words: frozenset[str]) -> int:
        self.messages[self.next_uid] = (letter, system, words, self.modseq)
        self.next_uid += 1
        return self.next_uid - 1

    def remove(self, uids: list[int]) -> None:
        self.modseq += bool(uids)
        for uid in uids:
            del self.messages[uid]
            self.gone.append((self.modseq, uid))


class Mailboxes(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.store = InMemoryStore()
        self.subject = Subject(self.store, run, lambda: self.store)
        run(self.store.folders.prepare(BOB.key, (), 1000.0))
        trash = run(self.store.folders.create(BOB.key, "Trash", 1000.0)).mailbox
        self.names = {"inbox": BOB.key, "trash": trash}
        self.models = {"inbox": Model(), "trash": Model()}

    def do(self, name: str, *arguments: Any, **options: Any) -> Any:
        return run(getattr(self.store.mailboxes, name)(*arguments, **options))

    def bits(self, name: str, words: frozenset[str]) -> int:
        """Keywords as bits, which are added where they are missing."""
        return sum(1 << number for number in self.do("add_keywords", self.names[name], sorted(words)).values())

    def words(self, name: str, keywords: int) -> frozenset[str]:
        known = self.do("status", self.names[name]).keywords
        return frozenset(word for number, word in enumerate(known) if keywords >> number & 1)

    @rule(name=NAMES)
    def deliver(self, name: str) -> None:
        model = self.models[name]
        model.modseq += 1
        model.add(place(self.subject, mailbox=self.names[name]), 0, frozenset())

    @rule(name=NAMES, system=SYSTEM, words=WORDS)
    def append(self, name: str, system: int, words: frozenset[str]) -> None:
        letter = acceptance().letter
        flags = Flags(system, self.bits(name, words))
        result = self.do("append", self.names[name], [AppendedLetter(letter, flags, 5.0)])
        model = self.models[name]
        model.modseq += 1
        assert result.uids == [model.add(letter.id, system, words)]

    @rule(name=NAMES, uids=UIDS, added=SYSTEM, removed=SYSTEM, words=WORDS, lost=WORDS, limited=st.booleans())
    def store_flags(  # noqa: PLR0917
        self,
        name: str,
        uids: list[int],
        added: int,
        removed: int,
        words: frozenset[str],
        lost: frozenset[str],
        limited: bool,
    ) -> None:
        model = self.models[name]
        limit = max(1, model.modseq - 1) if limited else None
        change = FlagChange(Flags(added, self.bits(name, words)), Flags(removed, self.bits(name, lost)))
        result = self.do("store_flags", self.names[name], uids, change, unchanged_since=limit)
        there = [uid for uid in sorted(set(uids)) if uid in model.messages]
        refused = [uid for uid in there if limit is not None and model.messages[uid][3] > limit]
        assert result.refused == refused
        changed, modseq = [], model.modseq + 1
        for uid in there:
            if uid not in refused:
                letter, system, before, old = model.messages[uid]
                after = (system & ~removed | added, (before - lost) | words)
                changed.append((uid, *after))
                model.messages[uid] = (letter, *after, old if after == (system, before) else modseq)
        assert [(uid, flags.system, self.words(name, flags.keywords)) for uid, flags in result.changed] == changed
        if any(each[3] == modseq for each in model.messages.values()):
            model.modseq = modseq
        assert result.modseq == model.modseq

    @rule(source=NAMES, to=NAMES, uids=UIDS)
    def copy(self, source: str, to: str, uids: list[int]) -> None:
        here, there = self.models[source], self.models[to]
        wanted = [uid for uid in sorted(set(uids)) if uid in here.messages]
        there.modseq += bool(wanted)
        result = self.do("copy", self.names[source], uids, self.names[to], 9.0)
        assert result.source_uids == wanted
        assert result.uids == [there.add(*here.messages[uid][:3]) for uid in wanted]

    @rule(source=NAMES, to=NAMES, uids=UIDS)
    def move(self, source: str, to: str, uids: list[int]) -> None:
        here, there = self.models[source], self.models[to]
        wanted = [uid for uid in sorted(set(uids)) if uid in here.messages]
        moved = [here.messages[uid][:3] for uid in wanted]
        copied, expunged = self.do("move", self.names[source], uids, self.names[to], 9.0)
        here.remove(wanted)
        assert (expunged.uids, expunged.modseq) == (wanted, here.modseq)
        there.modseq += bool(wanted)
        assert copied.source_uids == wanted
        assert copied.uids == [there.add(*each) for each in moved]

    @rule(name=NAMES, uids=st.none() | UIDS)
    def expunge(self, name: str, uids: list[int] | None) -> None:
        model = self.models[name]
        marked = [
            uid
            for uid, (_, system, *_) in sorted(model.messages.items())
            if system & DELETED and (uids is None or uid in uids)
        ]
        result = self.do("expunge", self.names[name], uids)
        model.remove(marked)
        assert (result.uids, result.modseq) == (marked, model.modseq)

    @rule(name=NAMES, uids=UIDS)
    def quit(self, name: str, uids: list[int]) -> None:
        self.do("update", self.names[name], collected=[], deleted=uids, steps=[])
        model = self.models[name]
        model.remove([uid for uid in sorted(set(uids)) if uid in model.messages])

    @invariant()
    def agree(self) -> None:
        for name, model in self.models.items():
            mailbox = self.names[name]
            found = self.do("messages", mailbox, limit=1000)
            assert [
                (each.uid, each.letter, each.flags.system, self.words(name, each.flags.keywords), each.modseq)
                for each in found
            ] == [(uid, *each) for uid, each in sorted(model.messages.items())]
            status = self.do("status", mailbox)
            assert (status.messages, status.next_uid, status.modseq) == (
                len(model.messages),
                model.next_uid,
                model.modseq,
            )
            assert status.unseen == sum(not each.flags.system & SEEN for each in found)
            assert status.deleted == sum(bool(each.flags.system & DELETED) for each in found)
            assert status.octets == sum(each.size for each in found)
            for since in range(1, model.modseq + 1, 3):
                removals = self.do("removals", mailbox, since)
                assert removals.is_complete
                assert {uid for first, last in removals.uids for uid in range(first, last + 1)} == {
                    uid for modseq, uid in model.gone if modseq > since
                }
                assert [each.uid for each in self.do("messages", mailbox, changed_since=since, limit=1000)] == [
                    uid for uid, each in sorted(model.messages.items()) if each[3] > since
                ]

    def teardown(self) -> None:
        contents = {each.letter for name in self.names.values() for each in self.do("messages", name, limit=1000)}
        for letter in contents:
            assert run(self.store.contents.get(letter)).size


TestMailboxes = Mailboxes.TestCase
TestMailboxes.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)


def test_all_keywords_fit_into_a_column() -> None:
    from mailstack.store.sql_parts.imap_reads import signed, unsigned

    for bits in (0, 1, 1 << MAX_KEYWORDS - 1, (1 << MAX_KEYWORDS) - 1):
        assert unsigned(signed(bits)) == bits
        assert -(1 << MAX_KEYWORDS - 1) <= signed(bits) < 1 << MAX_KEYWORDS - 1
