"""Text of a journey step."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Arrival, Envelope, Letter, LetterId, new_letter_id
from mailstack.letter.delivery import Step
from mailstack.letter.letter import Octets
from mailstack.store import Record
from mailstack.store.journey import Journey, facts_text, headline, record_json
from tests.contracts.store import BOB, SERVER


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"MT-PRIORITY": "0"}, "from 192.0.2.1"),
        ({"MT-PRIORITY": "3"}, "from 192.0.2.1, with MT-PRIORITY=3"),
        ({"MT-PRIORITY": "0", "BY": "600;R"}, "from 192.0.2.1, with MT-PRIORITY=0 BY=600;R"),
    ],
)
def test_the_normal_priority_is_not_shown(terms: dict[str, str], said: str) -> None:
    step = Step(LetterId("1m8d8nfn87ezdty"), 0.0, "mx.home.test", "exchanged", {"client": "192.0.2.1", "terms": terms})
    assert facts_text(step) == said


def test_an_appended_letter_has_a_headline_and_a_state() -> None:
    """IMAP-123."""
    arrival = Arrival(1.7e9, SERVER, "IMAP", account=BOB.key)
    letter = Letter(new_letter_id(1.7e9), Envelope(None, ()), Octets(b"x"), arrival)
    record = Record(letter, ())
    step = Step(letter.id, 1.7e9, SERVER, "appended", {"by": BOB.key, "folder": "Sent"})
    told = Journey(letter.id, (record,), (step,))
    assert f"Letter {letter.id} appended by {BOB.key}, 1 B, " in headline(told)
    assert facts_text(step) == f"by {BOB.key}, to the folder Sent"
    assert record_json(record)["state"] == "appended"


def test_steps_in_folders_name_them() -> None:
    """IMAP-123."""
    facts = {"by": BOB.key, "folder": "Junk", "source": "INBOX", "use": "\\Junk"}
    moved = Step(new_letter_id(1.7e9), 1.7e9, SERVER, "moved", facts)
    assert facts_text(moved) == f"by {BOB.key}, from the folder INBOX, to the folder Junk"
    for name in ("read", "expunged"):
        step = replace(moved, step=name, facts={"by": BOB.key, "folder": "Junk"})
        assert facts_text(step) == f"by {BOB.key}, in the folder Junk"
