"""Verbs of a listener, and their order, with extensions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec.structs import replace

from mailstack.protocols.smtp.extensions.extension import Extension, Verb
from mailstack.protocols.smtp.grammar import READERS
from mailstack.protocols.smtp.order import LAST_CHUNK, ORDER, RCPT_FIRST, State, Transition

Order = Mapping[State, Mapping[str, Transition]]


@lru_cache(maxsize=8)
def verb_table(offered: tuple[Extension, ...], *, lmtp: bool) -> tuple[Mapping[str, Verb], Order]:
    """The verbs of RFC 5321 and of the extensions, and the order of them all; for LMTP as RFC 2033 §4 changes them."""
    verbs = {name: Verb(reader) for name, reader in READERS.items()}
    order = {state: dict(turns) for state, turns in ORDER.items()}
    for extension in offered:
        verbs.update(extension.verbs)
        for name, verb in extension.verbs.items():
            for state, turn in verb.turns.items():
                order[state][name] = turn
    if lmtp:
        verbs["LHLO"] = verbs.pop("EHLO")
        del verbs["HELO"]
        for turns in order.values():
            if (hello := turns.pop("EHLO", None)) is not None:
                turns["LHLO"] = hello
        # §4.2: without a recipient DATA must fail with 503.
        order[State.REFUSED] |= {
            name: replace(order[State.REFUSED][name], reply=RCPT_FIRST) for name in ("DATA", "BDAT", LAST_CHUNK)
        }
    return verbs, order
