"""Scenario of closed and aborted connections, for the simulated and the real reactor."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

import json

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

HERE = "127.0.0.1"
SIZE = 300_000


class Side(Protocol):
    """Counts octets, obeys the first one, and has a Deferred for its end."""

    def __init__(self):
        self.octets = 0
        self.ended = Deferred()

    def dataReceived(self, data):
        if self.octets == 0 and data[:1] in b"ACE":
            self.obey(data[:1])
        self.octets += len(data)

    def obey(self, command):
        if command == b"A":
            self.transport.abortConnection()
        elif command == b"C":
            self.transport.write(bytes(SIZE))
            self.transport.loseConnection()
        else:
            self.transport.write(b"echo")

    def connectionLost(self, reason):
        self.ended.callback(reason.type.__name__)


class Keep(Factory):
    noisy = False

    def __init__(self):
        self.built = []

    def buildProtocol(self, addr):
        self.built.append(Side())
        return self.built[-1]


async def dialogue(reactor, number, built, first, then):
    """One connection: what was sent first, what was done then; how each side saw it end."""
    client = await TCP4ClientEndpoint(reactor, HERE, number).connect(Keep())
    while not built:
        await deferLater(reactor, 0.001)
    server = built.pop()
    client.transport.write(first)
    await deferLater(reactor, 0.05)
    then(client.transport)
    return [await client.ended, await server.ended, client.octets, server.octets]


async def scenario(reactor):
    """What every side saw, in plain values."""
    factory = Keep()
    port = reactor.listenTCP(0, factory, interface=HERE)
    number = port.getHost().port
    story = [
        await dialogue(reactor, number, factory.built, b"C", lambda _: None),
        await dialogue(reactor, number, factory.built, b"A", lambda _: None),
        await dialogue(reactor, number, factory.built, b"E", lambda transport: transport.loseConnection()),
        await dialogue(reactor, number, factory.built, b"E", lambda transport: transport.abortConnection()),
    ]
    await port.stopListening()
    try:
        await TCP4ClientEndpoint(reactor, HERE, number).connect(Keep())
    except ConnectError as error:
        story.append(type(error).__name__)
    return story


def main():
    from twisted.internet import reactor

    def tell(story):
        print(json.dumps(story))  # noqa: T201 - the test reads it

    def begin():
        ensureDeferred(scenario(reactor)).addCallback(tell).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.callLater(20, reactor.stop)
    reactor.run()


if __name__ == "__main__":
    main()
