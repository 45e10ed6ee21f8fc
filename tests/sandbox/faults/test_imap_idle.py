"""Faults in IDLE, as an IMAP client sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailstack.protocols.imap.client_session import ImapConnectionLost, ImapRefused
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.simulation import Internet
from tests.sandbox.faults.imap_clients import internet_with_imap, opened


@pytest.fixture
def internet() -> Internet:
    return internet_with_imap()


async def _never(news: Callable[[], Awaitable[Any]]) -> Any:
    while True:
        await news()


def test_idle_that_breaks_off_after_a_while(internet: Internet) -> None:
    for effect in ({"drop": "before"}, {"reply": "* BYE going down"}):
        session, before = opened(internet), internet.now
        internet.faults.add(Fault.from_json({"at": "imap.idling", "delay": "9m", "times": 1, **effect}))
        with pytest.raises((ImapConnectionLost, ImapRefused)):
            internet.result_of(session.idle(_never))
        assert 540 <= internet.now - before < 542


def test_idle_that_falls_silent(internet: Internet) -> None:
    """The server's "still here" ends with the silence, and so does the news of a delivery."""
    session, before = opened(internet), internet.now
    internet.faults.add(Fault(at="imap.idling", delay="3m", silence=True))
    internet.after("4m", lambda: internet.author("bob@b.test").submit_async(to="bob@b.test", subject="News"))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(session.idle(_never))
    assert 600 <= internet.now - before < 800


def test_news_in_idle_that_are_not_true(internet: Internet) -> None:
    session = opened(internet)
    internet.faults.add(Fault(at="imap.idling", delay="1m", exists=1, times=1))

    async def wait(news: Callable[[], Awaitable[Any]]) -> Any:
        return await news()

    data = internet.result_of(session.idle(wait))
    assert (data.name, data.number) == ("EXISTS", 3)
    assert len(internet.result_of(session.search(b"ALL"))) == 2
