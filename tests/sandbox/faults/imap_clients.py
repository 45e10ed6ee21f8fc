"""IMAP clients in a simulated internet."""

from __future__ import annotations

from typing import Any

from mailstack.config import ListenSettings
from mailstack.letter.envelope import HostPort
from mailstack.protocols.imap.client import ImapClientEngine
from mailstack.protocols.imap.client_session import ImapClientSession
from mailstack.sandbox.simulation import Internet

LISTEN: Any = ListenSettings(submission=("tcp:587",), mx=("tcp:25",), imap=("tcp:143",))  # type: ignore[arg-type]


def internet_with_imap(letters: int = 2, **settings: Any) -> Internet:
    """Bob has some letters, and his server speaks IMAP."""
    internet = Internet(7)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test", "amy@b.test"], listen=LISTEN, **settings)
    bob = internet.author("bob@b.test")
    for number in range(letters):
        bob.submit(to="bob@b.test", subject=f"Letter {number + 1}", text="0123456789\n" * 1000)
    return internet


async def connect(internet: Internet, address: str = "bob@b.test") -> ImapClientSession:
    reader = internet.reader(address)
    engine = ImapClientEngine()
    peer = await reader._connector().connect(HostPort(reader.server.address, 143), engine, timeout=600.0)
    session = ImapClientSession(peer, engine)
    await session.open()
    await session.start_tls(reader.server.hostname, verify=True)
    return session


async def log_in(internet: Internet, address: str = "bob@b.test") -> ImapClientSession:
    session = await connect(internet, address)
    await session.login(address, address)
    return session


def opened(internet: Internet, folder: str = "INBOX", address: str = "bob@b.test") -> ImapClientSession:
    """A session that has selected a folder."""

    async def open_folder() -> ImapClientSession:
        session = await log_in(internet, address)
        await session.select(folder)
        return session

    return internet.result_of(open_folder())
