"""Sessions after a change of credentials, and STARTTLS without a certificate."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from mailstack.letter import Letter
from mailstack.protocols.connection import LoggedOut
from mailstack.protocols.sasl import AccountLogin, Unavailable
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.replies import Reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ListenerContext, ServerSession
from mailstack.receiving.intake import Intake
from mailstack.receiving.submission import SubmissionRules
from mailstack.store import Filter
from tests.aid import run
from tests.clock import HandClock
from tests.protocols.sasl.exchange import Keeper
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.rig import SERVER, Rig

LOGIN = b"EHLO c.test\r\nAUTH PLAIN " + b64encode(b"\0bob\0secret") + b"\r\n"
LETTER = b"MAIL FROM:<bob@home.test>\r\nRCPT TO:<alice@home.test>\r\nDATA\r\nSubject: x\r\n\r\nHi\r\n.\r\n"


class Registered:
    """Sessions that a test ends, and one login that can't be read."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        self.closed = 0
        self.end: Callable[[], None] = lambda: None

    def open(self, login: AccountLogin, end: Callable[[], None]) -> Registered:
        self.logins.append(login.account)
        self.end = end
        return self

    async def login_of(self, account: str) -> AccountLogin:
        if account == "trouble@home.test":
            raise Unavailable("out of reach")
        return AccountLogin(account)

    async def holds(self) -> bool:
        return True

    def close(self) -> None:
        self.closed += 1


class Talk:
    """A client that says all at once, and what it hears; `during` is called while the letter is completed."""

    def __init__(self, octets: bytes, during: Callable[[Talk], None] = lambda _: None, **options: Any) -> None:
        self.rig = rig = Rig()
        self.sessions = Registered()
        engine = ServerEngine(Capabilities(SERVER))
        wire = Wire(ScriptedEngine(), engine)
        counter = Intake(SERVER, rig.queue, rig.store, rig.directory)
        talk = self

        class Station(SubmissionRules):
            async def complete(self, letter: Letter, arrived: Any) -> Any:
                during(talk)
                return await super().complete(letter, arrived)

        def log_out() -> None:
            wire.server.ending = LoggedOut()

        session = ServerSession(
            wire.server,
            engine,
            Station(counter, None),
            rig.clock,
            ListenerContext(authenticator=Keeper(), require_tls=False, sessions=self.sessions),
            log_out=log_out,
            **options,
        )
        conversation = session.serve()
        wire.carry(wire.server, octets)
        wire.client.close()
        wire.converse(conversation)
        self.said = bytes(wire.server.said).split(b"\r\n")
        self.stored = len(run(rig.store.history.records(Filter())))

    def codes(self) -> list[bytes]:
        return [line[:3] for line in self.said if line[3:4] == b" "]


def test_letter_that_is_not_answered_yet_is_not_accepted() -> None:
    talk = Talk(LOGIN + LETTER, lambda talk: talk.sessions.end())
    assert talk.codes()[-2:] == [b"354", b"421"]
    assert b"4.7.0" in talk.said[-2]
    assert talk.stored == 0


def test_letter_that_was_answered_stays() -> None:
    seen: list[int] = []

    def during(talk: Talk) -> None:
        seen.append(1)
        if len(seen) == 2:
            talk.sessions.end()

    talk = Talk(LOGIN + LETTER + LETTER + LETTER, during)
    assert talk.codes()[-2:] == [b"354", b"421"]
    assert talk.codes().count(b"354") == 2
    assert talk.stored == 1


def test_login_is_registered_once_and_closed_with_its_session() -> None:
    talk = Talk(LOGIN + LETTER)
    assert talk.stored == 1
    assert (talk.sessions.logins, talk.sessions.closed) == (["bob@home.test"], 1)


def test_login_that_a_proxy_brings_is_registered_too() -> None:
    talk = Talk(b"EHLO p.test\r\nXCLIENT LOGIN=carol@home.test\r\n", xclient_allowed=True)
    assert talk.sessions.logins == ["carol@home.test"]
    assert talk.sessions.closed == 1


def test_login_that_can_not_be_read_is_a_temporary_failure() -> None:
    talk = Talk(b"EHLO p.test\r\nXCLIENT LOGIN=trouble@home.test\r\n", xclient_allowed=True)
    assert talk.codes()[-1] == b"454"


class QuietStation:
    """A station that nobody hands a letter to."""

    hostname = "mx.home.test"
    intake: Any = None

    async def check_client(self, client: object) -> None:
        """Everybody is welcome."""

    def header_hooks(self, client: object) -> tuple[()]:
        """No extension reads headers."""
        return ()


def test_starttls_that_was_offered_and_is_gone_is_answered_454_and_the_session_goes_on() -> None:
    """CODE-27."""
    server = ServerEngine(Capabilities("mx.home.test"))
    client = ClientEngine()
    wire = Wire(client, server)
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append((await wire.client.next_event(10)).reply)
        for line in ("EHLO client.test", "STARTTLS", "NOOP", "QUIT"):
            if line == "STARTTLS":
                wire.server.can_start_tls = False
            wire.client.send(client.command(line))
            replies.append((await wire.client.next_event(10)).reply)
        wire.client.close()

    session = ServerSession(wire.server, server, QuietStation(), HandClock())
    wire.converse(ask(), session.serve())
    assert [(each.code, str(each.status or "")) for each in replies[1:]] == [
        (250, ""),
        (454, "4.7.0"),
        (250, "2.0.0"),
        (221, "2.0.0"),
    ]
    assert "STARTTLS" in replies[1].text
