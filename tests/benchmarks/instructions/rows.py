"""Rows of the table: the work that is counted, letter by letter, each done once before it is counted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.instructions.receiver import Receiver
from tests.benchmarks.instructions.server import LOGIN, USERS, Server, running
from tests.benchmarks.readers import collect

HOST = "127.0.0.1"


class Row(Struct, frozen=True):
    """One kind of work, and the function that does it for a number of letters, twice."""

    name: str
    run: Callable[[Server, Receiver, int], int]
    """Does the work for N letters, then counts the same for N more. Returns the instructions of the latter."""


def measure(row: Row, source: Path, letters: int, *, directory: Path | None = None, counted: bool = True) -> float:
    """Instructions of one letter, in a new server of the checkout `source`; 0 where they are not `counted`."""
    with (
        tempfile.TemporaryDirectory(prefix="mailstack-instructions-", dir=directory) as folder,
        Receiver() as receiver,
        running(source, Path(folder) / "server", receiver=receiver.port, counted=counted) as server,
    ):
        receiver.before_reply = server.await_idle
        return row.run(server, receiver, letters) / letters


def _client(server: Server, service: str, recipient: str, login: str = "") -> Crowd:
    """One client that sends each command when the server is idle, so that it does the same in each run."""
    port = server.ports[service]
    return Crowd(HOST, port, 1, recipient, login=login, people=USERS, before_sending=server.await_idle)


def _accept_mx(server: Server, _receiver: Receiver, letters: int) -> int:
    return _accept(server, _client(server, "mx", LOGIN), letters)


def _accept_submission(server: Server, _receiver: Receiver, letters: int) -> int:
    return _accept(server, _client(server, "submission", LOGIN, login=LOGIN), letters)


def _accept(server: Server, client: Crowd, letters: int) -> int:
    with closing(client):
        client.send(letters)
        server.start_counting()
        client.send(letters)
        return server.instructions()


def _relay(server: Server, receiver: Receiver, letters: int) -> int:
    """The queue is filled first; the host takes no letter before all of them are in it."""
    with closing(_client(server, "submission", "u{}@far.test", login=LOGIN)) as client:
        client.send(2 * letters + 2)
    receiver.release(letters)
    server.start_counting()
    receiver.release(letters)
    return server.instructions()


def _retrieve(server: Server, _receiver: Receiver, letters: int) -> int:
    """Half of the users fetch and delete their letters, one user after the other, and then the other half."""
    with closing(_client(server, "mx", LOGIN)) as client:
        client.send(2 * letters)
    names = [LOGIN.format(number) for number in range(1, USERS + 1)]
    _collect(server, names[: USERS // 2], letters)
    server.start_counting()
    _collect(server, names[USERS // 2 :], letters)
    return server.instructions()


def _collect(server: Server, users: list[str], letters: int) -> None:
    found, _ = collect(HOST, server.ports["pop3"], iter(users), 1, server.await_idle)
    if found != letters:
        raise ValueError(f"there were {found} letters in the mailboxes, not {letters}")


ROWS = (
    Row("accept-mx", _accept_mx),
    Row("accept-submission", _accept_submission),
    Row("relay", _relay),
    Row("retrieve", _retrieve),
)


def selected(names: str) -> list[Row]:
    """The rows whose name, or its first word, is in the comma-separated `names`. Raises ValueError for a name without a row."""
    chosen = []
    for name in names.split(","):
        found = [row for row in ROWS if name in (row.name, row.name.partition("-")[0])]
        if not found:
            raise ValueError(f"no row is named {name!r}; there are {', '.join(row.name for row in ROWS)}")
        chosen += [row for row in found if row not in chosen]
    return chosen
