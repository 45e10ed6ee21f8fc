"""Simulation of an internet in one process, in virtual time.

`Internet` is the usual entry point: mail servers, their DNS, authors and readers.

    internet = Internet(seed=7)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    letter = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob")
    internet.run()
    (received,) = internet.reader("bob@b.test").collect()

It is built on the simulated reactor. Code that takes its reactor by argument runs unchanged: endpoints, services,
producers, STARTTLS. Only the sockets are simulated, and Twisted's own transports use them. Time stands still while
work is ready, then jumps to the next call. A seed determines the order of events, so that failures are repeatable.

    reactor = SimulatedReactor(seed=7)
    server, sender = reactor.host("192.0.2.1"), reactor.host("192.0.2.2", "2001:db8::2")
    reactor.network.set_path("192.0.2.1", "192.0.2.2", Path(latency=0.15, ragged=True))

    listening = serverFromString(server, "tcp:25").listen(Factory.forProtocol(Echo))
    port = reactor.result_of(listening)
    client = reactor.result_of(TCP4ClientEndpoint(sender, "192.0.2.1", 25).connect(Factory.forProtocol(Client)))

    reactor.run(lambda: client.lines == [b"250 OK"], at_most=60)  # or NotReached, with the next events
    reactor.advance(5 * 86400)  # five days of retries

Files: `internet` is the whole, `world` the DNS and certificates of its hosts, `server` one mail server, `process` one that
can crash, `users` authors and readers, `collected` a downloaded letter,
`mailbox_copy` what an IMAP client keeps, and `transcript` a log of what they said. Of the reactor, `clock` is time, `loop`
its turns, `network` addresses and paths, `sockets` TCP, and `poll` readiness. `host` is the reactor of the code under
test, `reactor` that of the test, and `reactor_services` has triggers, threads and names.

`run`, `advance` and `result_of` raise uncaught exceptions and logged failures, unless the reactor is `forgiving`.
There are no threads: `callInThread` runs in the next turn. Code with real threads needs `hold_time_while`, which stops
the clock for them. Code that uses the process's installed reactor waits forever: pass the simulated one, also to
TLSMemoryBIOFactory as `clock=reactor`. The dates of certificates are compared with the real time.
"""

from __future__ import annotations

from mailstack.sandbox.recording import SessionTranscript
from mailstack.sandbox.simulation.collected import CollectedLetter
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.internet import Internet
from mailstack.sandbox.simulation.loop import NotReached
from mailstack.sandbox.simulation.mailbox_copy import IdleNews, SyncedMailbox, SyncedMessage
from mailstack.sandbox.simulation.network import Network, Path
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.transcript import SimulatedJourney, Stage, Transcript
from mailstack.sandbox.simulation.users import (
    SimulatedAuthor,
    SimulatedReader,
    SubmissionRefused,
    SubmittedLetter,
)

__all__ = [
    "CollectedLetter",
    "Host",
    "IdleNews",
    "Internet",
    "Network",
    "NotReached",
    "Path",
    "SessionTranscript",
    "SimulatedAuthor",
    "SimulatedJourney",
    "SimulatedReactor",
    "SimulatedReader",
    "SimulatedServer",
    "Stage",
    "SubmissionRefused",
    "SubmittedLetter",
    "SyncedMailbox",
    "SyncedMessage",
    "Transcript",
]
