"""Simulation of an internet in one process, in virtual time.

`Internet` is what most want: mail servers, their DNS, and people who write and read.

    internet = Internet(seed=7)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    letter = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob")
    internet.run()
    (received,) = internet.reader("bob@b.test").collect()

Beneath it lies the simulated reactor. Code that takes its reactor by argument runs here as it is: endpoints, services, producers, STARTTLS. Only the lowest
layer is ours, the sockets; Twisted's own transports lie on them. Time stands still while anything can be done, then
jumps to the next call. One seed, one order of events: a run that failed fails again.

    reactor = SimulatedReactor(seed=7)
    server, sender = reactor.host("192.0.2.1"), reactor.host("192.0.2.2", "2001:db8::2")
    reactor.network.set_path("192.0.2.1", "192.0.2.2", Path(latency=0.15, ragged=True))

    listening = serverFromString(server, "tcp:25").listen(Factory.forProtocol(Echo))
    port = reactor.result_of(listening)
    client = reactor.result_of(TCP4ClientEndpoint(sender, "192.0.2.1", 25).connect(Factory.forProtocol(Client)))

    reactor.run(lambda: client.lines == [b"250 OK"], at_most=60)  # or NotReached, with what would have come next
    reactor.advance(5 * 86400)  # five days of retries

Files: `internet` is the whole, `world` what its hosts share, `server` one mail server, `users` its authors and readers,
`domains` its DNS, `authority` its certificates, `transcript` and `journeys` what happened in it. Of the reactor, `clock` is time, `loop` its turns, `network` addresses and paths, `sockets` TCP, `poll` readiness,
`transport` what Twisted puts on a socket, `host` the reactor of the code under test, `reactor` that of the test;
`names`, `threads` and `triggers` are the rest of a reactor.

What nobody caught, and failures that were only logged, come out of `run`, `advance` and `result_of`; a test of what
happens behind a bug makes its reactor `forgiving`. Real threads are foreign here: `callInThread` works in the next
turn, and code that brings threads of its own has `hold_time_while` keep the clock from running away from them. So is
the reactor that is installed in the process: whoever is not given ours waits for it in vain. TLSMemoryBIOFactory is
easily forgotten, it takes `clock=reactor`; a certificate's dates are compared with the real time.
"""

from __future__ import annotations

from mailstack.sandbox.recording.dialogue import SessionTranscript
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.internet import Internet
from mailstack.sandbox.simulation.journeys import Journey, Stage
from mailstack.sandbox.simulation.loop import NotReached
from mailstack.sandbox.simulation.network import Network, Path
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.sandbox.simulation.server import SimulatedServer
from mailstack.sandbox.simulation.transcript import Transcript
from mailstack.sandbox.simulation.users import Author, Collected, NotTaken, Reader, Sent

__all__ = [
    "Author",
    "Collected",
    "Host",
    "Internet",
    "Journey",
    "Network",
    "NotReached",
    "NotTaken",
    "Path",
    "Reader",
    "Sent",
    "SessionTranscript",
    "SimulatedReactor",
    "SimulatedServer",
    "Stage",
    "Transcript",
]
