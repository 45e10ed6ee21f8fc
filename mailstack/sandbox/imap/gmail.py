"""Gmail's extension X-GM-EXT-1 for one session: labels, ids and searches."""

from __future__ import annotations

import re
from typing import Any

from mailstack.net.clock import ReactorClock
from mailstack.protocols.imap.commands import Fetch, ImapNoop, ImapRejected, Search
from mailstack.protocols.imap.fetch_items import FetchAttribute
from mailstack.protocols.imap.mailbox_names import encode_utf7
from mailstack.protocols.imap.responses import astring, string
from mailstack.protocols.imap.search_keys import And, FlagKey, Not, NumberKey, Or
from mailstack.protocols.imap.sequence_set import SequenceSet
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.sandbox.imap.gmail_commands import PLACEHOLDER, GmailFetch, GmailSearch, StoreLabels
from mailstack.sandbox.imap.gmail_mailbox import GmailMailbox, message_number
from mailstack.sandbox.imap.gmail_query import GmailKey
from mailstack.sandbox.imap.stored_messages import uids_in
from mailstack.store import Store, StoreError

_UID = re.compile(rb'(\* [0-9]+ FETCH \((?:(?:[^{"]|"[^"]*")* )?UID ([0-9]+))')
_NOTHING = Not(And())


class GmailExtension:
    """Commands of Gmail in one session, translated into those of IMAP."""

    def __init__(self, engine: ImapServerEngine, store: Store, clock: ReactorClock) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._values: dict[int, bytes] = {}
        """Items of Gmail by uid, for the responses to the current command."""

    async def translated(self, event: Any, selected: str) -> Any:
        """The command as the server performs it."""
        self._values = {}
        mailbox = GmailMailbox(self._store, self._clock, self._engine.account)
        try:
            match event:
                case GmailFetch():
                    await self._prepare(event, event.wanted, mailbox, selected)
                    return Fetch(*[getattr(event, field) for field in Fetch.__struct_fields__])
                case StoreLabels():
                    return await self._store_labels(event, mailbox, selected)
                case GmailSearch():
                    key = await self._resolved(event.key, event.keys, mailbox, selected)
                    fields = [getattr(event, field) for field in Search.__struct_fields__]
                    return Search(fields[0], key, *fields[2:])
        except StoreError:
            return ImapRejected(event.tag, "local error, try again later", code="UNAVAILABLE", status="NO")
        return event

    def edit(self, line: bytes) -> bytes:
        """FETCH with the items of Gmail after its UID."""
        found = _UID.match(line) if self._values else None
        if found is None or int(found[2]) not in self._values:
            return line
        return found[1] + self._values[int(found[2])] + line[found.end() :]

    async def _prepare(self, command: Any, wanted: frozenset[str], mailbox: GmailMailbox, selected: str) -> None:
        """Reads the wanted items of the messages of a command."""
        entries = await mailbox.entries(selected)
        uids = set(uids_in(command.messages, [entry.uid for entry in entries], by_uid=command.by_uid))
        labels = await mailbox.labels(selected) if "LABELS" in wanted else {}
        threads = await mailbox.threads(selected, sorted(uids)) if "THRID" in wanted else {}
        for entry in entries:
            if entry.uid in uids:
                value = b" X-GM-MSGID %d" % message_number(entry.letter) if "MSGID" in wanted else b""
                if entry.uid in threads:
                    value += b" X-GM-THRID %d" % threads[entry.uid]
                if "LABELS" in wanted:
                    value += b" X-GM-LABELS (%b)" % b" ".join([_written(each) for each in labels.get(entry.letter, ())])
                self._values[entry.uid] = value

    async def _store_labels(self, command: StoreLabels, mailbox: GmailMailbox, selected: str) -> Any:
        """Changes labels; the responses are those of a FETCH of them."""
        entries = await mailbox.entries(selected)
        uids = list(uids_in(command.messages, [entry.uid for entry in entries], by_uid=command.by_uid))
        if command.mode != "-":
            for label in command.labels:
                await mailbox.add(selected, uids, label)
        removed = set(command.labels) if command.mode == "-" else set()
        if not command.mode:
            labels = await mailbox.labels(selected)
            letters = {entry.letter for entry in entries if entry.uid in uids}
            removed = {label for letter in letters for label in labels.get(letter, ())} - set(command.labels)
        for label in sorted(removed):
            await mailbox.remove(selected, uids, label)
        if command.silent:
            return ImapNoop(command.tag, "STORE")
        await self._prepare(command, frozenset({"LABELS"}), mailbox, selected)
        return Fetch(command.tag, command.messages, (FetchAttribute("UID"),), command.by_uid)

    async def _resolved(self, key: Any, keys: tuple[Any, ...], mailbox: GmailMailbox, selected: str) -> Any:
        """Key with uids in place of Gmail's keys."""
        match key:
            case FlagKey(flag) if flag.startswith(PLACEHOLDER) and flag[len(PLACEHOLDER) :].isdecimal():
                number = int(flag[len(PLACEHOLDER) :])
                return await self._resolved(keys[number], (), mailbox, selected) if number < len(keys) else key
            case And(several):
                return And(tuple([await self._resolved(each, keys, mailbox, selected) for each in several]))
            case Or(first, second):
                return Or(
                    await self._resolved(first, keys, mailbox, selected),
                    await self._resolved(second, keys, mailbox, selected),
                )
            case Not(negated):
                return Not(await self._resolved(negated, keys, mailbox, selected))
            case GmailKey():
                uids = await self._matches(key, mailbox, selected)
                return NumberKey(SequenceSet(tuple([(uid, uid) for uid in uids])), by_uid=True) if uids else _NOTHING
        return key

    async def _matches(self, key: GmailKey, mailbox: GmailMailbox, selected: str) -> list[int]:
        entries = await mailbox.entries(selected)
        match key.kind:
            case "msgid":
                return [entry.uid for entry in entries if message_number(entry.letter) == int(key.value)]
            case "thrid":
                threads = await mailbox.threads(selected, [entry.uid for entry in entries])
                return sorted([uid for uid, thread in threads.items() if thread == int(key.value)])
        there = await mailbox.labelled(key.value)
        return [entry.uid for entry in entries if entry.letter in there]


def _written(label: str) -> bytes:
    """Label in a response: a system label is quoted, others are in modified UTF-7."""
    return string(label.encode("ascii")) if label.startswith("\\") else astring(encode_utf7(label))
