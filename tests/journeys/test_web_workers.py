"""Inbox of a server with several worker processes."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest

from tests.journeys.clients import send
from tests.journeys.process import Process, serve
from tests.journeys.process import server as mail_server
from tests.waiting import PATIENCE, until

WORKERS = 3
WEB = """
[index]
enabled = true
[web]
admins = ["alice@home.test"]
streams = 8
streams_per_client = 8
"""
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"alice@home.test:alice").decode()}


class Browser:
    """One connection to one worker, for as long as it is kept."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._connection.connect()
        self.stream: Any = None

    def ask(self, method: str, path: str, body: object = None, **fields: str) -> Any:
        """What is answered, in Python's values; its `status` too where that is not 200."""
        octets = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, octets, LOGIN | {"Content-Type": "application/json"} | fields)
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200 or said["status"] == answer.status
        return said

    def listen(self, last: str = "") -> None:
        """Begin a stream of events; from here on nothing else can be asked."""
        self._connection.request("GET", "/v1/events", headers=LOGIN | ({"Last-Event-ID": last} if last else {}))
        self.stream = self._connection.getresponse()
        assert self.stream.status == 200
        assert self.stream.readline().startswith(b"retry:")

    def heard(self, kind: str) -> tuple[str, Any]:
        """The id and the data of the next event of this kind."""
        name = ""
        is_meant = False
        end = time.monotonic() + PATIENCE
        while line := self.stream.readline():
            assert time.monotonic() < end, f"for {PATIENCE:g} seconds there was no event {kind}"
            word, _, value = line.decode().strip().partition(": ")
            if word == "id":
                name = value
            elif word == "event":
                is_meant = value == kind
            elif word == "data" and is_meant:
                return name, json.loads(value)
        raise AssertionError("the stream has ended")

    def hears_of(self, letter: str) -> None:
        """Listen until this letter is told; others that came before it may be told late."""
        until(lambda: self.heard("letter")[1]["id"] == letter, f"letter {letter} is told")

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self._connection.close()


class Server:
    """A running one, with those who are connected to it."""

    def __init__(self, server: Process) -> None:
        self.server = server
        self.ports = server.ports
        self.keep = ExitStack()

    def browser(self) -> Browser:
        opened = Browser(self.ports["web"])
        self.keep.callback(opened.close)
        return opened

    def browsers(self) -> list[Browser]:
        """So many that some are at each worker: each takes connections in turn with the others."""
        some = [self.browser() for _ in range(2 * WORKERS)]
        for each in some:
            each.ask("GET", "/v1/me")
        return some

    def send(self, subject: str) -> str:
        """The id of a letter to bob, taken by any worker."""
        return send(self.ports["submission"], subject, "bob@home.test")

    def kill(self, number: int) -> None:
        """A worker; another one takes its slot."""
        dead = self.server.workers[number]
        os.kill(dead, signal.SIGKILL)
        until(lambda: self.server.wait_for("is ready") and self.server.workers[number] != dead, "it is replaced")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = mail_server(tmp_path_factory.mktemp("server"), WEB, web=True)
    with serve(config, workers=WORKERS, services=4) as server:
        yield Server(server)


@pytest.fixture
def shared(running: Server) -> Iterator[Server]:
    """Without letters, and nobody listens."""
    one = running.browser()
    until(lambda: one.ask("GET", "/v1/wait?query=xyz&timeout=0")["status"] == 408, "nobody listens")
    one.ask("DELETE", "/v1/letters", {"all": True})
    yield running
    running.keep.close()


def test_each_worker_reports_a_letter_once(shared: Server) -> None:
    listening = shared.browsers()
    for each in listening:
        each.listen()
    sent = [shared.send(f"letter-{number}") for number in range(6)]
    for each in listening:
        assert sorted(each.heard("letter")[1]["id"] for _ in sent) == sorted(sent)
    at_once = [shared.browser().ask("GET", "/v1/letters?limit=10") for _ in range(WORKERS)]
    for found in at_once:
        assert (found["total"], {each["id"] for each in found["letters"]}) == (6, set(sent))


def test_an_event_stream_resumes_at_another_worker(shared: Server) -> None:
    listening = shared.browsers()
    for each in listening:
        each.listen()
    first = shared.send("first")
    names = {each.heard("letter")[0] for each in listening}
    assert len(names) == 1, "every worker has the same name for it"
    second = shared.send("second")
    listening[0].heard("letter")
    returning = [shared.browser() for _ in range(2)]
    for each in returning:
        each.listen(next(iter(names)))
        assert each.heard("letter")[1]["id"] == second != first
    assert shared.browser().ask("GET", "/v1/letters/latest")["subject"] == "second"


def test_an_event_stream_that_missed_letters_is_reset(shared: Server) -> None:
    one = shared.browser()
    one.listen()
    shared.send("first")
    name, _ = one.heard("letter")
    one.close()
    # That it has gone is seen by the one that it was connected to; meanwhile it may well go on.
    shared.send("second")

    def is_reset() -> bool:
        again = shared.browser()
        again.listen(name)
        kind = next(line for line in iter(again.stream.readline, b"") if line.startswith(b"event:"))
        again.close()
        shared.send("more")
        return bool(kind == b"event: reset\n")

    until(is_reset, "who comes back is told to look anew")


def test_a_wait_at_any_worker_is_answered_when_the_letter_comes(shared: Server) -> None:
    waiting = shared.browsers()
    for number, each in enumerate(waiting):
        each._connection.request("GET", f"/v1/wait?subject=wanted-{number}&timeout=20", headers=LOGIN)
    for number in range(len(waiting)):
        shared.send(f"wanted-{number}")
    for number, each in enumerate(waiting):
        answer = each._connection.getresponse()
        assert (answer.status, json.loads(answer.read())["letters"][0]["subject"]) == (200, f"wanted-{number}")


def test_a_wait_for_a_state_at_any_worker_ends_by_a_step_at_another(shared: Server) -> None:
    waiting = shared.browsers()
    for each in waiting:
        each._connection.request("GET", "/v1/wait?query=is:delivered+subject:state&timeout=20", headers=LOGIN)
    letter = shared.send("state")
    for each in waiting:
        answer = each._connection.getresponse()
        assert [found["id"] for found in json.loads(answer.read())["letters"]] == [letter]


def test_what_was_deleted_at_one_worker_comes_back_at_any(shared: Server) -> None:
    sent = [shared.send(f"letter-{number}") for number in range(3)]
    some = shared.browsers()
    some[0].ask("GET", f"/v1/letters/{sent[-1]}")
    until(lambda: some[0].ask("GET", "/v1/letters")["total"] == 3, "all three are listed")
    for deleting, bringing in zip(some, [*some[1:], some[0]], strict=True):
        gone = deleting.ask("DELETE", "/v1/letters", {"all": True})
        assert gone["deleted"] == 3
        assert bringing.ask("GET", "/v1/letters")["total"] == 0
        assert bringing.ask("POST", "/v1/undo", {"token": gone["undo"]}) == {"restored": 3}
        assert deleting.ask("POST", "/v1/undo", {"token": gone["undo"]})["status"] == 404


def test_streams_are_counted_together_and_those_of_a_dead_worker_no_longer(shared: Server) -> None:
    listening = [shared.browser() for _ in range(8)]
    for each in listening:
        each.listen()
    for _ in range(WORKERS):
        assert shared.browser().ask("GET", "/v1/wait?timeout=0")["status"] == 503
    shared.kill(2)
    until(lambda: shared.browser().ask("GET", "/v1/wait?timeout=0")["status"] == 408, "there is a place again")


def test_a_session_that_ended_at_one_worker_has_ended_at_all(shared: Server) -> None:
    some = shared.browsers()
    login = json.dumps({"username": "alice@home.test", "password": "alice"})
    some[0]._connection.request("POST", "/v1/login", login, {"Content-Type": "application/json"})
    answer = some[0]._connection.getresponse()
    cookie = {"Cookie": str(answer.getheader("Set-Cookie")).partition(";")[0]}
    answer.read()

    def statuses(method: str) -> set[int]:
        found = set()
        for each in some:
            each._connection.request(method, "/v1/letters" if method == "GET" else "/v1/login", headers=cookie)
            answer = each._connection.getresponse()
            answer.read()
            found.add(answer.status)
        return found

    assert statuses("GET") == {200}
    some[1]._connection.request("DELETE", "/v1/login", headers=cookie)
    some[1]._connection.getresponse().read()
    assert statuses("GET") == {401}


def test_letters_are_indexed_after_the_first_worker_is_killed(shared: Server) -> None:
    """What came meanwhile is read by who takes its slot, and what is at the others goes on."""
    shared.send("before")
    listening = shared.browsers()
    shared.kill(1)
    alive = []
    for each in listening:
        try:
            each.listen()
        except (OSError, HTTPException):
            continue
        alive.append(each)
    assert alive
    sent = shared.send("after")
    for each in alive:
        each.hears_of(sent)
