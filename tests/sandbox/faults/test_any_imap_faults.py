"""Random faults of IMAP that end: every message is read whole afterwards, and stored as often as it was answered."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.imap.client_session import ImapConnectionLost, ImapRefused
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.imap.profiles import PROFILES
from tests.aid import examples
from tests.sandbox.faults.imap_clients import internet_with_imap, log_in

MOST = 4
"""Rules at a time, each of which happens at most 3 times."""
HELLO = b"Subject: hello\r\n\r\nHello {7}\r\n"

anywhere: list[st.SearchStrategy[dict[str, Any]]] = [
    st.fixed_dictionaries({"delay": st.sampled_from(["1s", "2m", "1h"])}),
    st.fixed_dictionaries({"drop": st.sampled_from(["before", "after"])}),
    st.just({"silence": True}),
    st.sampled_from(
        [{"reply": "NO [UNAVAILABLE] no"}, {"reply": "BAD no"}, {"reply": "* BYE no"}, {"garbage": "?\r\n"}]
    ),
    st.sampled_from([{"untagged": "* OK [ALERT] now"}, {"exists": 2}]),
]
steps = st.sampled_from(["starttls", "login", "select", "search", "fetch", "append", "noop", "any"])
faults = st.one_of(
    st.builds(lambda at, what: {"at": f"imap.{at}", **what}, steps, st.one_of(*anywhere)),
    st.sampled_from(
        [
            {"at": "imap.connect", "reply": "* BYE busy"},
            {"at": "imap.connect", "silence": True},
            {"at": "imap.fetch", "octets": 5, "drop": "before"},
            {"at": "imap.fetch", "speed": 50},
            {"at": "imap.fetch", "literals": 0.5},
            {"at": "imap.fetch", "sizes": 2.0},
            {"at": "imap.select", "new_validity": True},
            {"at": "imap.login", "without": ["LITERAL+", "UIDPLUS"]},
        ]
    ),
)
rules = st.lists(
    st.builds(
        lambda what, times, after: {**what, "times": times, "after": after},
        faults,
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=MOST,
)


@settings(
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(rules, st.sampled_from(["", *PROFILES]))
def test_any_faults_that_end_leave_every_message_whole(wrong: list[dict[str, Any]], profile: str) -> None:
    internet = internet_with_imap(letters=0, imap_profile=profile)
    for rule in wrong:
        internet.faults.add(Fault.from_json(rule))
    stored = 0

    async def visit() -> list[bytes]:
        nonlocal stored
        session = await log_in(internet)
        await session.append("INBOX", HELLO)
        stored += 1
        await session.select("INBOX")
        found = await session.search(b"ALL")
        messages = [message.items["BODY[]"] for message in await session.fetch("1:*", "(UID BODY.PEEK[])")]
        assert len(found) == len(messages)
        return messages

    for _ in range(12 * MOST):
        try:
            messages = internet.result_of(visit())
            break
        except (ImapConnectionLost, ImapRefused, ConnectFailed):
            internet.advance("2h")
    else:
        raise AssertionError("it can't be read, though all faults have ended")
    assert set(messages) == {HELLO}
    assert len(messages) >= stored >= 1
