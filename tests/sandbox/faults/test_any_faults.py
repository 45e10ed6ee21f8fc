"""Random faults that end: every accepted letter is delivered or reported."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailstack.config import RelaySettings, ScheduleSettings
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.pop3.client import Pop3ConnectionLost, Refused
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.simulation import CollectedLetter, Internet, SubmissionRefused, SubmittedLetter
from tests.aid import examples

SMTP = ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "final", "quit"]
POP3 = ["connect", "user", "pass", "stls", "stat", "retr", "dele", "quit", "any"]
MOST = 4
"""Rules at a time, each of which happens at most 3 times."""

refusals = st.sampled_from(["421 4.3.2 no", "451 4.3.0 no", "452 4.2.2 no", "550 5.7.1 no", "554 no"])
common: list[st.SearchStrategy[dict[str, Any]]] = [
    st.fixed_dictionaries({"delay": st.sampled_from(["1s", "2m", "1h"])}),
    st.fixed_dictionaries({"drop": st.sampled_from(["before", "after"])}),
    st.just({"silence": True}),
]
at_smtp = st.one_of(
    *common,
    st.fixed_dictionaries({"reply": refusals}),
    st.fixed_dictionaries({"garbage": st.sampled_from(["\r\n", "250", "hello\r\n", "999 what\r\n", "\x00\xff\r\n"])}),
)
at_pop3 = st.one_of(
    *common, st.fixed_dictionaries({"reply": st.just("-ERR [SYS/TEMP] no")}), st.just({"garbage": "?\r\n"})
)
beneath = st.one_of(
    st.fixed_dictionaries({"at": st.just("tls"), "tls": st.sampled_from(["refused", "expired"])}),
    st.sampled_from([{"at": "call", "drop": "before"}, {"at": "call", "silence": True}]),
    st.fixed_dictionaries({"at": st.just("dns"), "answer": st.sampled_from(["servfail", "timeout"])}),
    st.fixed_dictionaries({"at": st.just("disk"), "error": st.sampled_from(["failed", "full"])}),
    st.just({"at": "rcpt", "greylist": "1h"}),
)
faults = st.one_of(
    st.builds(lambda at, what: {"at": at, **what}, st.sampled_from(SMTP), at_smtp),
    st.builds(lambda at, what: {"at": f"pop3.{at}", **what}, st.sampled_from(POP3), at_pop3),
    beneath,
)
rules = st.lists(
    st.builds(
        lambda what, server, times, after: {**what, "server": server, "times": times, "after": after},
        faults,
        st.sampled_from(["", "mx.a.test", "mx.b.test"]),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=MOST,
)
crashes = st.lists(st.tuples(st.sampled_from(["mx.a.test", "mx.b.test"]), st.integers(1, 6), st.booleans()), max_size=1)


def submitted(internet: Internet) -> SubmittedLetter | None:
    """The letter, if it was taken in the end."""
    ann = internet.author("ann@a.test")
    for _ in range(4 * MOST):
        try:
            return ann.submit(to="bob@b.test", subject="Hello", text="Hello")
        except (SmtpSessionError, SubmissionRefused, ConnectFailed):
            internet.advance("2m")
    return None


def collected(internet: Internet, address: str) -> list[CollectedLetter]:
    """What its reader has, however often he has to try."""
    letters: list[CollectedLetter] = []
    for _ in range(15 * MOST):
        try:
            return letters + internet.reader(address).collect()
        except (Pop3ConnectionLost, Refused, ConnectFailed):
            internet.advance("30m")
    raise AssertionError("it can't be read, though all faults have ended")


@settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.too_slow],
    # What it finds is short enough as it is, and made smaller at the price of minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(rules, crashes)
def test_any_faults_that_end_leave_every_letter_delivered_or_reported(
    wrong: list[dict[str, Any]], ends: list[tuple[str, int, bool]]
) -> None:
    internet = Internet(7)
    relay = RelaySettings(ca_file=internet.ca.file, schedule=ScheduleSettings(first=300.0, longest=3600.0))
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], relay=relay)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], relay=relay)
    for rule in wrong:
        try:
            internet.faults.add(Fault.from_json(rule))
        except ValueError:
            continue  # what can't be meant, as a greeting without octets
    for server, write, after in ends:
        internet.servers[server].crash_at(write, after=after)
    sent = submitted(internet)
    internet.run(at_most="20d")
    if sent is None:
        return  # nothing was promised
    journey = internet.journey(sent)
    reports = [internet.journey(report) for report in journey.reports]
    assert any(told.only("delivered") for told in (journey, *reports)), str(journey)
    for site in internet.servers.values():
        assert internet.result_of(site.store.queue.next_due(site.hostname)) is None
    # And what is in a mailbox can be read; an answer to QUIT that was lost has emptied it all the same.
    collected(internet, "bob@b.test")
    collected(internet, "ann@a.test")
