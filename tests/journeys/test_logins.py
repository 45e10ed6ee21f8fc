"""Logins end to end, with TLS, and their trace in the letter."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import AllowAnyChecker, CertificateChecker
from mailstack.accounts.dev_logins import DEV_RULES, Issuer
from mailstack.accounts.realm import Realm
from mailstack.accounts.scram_checker import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.tokens import SignedTokens, TokenChecker
from mailstack.letter.envelope import HostPort
from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import ReactorClock
from mailstack.net.connector import TwistedConnector
from mailstack.net.server_tls import ServerContext
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession, Prompt
from mailstack.protocols.sasl.client import choose, derive_here
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import SmtpClientSession, SmtpSessionError
from mailstack.protocols.smtp.replies import Reply
from mailstack.server.smtp_listeners import SmtpService
from mailstack.store import Filter
from tests.journeys.internet import Internet, SimulatedServer
from tests.net.test_tls_layer import client_identity

ALICE = "alice@home.test"


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return private_ca(tmp_path / "server", "mx.home.test", time.time())


@pytest.fixture
def internet(internet: Internet, files: CertificateFiles) -> Internet:
    internet.context = ServerContext([files], client_ca=files.certificate.parent / "ca.pem")
    return internet


@pytest.fixture
def home(internet: Internet, tmp_path: Path) -> SimulatedServer:
    """A server that takes every kind of proof."""
    site = internet.home(ALICE)
    clock = ReactorClock(site.host)
    tokens = TokenChecker(site.store.accounts, SignedTokens(Issuer(tmp_path).keys, clock), DEV_RULES, clock)
    scram = ScramChecker(site.store.accounts, b"k" * 32, 4096)
    portal = Portal(
        Realm(), [AllowAnyChecker(), scram, tokens, CertificateChecker(site.store.accounts, {}, ["home.test"])]
    )
    authenticator = CredAuthenticator(portal, clock, Throttle(clock), ["home.test"], key_source=scram)
    listeners = site.server.listeners
    everything = listeners.smtp.listener(
        SmtpService("smtp", site.server.submission, site.server.config.submission, authenticator=authenticator)
    )
    internet.reactor.result_of(listeners.bind("everything", everything, ["tcp:2587"]))
    return site


async def session(internet: Internet, trust: ClientTls | None = None) -> SmtpClientSession:
    engine = ClientEngine()
    caller = TwistedConnector(internet.reactor.host("203.0.113.7"), client_tls=trust)
    peer = await caller.connect(HostPort("192.0.2.1", 2587), engine, timeout=30)
    made = SmtpClientSession(peer, engine, "client.test")
    await made.open()
    await made.start_tls("mx.home.test", verify=False)
    return made


async def auth(made: SmtpClientSession, mechanism: str, initial: bytes, *more: bytes) -> Reply:
    """The last reply to an exchange said by hand."""
    made.send_commands(f"AUTH {mechanism}", secret=base64.b64encode(initial).decode() or "=")
    answer = await made.reply("auth", 30.0)
    for response in more:
        assert answer.code == 334
        made.send_commands(secret=base64.b64encode(response).decode())
        answer = await made.reply("auth", 30.0)
    return answer


def test_under_tls_1_3_the_best_mechanism_is_taken_and_told(internet: Internet, home: SimulatedServer) -> None:
    """AUTH-07, AUTH-15, RLY-23: our client and our server bind their login to the connection."""
    internet.submit(home, ALICE, "alice@home.test")
    (record,) = internet.reactor.result_of(home.store.history.records(Filter()))
    assert record.letter.arrival.mechanism == "SCRAM-SHA-256-PLUS"


def test_a_wrong_password_is_refused_and_the_connection_goes_on(internet: Internet, home: SimulatedServer) -> None:
    """CODE-03"""

    async def work() -> Any:
        made = await session(internet)
        with pytest.raises(SmtpSessionError) as caught:
            await made.authenticate(ALICE, "wrong")
        return caught.value.reply, await auth(made, "PLAIN", f"\0{ALICE}\0{ALICE}".encode())

    refused, taken = internet.reactor.result_of(work())
    assert str(refused.status) == "5.7.8"
    assert taken.code == 235


def test_mechanisms_offered_under_tls(internet: Internet, home: SimulatedServer, files: CertificateFiles) -> None:
    """AUTH-01, AUTH-19"""

    async def work() -> str:
        return (await session(internet)).extensions["AUTH"]

    best = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"]
    assert internet.reactor.result_of(work()).split() == [*best, "PLAIN", "LOGIN"]


def test_login_by_certificate(
    internet: Internet, home: SimulatedServer, files: CertificateFiles, tmp_path: Path
) -> None:
    """TLS-09: EXTERNAL (RFC 4422 appendix A)."""
    own = client_identity(tmp_path, files, usage=ExtendedKeyUsageOID.CLIENT_AUTH)

    async def work() -> tuple[str, Reply, Reply]:
        made = await session(internet, ClientTls(certificate=own.certificate, key=own.key))
        offered = made.extensions["AUTH"]
        return offered, await auth(made, "EXTERNAL", b"bob@home.test"), await auth(made, "EXTERNAL", b"")

    offered, denied, taken = internet.reactor.result_of(work())
    assert offered.split()[0] == "EXTERNAL"
    assert (denied.code, taken.code) == (535, 235)


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_login_by_token(internet: Internet, home: SimulatedServer, tmp_path: Path, mechanism: str) -> None:
    """AUTH-16, AUTH-17"""
    now = ReactorClock(home.host).now()
    head = {"OAUTHBEARER": f"n,a={ALICE},", "XOAUTH2": f"user={ALICE}"}[mechanism]

    def message(**claims: Any) -> bytes:
        token = Issuer(tmp_path).token(ALICE, now, **claims)
        return f"{head}\x01auth=Bearer {token}\x01\x01".encode()

    async def work() -> tuple[Reply, Reply, Reply]:
        made = await session(internet)
        trouble = await auth(made, mechanism, message(scope="calendar"))
        made.send_commands(secret="AQ==")
        return trouble, await made.reply("auth", 30.0), await auth(made, mechanism, message())

    trouble, denied, taken = internet.reactor.result_of(work())
    told = json.loads(base64.b64decode(trouble.text))
    assert (told["status"], told["scope"]) == ("insufficient_scope", "mail")
    assert (denied.code, taken.code) == (535, 235)


def test_a_reader_logs_in_by_the_same_mechanisms(internet: Internet, home: SimulatedServer) -> None:
    """POP-31, POP-24: SCRAM in POP3, its signature in a challenge of its own."""
    internet.submit(home, ALICE, ALICE)

    async def work() -> list[str]:
        engine = Pop3ClientEngine()
        caller = TwistedConnector(internet.reactor.host("203.0.113.8"))
        peer = await caller.connect(HostPort("192.0.2.1", 110), engine, timeout=10)
        made = Pop3ClientSession(peer, engine)
        await made.open()
        await made.start_tls()
        assert "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in await made.capabilities()
        answering = choose(["SCRAM-SHA-256-PLUS"], ALICE, ALICE, peer.channel_binding, derive_here)
        assert answering is not None
        assert answering.initial is not None
        initial = base64.b64encode(answering.initial)
        peer.send(engine.command(f"AUTH {answering.name} ".encode() + initial))
        event = await made._next()
        while isinstance(event, Prompt):
            peer.send(engine.respond(await answering.respond(event.challenge)))
            event = await made._next()
        assert answering.trusts
        return [made._check(event).text, *map(str, await made.stat())]

    assert internet.reactor.result_of(work())[1] == "1"
