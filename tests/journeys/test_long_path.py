"""Pipelining over a long round trip: two round trips a letter."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from mailstack.config import RelaySettings
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.simulation import Internet, Path
from mailstack.store import Filter, Record

LETTERS = 20
ROUND_TRIP = 0.1


def an_internet(tls: Literal["never", "required"]) -> Internet:
    """One connection from a.test to b.test at a time, over a long path."""
    internet = Internet(1)
    relay = RelaySettings(per_destination=1, first_per_destination=1, tls=tls)
    internet.host("mx.a.test", "192.0.2.1", domains=["a.test"], accounts=["ann@a.test"], relay=relay)
    internet.host("mx.b.test", "192.0.2.2", domains=["b.test"], accounts=["bob@b.test"])
    internet.reactor.network.set_path("192.0.2.1", "192.0.2.2", Path(latency=ROUND_TRIP / 2))
    return internet


async def submit(internet: Internet, letters: int) -> None:
    session = await internet.author("ann@a.test").session()
    to = (Recipient(Address.parse("bob@b.test")),)
    for number in range(letters):
        await session.transact(
            Envelope(Address.parse("ann@a.test"), to), to, Octets(b"Subject: %d\r\n\r\nhi\r\n" % number)
        )
    await session.quit()


def records(internet: Internet, host: str) -> list[Record]:
    found: list[Record] = internet.reactor.result_of(internet.servers[host].store.history.records(Filter()))
    return found


@pytest.mark.parametrize("tls", ["never", "required"])
def test_each_letter_takes_two_round_trips(tls: Literal["never", "required"]) -> None:
    """PIPE-02."""
    internet = an_internet(tls)
    internet.reactor.result_of(submit(internet, LETTERS))
    opened = 10 * ROUND_TRIP
    internet.advance(opened + 2 * LETTERS * ROUND_TRIP)
    assert len(records(internet, "mx.b.test")) == LETTERS
    assert {record.deliveries[0].state.value for record in records(internet, "mx.a.test")} == {"relayed"}


@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "final"])
@pytest.mark.parametrize(
    "what", [{"reply": "451 4.3.0 not now"}, {"reply": "421 4.3.2 closing"}, {"drop": "before"}, {"drop": "after"}]
)
def test_a_fault_at_any_step_of_a_further_letter_has_it_arrive_once(at: str, what: dict[str, Any]) -> None:
    """Twice if its answer is lost, and no other one."""
    internet = an_internet("never")
    internet.faults.add(Fault(server="mx.b.test", at=at, after=1, times=1, **what))
    internet.reactor.result_of(submit(internet, 5))
    internet.advance("2h")
    assert {record.deliveries[0].state.value for record in records(internet, "mx.a.test")} == {"relayed"}
    subjects = sorted(letter.subject for letter in internet.reader("bob@b.test").collect())
    twice = ["1"] if (at, what) == ("final", {"drop": "before"}) else []
    assert subjects == sorted(["0", "1", "2", "3", "4", *twice])
