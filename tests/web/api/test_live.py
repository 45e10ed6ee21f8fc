"""Long polls and event streams over a simulated network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.accounts.session_registry import POLL, SessionRegistry
from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index.feed import EventsMissed, Feed
from mailstack.mailbox.index.items import ItemFilter
from mailstack.net.clock import ReactorClock
from mailstack.policy.counters import LocalConnectionCounts
from mailstack.protocols.sasl import AccountLogin
from mailstack.queue.admin import QueueAdmin
from mailstack.sandbox.simulation import SimulatedReactor
from mailstack.store.accounts import Account
from mailstack.web.api.events import KEEPALIVE, StreamLimits
from mailstack.web.flow_control import HttpLimits
from mailstack.web.http_messages import Request, User
from mailstack.web.site import AllowAll, RequestAuthenticator, Site
from tests.mailbox.index.shelf import ALICE, BOB, Shelf, text
from tests.sandbox.simulation.protocols import Recorder
from tests.web.api.desk import As, routes
from tests.web.browsing import SERVER, Response, Web, responses


class Live:
    """The API behind a door of a simulated host."""

    def __init__(self, doorkeeper: RequestAuthenticator | None = None, *, shares_flags: bool = False) -> None:
        reactor = SimulatedReactor(seed=5)
        self.clock = ReactorClock(reactor.host(SERVER))
        self.shelf = Shelf(None, self.clock, shares_flags=shares_flags)
        self.stream_limits = StreamLimits(3, 2, LocalConnectionCounts())
        self.site = Site(
            routes(self.shelf.index, self.shelf.store, self.clock, self.stream_limits),
            ["x.test"],
            authenticator=doorkeeper or AllowAll(),
        )
        self.web = Web(self.site, bounds=HttpLimits(1000, 30.0, 3600.0), reactor=reactor)
        self.reactor = reactor

    def request(self, path: str, *fields: str, address: str = "192.0.2.7", wait: float = 0.1) -> Recorder:
        client = self.web.knock(address)
        self.web.say(client, "\r\n".join([f"GET {path} HTTP/1.1", "Host: x.test", *fields, "", ""]).encode(), wait=wait)
        return client

    def close(self) -> None:
        self.shelf.close()
        self.reactor.result_of(self.web.door.stop_listening())
        self.reactor.result_of(self.web.door.wait_until_empty(1))
        assert self.stream_limits.used == 0
        assert self.web.limits.open == 0


@pytest.fixture
def live() -> Iterator[Live]:
    found = Live()
    yield found
    found.close()


def answer(client: Recorder) -> Response:
    (only,) = responses(client.received)
    return only


def events(client: Recorder) -> list[tuple[str, str, Any]]:
    """Id, name and data of what a stream has given."""
    _, _, body = client.received.partition(b"\r\n\r\n")
    chunks, told = body, b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        told, chunks = told + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    found = []
    for each in told.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in each.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


def test_long_poll_responds_at_the_arrival(live: Live) -> None:
    client = live.request("/v1/wait?to=bob%40home.test&subject=code&timeout=300", wait=120)
    assert client.received == b"", "the time of a request does not end it"
    live.shelf.put(text("other"))
    live.shelf.put(text("your code", "Your code is 482910."))
    live.reactor.advance(0.1)
    found = json.loads(answer(client).body)["letters"]
    assert [each["subject"] for each in found] == ["your code"]
    assert found[0]["codes"] == ["482910"]


def test_a_wait_has_an_end(live: Live) -> None:
    client = live.request("/v1/wait?to=bob%40home.test&timeout=300", wait=299)
    assert client.received == b""
    live.reactor.advance(2)
    assert answer(client).status == 408
    assert live.stream_limits.used == 0


def test_a_wait_for_a_state_ends_when_another_process_brings_it_about(live: Live) -> None:
    """As another node or a command does: the step is in the store, and not in the feed of this process."""
    letter = live.shelf.put(text("hold me"), state=DeliveryState.QUEUED)
    client = live.request("/v1/wait?query=is:held&timeout=300", wait=5)
    assert client.received == b""
    live.shelf.run(QueueAdmin(live.shelf.store, live.clock.now).hold([letter]))
    live.reactor.advance(2 * 5)
    assert [each["id"] for each in json.loads(answer(client).body)["letters"]] == [letter]


@pytest.mark.parametrize("timeout", [0, 0.5, 1, 7])
def test_a_wait_for_a_state_has_an_end(live: Live, timeout: float) -> None:
    client = live.request(f"/v1/wait?query=is:held&timeout={timeout}", wait=timeout + 0.1)
    assert answer(client).status == 408


def test_disconnect_ends_waits_and_streams(live: Live) -> None:
    clients = [live.request("/v1/wait"), live.request("/v1/events")]
    assert live.stream_limits.used == 2
    for client in clients:
        client.transport.abortConnection()
    live.reactor.advance(1)
    assert live.stream_limits.used == 0
    live.shelf.put()


def test_places_are_bounded_in_all_and_for_one_client(live: Live) -> None:
    waiting = [live.request("/v1/wait"), live.request("/v1/events")]
    refused = answer(live.request("/v1/events"))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    waiting.append(live.request("/v1/wait", address="192.0.2.8"))
    assert answer(live.request("/v1/wait", address="192.0.2.9")).status == 503
    for client in waiting:
        client.transport.abortConnection()
    live.reactor.advance(1)


def test_a_stream_tells_what_happens_in_order(live: Live) -> None:
    client = live.request("/v1/events", wait=120)
    assert client.received.count(b":\n\n") >= 120 / KEEPALIVE - 1, "a proxy between must not take it for dead"
    letter = live.shelf.put(text("hello"))
    live.shelf.run(live.shelf.index.mark(ItemFilter(), unread=False))
    live.shelf.run(live.shelf.index.soft_delete(ItemFilter()))
    live.reactor.advance(0.1)
    told = events(client)
    assert [name for _, name, _ in told] == ["step", "letter", "changed", "deleted"]
    assert told[0][2]["step"] == "submitted"
    assert (told[1][2]["id"], told[1][2]["subject"], told[1][2]["state"]) == (letter, "hello", "delivered")
    assert (told[2][2]["ids"], told[2][2]["letters"][0]["unread"]) == ([letter], False)
    assert told[3][2] == {"count": 1, "ids": [letter]}


def test_a_stream_goes_on_where_it_broke(live: Live) -> None:
    client = live.request("/v1/events")
    live.shelf.put(text("first"))
    live.reactor.advance(0.1)
    last = events(client)[-1][0]
    client.transport.abortConnection()
    live.reactor.advance(1)
    live.shelf.put(text("second"))
    again = live.request("/v1/events", f"Last-Event-ID: {last}")
    assert [data["subject"] for _, name, data in events(again) if name == "letter"] == ["second"]
    again.transport.abortConnection()
    live.reactor.advance(1)


@pytest.mark.parametrize("last", ["1", "abc", "00000000-1", "00000000-x", "-", "9" * 50])
def test_unknown_last_event_id_gets_a_reset(live: Live, last: str) -> None:
    live.shelf.put()
    client = live.request("/v1/events", f"Last-Event-ID: {last}")
    assert [name for _, name, _ in events(client)] == ["reset"]


def test_event_stream_has_only_letters_of_the_user(live: Live) -> None:
    own = Live(As(BOB.key))
    client = own.request("/v1/events")
    own.shelf.put(text("to bob"))
    own.shelf.put(text("to alice", To="alice@home.test"), to=(ALICE,))
    own.shelf.run(own.shelf.index.mark(ItemFilter(), unread=False))
    own.reactor.advance(0.1)
    told = events(client)
    assert [name for _, name, _ in told] == ["letter", "changed"]
    assert told[0][2]["subject"] == "to bob"
    assert [each["subject"] for each in told[1][2]["letters"]] == ["to bob"]
    own.close()


class LoggedIn(Live):
    """Bob, with a login that other credentials end."""

    def __init__(self) -> None:
        super().__init__(self)  # type: ignore[arg-type]
        store = self.shelf.store
        self.shelf.run(store.accounts.add([Account(BOB.key, b"x", 1.0)]))
        self.site.sessions = SessionRegistry(store.accounts, self.reactor.callLater)

    async def authenticate(self, _: Request) -> User:
        known = await self.shelf.store.accounts.get(BOB.key)
        assert known is not None
        return User(BOB.key, login=AccountLogin(BOB.key, known.credentials))


def test_stream_of_a_removed_account_gets_no_letters_of_its_successor() -> None:
    """Not even within the time until sessions are looked at."""
    live = LoggedIn()
    stream, waiting = live.request("/v1/events"), live.request("/v1/wait?timeout=300")
    live.shelf.run(live.shelf.store.accounts.remove(BOB.key))
    live.shelf.run(live.shelf.store.accounts.add([Account(BOB.key, b"y", 2.0)]))
    live.shelf.put(text("for the next holder"))
    live.reactor.advance(0.01)
    assert stream.received.startswith(b"HTTP/1.1 200")
    assert b"next holder" not in stream.received + waiting.received
    assert answer(waiting).status == 401
    live.reactor.advance(POLL)
    assert stream.lost or stream.received.endswith(b"0\r\n\r\n")
    assert live.stream_limits.used == 0
    live.close()


def test_wait_and_stream_are_ended_when_nothing_comes() -> None:
    live = LoggedIn()
    stream, waiting = live.request("/v1/events"), live.request("/v1/wait?timeout=300")
    live.shelf.run(live.shelf.store.accounts.end_sessions(BOB.key))
    live.reactor.advance(2 * POLL)
    assert stream.lost
    assert answer(waiting).status == 401
    live.close()


def test_waits_and_streams_end_with_the_server(live: Live) -> None:
    waiting, stream = live.request("/v1/wait"), live.request("/v1/events")
    live.shelf.index.feed.close()
    live.reactor.advance(0.1)
    assert answer(waiting).status == 503
    assert stream.received.endswith(b"0\r\n\r\n")


def test_waiters_are_woken_after_the_current_call() -> None:
    """An acceptance that tells of its steps is not held up by those who hear of them."""
    soon: list[Callable[[], None]] = []
    feed, woken = Feed(soon=soon.append), list[None]()
    for _ in range(3):
        Deferred.fromCoroutine(feed.wait_after(0)).addCallback(woken.append)
    feed.publish("step", 1)
    feed.publish("step", 2)
    assert (len(woken), len(soon)) == (0, 1), "one turn for all that happened"
    soon.pop()()
    assert len(woken) == 3
    Deferred.fromCoroutine(feed.wait_after(2)).addCallback(woken.append)
    feed.publish("step", 3)
    feed.close()
    assert len(woken) == 4, "the end waits for no turn"
    soon.pop()()


def test_the_feed_forgets_the_oldest_and_says_so() -> None:
    feed = Feed(max_events=3)
    for number in range(5):
        feed.publish("step", number)
    assert [event.data for event in feed.after(2)] == [2, 3, 4]
    assert feed.after(5) == []
    for sequence in (1, 6):
        with pytest.raises(EventsMissed):
            feed.after(sequence)
    assert [event.data for event in feed.since(0)] == [2, 3, 4]
