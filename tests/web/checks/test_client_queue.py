"""Queue of checks: one at a time for each client, with a cache of HTML features."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailstack.letter import LetterId
from mailstack.letter.envelope import HostPort
from mailstack.web.checks.html import MAX_CACHED, MAX_WAITING, ClientQueue, HtmlChecks
from mailstack.web.checks.html_features import Features
from mailstack.web.http_messages import HttpError, Request, User
from mailstack.web.letter_reader import LetterReader
from tests.aid import run
from tests.mailbox.index.shelf import Shelf

HTML = b"Content-Type: text/html\r\n\r\n<style>a{color:red}</style><p hidden>x</p>"


def by(client: str) -> Request:
    if "@" in client:
        return Request("GET", "/", "x.test", user=User(client))
    return Request("GET", "/", "x.test", remote=HostPort(client, 1))


def result(asked: Deferred[str]) -> str:
    """Of a check that has ended."""
    found: list[Any] = []
    asked.addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return str(found[0])


class Work:
    """Checks that end when they are told to."""

    def __init__(self) -> None:
        self.turns = ClientQueue()
        self.begun: list[Deferred[str]] = []

    def request(self, client: str) -> Deferred[str]:
        async def work() -> str:
            self.begun.append(Deferred())
            return await self.begun[-1]

        return Deferred.fromCoroutine(self.turns.run(by(client), work))


def test_checks_of_one_client_are_made_one_after_the_other() -> None:
    work = Work()
    asked = [work.request("alice@home.test") for _ in range(3)]
    assert len(work.begun) == 1
    work.begun[0].callback("done")
    assert len(work.begun) == 2
    work.begun[1].errback(RuntimeError("it failed"))
    assert len(work.begun) == 3
    work.begun[2].callback("done")
    assert (result(asked[0]), result(asked[2])) == ("done", "done")
    with pytest.raises(RuntimeError):
        result(asked[1])
    assert work.turns._locks == {}


@pytest.mark.parametrize(
    ("client", "other"),
    [("alice@home.test", "bob@home.test"), ("alice@home.test", "192.0.2.9"), ("192.0.2.1", "192.0.2.2")],
)
def test_clients_do_not_wait_for_each_other(client: str, other: str) -> None:
    """A client is an account, or an address without logins."""
    work = Work()
    for each in (client, client, other):
        work.request(each)
    assert len(work.begun) == 2


def test_one_that_waits_may_leave() -> None:
    work = Work()
    first, second, third = (work.request("192.0.2.1") for _ in range(3))
    second.cancel()
    with pytest.raises(CancelledError):
        result(second)
    work.begun[0].callback("first")
    work.begun[1].callback("third")
    assert (result(first), result(third)) == ("first", "third")


def test_one_too_many_is_refused() -> None:
    work = Work()
    for _ in range(1 + MAX_WAITING):
        work.request("192.0.2.1")
    with pytest.raises(HttpError) as trouble:
        result(work.request("192.0.2.1"))
    assert trouble.value.status == 429
    assert ("Retry-After", "1") in trouble.value.headers


class Counted(LetterReader):
    """Pages that count how often something was worked out."""

    count = 0

    async def do(self, work: Callable[[], Any], octets: int) -> Any:
        del octets
        self.count += 1
        return work()


def test_html_of_a_letter_is_parsed_once() -> None:
    shelf = Shelf(None)
    pages = Counted(shelf.index, lambda work: work())
    checks = HtmlChecks(pages)
    letter = shelf.put(HTML)
    plain = shelf.put(b"Subject: x\r\n\r\nx")
    run(shelf.index.up_to_date())
    item = run(shelf.index.item(letter))
    assert item is not None
    found = [run(checks.check(by("192.0.2.1"), item)) for _ in range(2)]
    assert pages.count == 4  # reading, features, and a report each time
    assert found[0] is not None
    assert found[0] == found[1]
    assert json.loads(found[0].body)["Total"]["Nodes"] == 2
    item = run(shelf.index.item(plain))
    assert item is not None
    assert run(checks.check(by("192.0.2.1"), item)) is None
    for number in range(MAX_CACHED + 5):
        checks._cache_features(LetterId(f"letter-{number}"), Features({}, number))
    assert len(checks._features) == MAX_CACHED
