"""One server of several nodes: their database, a proxy before it for each, the far host, and who uses them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.crash.ledger import Ledger
from tests.nodes.far import FarHost
from tests.nodes.judge import Tally, close, drain, judge
from tests.nodes.node import Node
from tests.nodes.people import PEOPLE, READERS, People
from tests.nodes.proxy import Loop, Proxy
from tests.postgresql.cluster import Cluster
from tests.postgresql.server import Server

LOST_AFTER = 6.0
"""Seconds after which the nodes here take over from one that is not heard of; this and the next are longer by default."""
TIMEOUT = 2.0
"""Seconds that anything may take in the database."""
CONNECT_TIMEOUT = 1.0
DRAINING = 120.0


class Deployment:
    """All of it, in a directory; everything ends with the `with` block."""

    def __init__(
        self,
        directory: Path,
        *,
        ahead: Sequence[int | None] = (None, None),
        workers: int = 1,
        databases: Server | None = None,
    ) -> None:
        """A node for each number of seconds in `ahead`, by which its clock is ahead; None: it has the machine's own.

        `databases`: a running server; by default a new one.
        """
        self.tally = Tally()
        self._stack = contextlib.ExitStack()
        try:
            databases = databases or Server.of(self._stack.enter_context(Cluster()))
            assert databases.cluster is not None
            self.cluster = databases.cluster
            url = self._stack.enter_context(databases.database())
            loop = self._stack.enter_context(Loop())
            self.far = self._stack.enter_context(FarHost())
            self.proxies: dict[str, Proxy] = {}
            self.nodes: list[Node] = []
            settings = (
                f'[postgresql]\nlost_after = "{LOST_AFTER:g}s"\ntimeout = "{TIMEOUT:g}s"\n'
                f'connect_timeout = "{CONNECT_TIMEOUT:g}s"\n'
            )
            for number, seconds in enumerate(ahead, 1):
                name = f"n{number}"
                proxy = self.proxies[name] = Proxy(loop, self.cluster.port)
                through = url.replace(f":{self.cluster.port}/", f":{proxy.port}/")
                node = Node.furnished(
                    name, directory / name, through, self.far.port, ahead=seconds, workers=workers, more=settings
                )
                self.nodes.append(node)
                self._stack.callback(node.kill)
            self.nodes[0].populate(PEOPLE)
            for node in self.nodes:
                node.start()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def people(self, name: str, senders: int = 2, *, pause: float = 0.0, reading: bool = True) -> People:
        """So many senders at each node, and a reader of each mailbox at any of them."""
        people = People(Ledger(), name, pause=pause)
        self._stack.callback(people.over.set)
        for node in self.nodes:
            people.send_to(node, senders)
        for reader in READERS if reading else ():
            people.read_at(self.nodes, reader)
        return people

    def balance(self, people: People) -> float:
        """With all healed: nobody sends any more, all is delivered, and the judge looks; the seconds until nothing was owed."""
        people.stop()
        waited = drain(self.nodes, DRAINING)
        judge(people, self.nodes, self.far, self.tally)
        close(people, self.far)
        return waited

    def stop(self) -> None:
        """All nodes end in order."""
        for node in self.nodes:
            node.stop()
