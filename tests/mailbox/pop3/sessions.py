"""POP3 sessions in memory: a mailbox with faults, an authenticator and clients."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.letter.letter import Octets
from mailstack.mailbox.pop3.authorization import LoginDelay
from mailstack.mailbox.pop3.session import Pop3Limits, serve
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from mailstack.protocols.pop3.server import Pop3ServerEngine
from mailstack.protocols.sasl import AccountLogin, Credentials, Denied, DigestProof, Proof, ScramKeys, Unavailable
from mailstack.store import Entry, Maildrop, MaildropInUse, StoreError
from tests.clock import HandClock
from tests.protocols.cuts import Cut, whole
from tests.protocols.pop3.pair import Cable, MemoryPeer
from tests.queue.rig import MemoryJournal

TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")


class Shelf:
    """The mailbox part of a Store in memory, for one account, with faults that a test switches on."""

    def __init__(self, *letters: bytes) -> None:
        self.letters: dict[int, Content] = {uid: Octets(letter) for uid, letter in enumerate(letters, 1)}
        self.holders: dict[str, str] = {}
        self.collected: set[int] = set()
        self.steps: list[Step] = []
        self.updates = 0
        self.reads: list[list[int]] = []
        """What was read together, call by call."""
        self.faults: set[str] = set()

    def _fail(self, what: str) -> None:
        if what in self.faults:
            raise StoreError(f"{what} fails")

    async def open(self, mailbox: str, owner: str) -> Maildrop:
        self._fail("open")
        if self.holders.setdefault(mailbox, owner) != owner:
            raise MaildropInUse(mailbox)
        entries = [Entry(uid, content.size, LetterId(f"letter{uid}")) for uid, content in self.letters.items()]
        return Maildrop(mailbox, 0xA1, entries)

    async def release(self, mailbox: str, owner: str) -> None:
        if self.holders.get(mailbox) == owner:
            del self.holders[mailbox]
        self._fail("release")

    async def read(self, mailbox: str, uid: int) -> Content:
        self._fail("read")
        return self.letters[uid]

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        self._fail("read")
        self.reads.append(list(uids))
        return {uid: self.letters[uid] for uid in uids if uid in self.letters}

    async def update(
        self,
        mailbox: str,
        *,
        collected: Sequence[int],
        deleted: Sequence[int],
        steps: Sequence[Step],
        sets_seen: bool = True,
    ) -> list[Step]:
        self._fail("update")
        self.updates += 1
        self.collected |= set(collected)
        self.steps += steps
        for uid in deleted:
            del self.letters[uid]
        return list(steps)


class PasswordAuthenticator:
    """An Authenticator that knows bob, and is out of order for a user named trouble."""

    kinds: frozenset[type[Proof]] = frozenset({Credentials})

    async def scram_keys(self, username: str) -> ScramKeys:
        raise Unavailable("SCRAM is not among its kinds")

    async def login(self, credentials: Proof, remote: HostPort) -> AccountLogin:
        if isinstance(credentials, DigestProof):
            if credentials.username != "bob" or not credentials.fits("secret word"):
                raise Denied
            return AccountLogin("bob@home.test")
        assert isinstance(credentials, Credentials)
        if credentials.username == "trouble":
            raise Unavailable
        name = credentials.username.partition("@")[0].lower()
        if (name, credentials.password) not in {("bob", "secret word"), ("alice", "a"), ("bob", "pässword")}:
            raise Denied
        if not credentials.acts_for(f"{name}@home.test"):
            raise Denied
        return AccountLogin(f"{name}@home.test")


class FakeSessions:
    """Sessions that a test ends."""

    def __init__(self) -> None:
        self.open_now: list[Callable[[], None]] = []

    def open(self, _: AccountLogin, end: Callable[[], None]) -> FakeSessions:
        self.open_now.append(end)
        return self

    async def login_of(self, account: str) -> AccountLogin:
        return AccountLogin(account)

    async def holds(self) -> bool:
        return True

    def close(self) -> None:
        self.open_now.pop()


class Server:
    """A POP3 port: every session shares the shelf, the clock and the journal."""

    holder_of: Callable[[str], str] | None = None

    def __init__(
        self, *letters: bytes, mailboxes: Any = None, limits: Pop3Limits | None = None, delay: int = 0
    ) -> None:
        self.shelf: Any = mailboxes if mailboxes is not None else Shelf(*letters)
        self.clock = HandClock()
        self.journal = MemoryJournal()
        self.limits = limits or Pop3Limits()
        self.delay = LoginDelay(delay, self.clock.now)
        self.room = MemoryBudget(1_000_000)
        self.authenticator = PasswordAuthenticator()
        self.peers: list[MemoryPeer[Any]] = []
        self.sessions = FakeSessions()

    def serve(
        self, outward: Any, *, tls: TlsInfo | None = None, require_tls: bool = True, certificate: bool = True
    ) -> MemoryPeer[Any]:
        engine = Pop3ServerEngine(tls=tls is not None, require_tls=require_tls, login_delay=self.delay.seconds)
        peer = MemoryPeer(
            engine, self.clock, outward, remote=HostPort("192.0.2.9", 40000), tls=tls, can_start_tls=certificate
        )
        self.peers.append(peer)
        self.clock.spawn(
            serve(
                peer,
                engine,
                hostname="mx.home.test",
                authenticator=self.authenticator,
                mailboxes=self.shelf,
                clock=self.clock,
                pause=self.clock.pause,
                journal=self.journal,
                limits=self.limits,
                login_delay=self.delay,
                holder_of=self.holder_of,
                sessions=self.sessions,
                log_out=peer.log_out,
                memory_budget=self.room,
            )
        )
        return peer

    def telnet(self, **settings: Any) -> Telnet:
        return Telnet(self, **settings)

    def logged_in(self) -> Telnet:
        telnet = self.telnet(tls=TLS)
        assert telnet.say("USER bob", "PASS secret word").endswith(b"\r\n")
        return telnet

    def fetch(self, errand: Any, *, cut: Cut = whole, tls: TlsInfo | None = TLS, **settings: Any) -> Any:
        """The result of `await errand(session)` for a client of our own, joined by a cable."""
        cable = Cable(cut)
        engine = Pop3ClientEngine()
        server = self.serve(cable.towards(lambda: client), tls=tls)
        client: MemoryPeer[Any] = MemoryPeer(
            engine, self.clock, cable.towards(lambda: server), remote=HostPort("192.0.2.1", 110), tls=tls
        )
        session = Pop3ClientSession(client, engine, **settings)
        try:
            return cable.run(errand(session), self.clock)
        finally:
            client.close()
            cable.carry()


def logged_in(*letters: bytes, **settings: Any) -> tuple[Server, Telnet]:
    """A server with bob's letters, and his session."""
    server = Server(*letters, **settings)
    return server, server.logged_in()


def connected(*letters: bytes, **settings: Any) -> tuple[Server, Telnet]:
    """A server with bob's letters, and a connection under TLS."""
    server = Server(*letters, **settings)
    return server, server.telnet(tls=TLS)


async def log_in(session: Pop3ClientSession) -> None:
    """As bob, on a new connection."""
    await session.open()
    await session.login("bob", "secret word")


class Telnet:
    """A client without manners: says lines, and hears octets."""

    def __init__(self, mail_server: Server, **settings: Any) -> None:
        self.heard = b""
        self.closed = False
        self.peer = mail_server.serve(self._on_octets, **settings)
        self.greeting = self.listen()

    def _on_octets(self, octets: bytes | None) -> None:
        if octets is None:
            self.closed = True
        else:
            self.heard += octets

    def listen(self) -> bytes:
        heard, self.heard = self.heard, b""
        return heard

    def say(self, *lines: str | bytes) -> bytes:
        """Send lines in one piece; what was answered, as one."""
        octets = b"".join([(line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines])
        self.peer.receive(octets)
        return self.listen()

    def hang_up(self) -> None:
        self.peer.lose()


LETTER = b"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n"


def plain(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DOTS = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
