"""IMAP sessions in memory: a server on SQLite, and clients that send octets."""

from __future__ import annotations

import re
from typing import Any

from mailstack.letter import Arrival, Content, Envelope, Letter, LetterId
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.letter.letter import Octets
from mailstack.mailbox.imap.mailbox_views import MailboxViews
from mailstack.mailbox.imap.quota import AccountQuota
from mailstack.mailbox.imap.service import ImapLimits, ImapService
from mailstack.mailbox.imap.session import serve
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.store.mailboxes import AppendedLetter, Flags
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.clock import HandClock
from tests.mailbox.pop3.sessions import FakeSessions, PasswordAuthenticator
from tests.protocols.pop3.pair import MemoryPeer
from tests.queue.rig import MemoryJournal

TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")
BOB = "bob@home.test"
HELLO = b"From: Ann <ann@home.test>\r\nSubject: hello\r\n\r\nfirst\r\nsecond\r\n"


class TroubledMailboxes:
    """The mailbox part of a store, with methods that fail, and other contents, while a test wants it."""

    def __init__(self, mailboxes: Any) -> None:
        self.faults: dict[str, Exception] = {}
        """Error of a method, by its name."""
        self.contents: dict[int, Any] = {}
        """Content of a message, or the error of reading it, by uid."""
        self._mailboxes = mailboxes

    async def read(self, mailbox: str, uid: int) -> Content:
        if "read" in self.faults:
            raise self.faults["read"]
        content = self.contents.get(uid)
        if isinstance(content, Exception):
            raise content
        return content or await self._mailboxes.read(mailbox, uid)

    async def read_together(self, mailbox: str, uids: list[int]) -> dict[int, Content]:
        read = await self._mailboxes.read_together(mailbox, uids)
        return {uid: content for uid, content in read.items() if uid not in self.contents}

    def __getattr__(self, name: str) -> Any:
        if (error := self.faults.get(name)) is not None:
            raise error
        return getattr(self._mailboxes, name)


_RECENT = re.compile(r"^\* \d+ RECENT\r\n|\\Recent ?", re.MULTILINE)


class ImapServer:
    """An IMAP port: every session shares the store, the views and the clock."""

    def __init__(
        self,
        *letters: bytes,
        limits: ImapLimits | None = None,
        shows_recent: bool = False,
        store: Any = None,
        clock: Any = None,
        mailboxes: Any = None,
        **settings: Any,
    ) -> None:
        """`letters` are in bob's INBOX. `store` is open; a `clock` of a simulation is advanced by the test.

        Without `shows_recent`, clients leave out RECENT and the flag Recent."""
        self.shows_recent = shows_recent
        self.clock = clock or HandClock()
        self.store = store or InMemoryStore()
        if store is None:
            run(self.store.open())
        mailboxes, folders = TroubledMailboxes(mailboxes or self.store.mailboxes), self.store.folders
        self.faults, self.contents = mailboxes.faults, mailboxes.contents
        self.sessions = FakeSessions()
        self.service = ImapService(
            hostname="mx.home.test",
            authenticator=PasswordAuthenticator(),
            mailboxes=mailboxes,
            folders=folders,
            contents=self.store.contents,
            history=self.store.history,
            views=MailboxViews(mailboxes, self.clock, self.clock.pause),
            clock=self.clock,
            pause=self.clock.pause,
            journal=MemoryJournal(),
            quota=AccountQuota(self.store.accounts, folders, mailboxes),
            limits=limits or ImapLimits(),
            sessions=self.sessions,
            **settings,
        )
        run(folders.prepare(BOB, self.service.default_folders, self.clock.now()))
        self._numbers = 0
        for letter in letters:
            self.deliver(letter)

    def deliver(self, octets: bytes, *, mailbox: str = BOB, system: int = 0) -> None:
        """Puts a letter into a mailbox, as another session or a delivery does."""
        self._numbers += 1
        now = self.clock.now()
        envelope = Envelope(None, ())
        letter = Letter(LetterId(f"letter{self._numbers:09}"), envelope, Octets(octets), Arrival(now, "mx", "ESMTP"))
        run(self.store.mailboxes.append(mailbox, [AppendedLetter(letter, Flags(system, 0), now)]))

    def connect(self, *, tls: TlsInfo | None = TLS, certificate: bool = True) -> ImapTelnet:
        return ImapTelnet(self, tls=tls, certificate=certificate)

    def logged_in(self) -> ImapTelnet:
        telnet = self.connect()
        telnet.ask("LOGIN bob {11+}\r\nsecret word")
        return telnet

    def selected(self, folder: str = "INBOX") -> ImapTelnet:
        telnet = self.logged_in()
        telnet.ask(f"SELECT {folder}")
        return telnet


class ImapTelnet:
    """A client without manners: sends octets, and reads octets."""

    def __init__(self, server: ImapServer, *, tls: TlsInfo | None, certificate: bool) -> None:
        self.server = server
        self.received = b""
        self.closed = False
        self.shows_recent = server.shows_recent
        self._tags = 0
        engine = ImapServerEngine(tls=tls is not None)
        self.peer: MemoryPeer[Any] = MemoryPeer(
            engine,
            server.clock,
            self._on_octets,
            remote=HostPort("192.0.2.9", 40000),
            tls=tls,
            can_start_tls=certificate,
        )
        server.clock.spawn(serve(self.peer, engine, server.service, log_out=self.peer.log_out))
        self.greeting = self.read()

    def _on_octets(self, octets: bytes | None) -> None:
        if octets is None:
            self.closed = True
        else:
            self.received += octets

    def read(self) -> str:
        """What has come since the last read."""
        self.server.clock.advance(0)
        received, self.received = self.received, b""
        assert not self.server.clock.bugs, self.server.clock.bugs[0].getTraceback()
        text = received.decode("utf-8", "surrogateescape")
        return text if self.shows_recent else _RECENT.sub("", text)

    def send(self, text: str | bytes) -> str:
        """Sends octets as they are; what was answered."""
        self.peer.receive(text.encode() if isinstance(text, str) else text)
        return self.read()

    def ask(self, command: str) -> str:
        """Sends a command with a new tag; the untagged lines, and the tagged one without its tag."""
        self._tags += 1
        answer = self.send(f"a{self._tags} {command}\r\n")
        return re.sub(rf"^a{self._tags} ", "", answer, flags=re.MULTILINE)

    def lines(self, command: str) -> list[str]:
        return self.ask(command).removesuffix("\r\n").split("\r\n")
