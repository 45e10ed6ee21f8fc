"""Tokens (AUTH-16, AUTH-17), and documents of an issuer over a simulated network."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.dev_logins import DEV_RULES, Issuer
from mailstack.accounts.realm import Realm
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.tokens import (
    MAX_DOCUMENT,
    IntrospectedTokens,
    IssuerClient,
    SignedTokens,
    TokenChecker,
    TokenReader,
)
from mailstack.protocols.sasl import Denied, Token, Unavailable
from mailstack.sandbox.simulation import SimulatedReactor
from tests.accounts.fakes import HERE, MemoryAccounts
from tests.aid import run
from tests.clock import HandClock

BOB = "bob@home.test"


class Ground:
    def __init__(self, directory: Path, reader: Callable[[Any], TokenReader] | None = None) -> None:
        self.clock = HandClock()
        self.store = MemoryAccounts(BOB, "alice@home.test")
        self.issuer = Issuer(directory)
        self.reads = 0
        self.broken = False
        reader = reader or (lambda clock: SignedTokens(self.keys, clock))
        self.checker = TokenChecker(self.store, reader(self.clock), DEV_RULES, self.clock)
        self.door = CredAuthenticator(Portal(Realm(), [self.checker]), self.clock, Throttle(self.clock, free=1000))

    async def keys(self) -> bytes:
        self.reads += 1
        if self.broken:
            raise OSError("no network")
        return await self.issuer.keys()

    def token(self, address: str = BOB, *, lasting: float = 3600.0, **claims: Any) -> str:
        return self.issuer.token(address, self.clock.now(), lifetime=lasting, **claims)

    def login(self, token: str, user: str = "") -> str:
        return run(self.door.login(Token(username=user, mechanism="OAUTHBEARER", token=token), HERE)).account

    def status(self, token: str, user: str = "") -> str:
        with pytest.raises(Denied) as caught:
            self.login(token, user)
        return caught.value.trouble["status"]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.mark.parametrize("user", ["", BOB, "Bob@HOME.test"])
def test_a_good_token_is_the_account_that_it_names(ground: Ground, user: str) -> None:
    """AUTH-16"""
    assert ground.login(ground.token(), user) == BOB
    assert ground.login(ground.token("bob"), user) == BOB


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"lasting": -60.0}, "invalid_token"),
        ({"scope": "calendar"}, "insufficient_scope"),
        ({"scope": None}, "insufficient_scope"),
        ({"scope": 5}, "insufficient_scope"),
        ({"aud": "another"}, "invalid_token"),
        ({"iss": "https://evil.test"}, "invalid_token"),
        ({"nbf": 2e9}, "invalid_token"),
        *(({"exp": wrong}, "invalid_token") for wrong in ("soon", None, True)),
        *(({"email_verified": wrong}, "invalid_token") for wrong in (False, "false")),
        *(
            ({"email": wrong}, "invalid_token")
            for wrong in (None, ["bob@home.test"], "a b@home.test", "x" * 400, "nobody@home.test")
        ),
    ],
)
def test_token_with_wrong_claims_is_denied(ground: Ground, claims: dict[str, Any], status: str) -> None:
    """AUTH-16"""
    assert ground.status(ground.token(**claims)) == status


def test_token_of_another_account_is_denied(ground: Ground) -> None:
    assert ground.status(ground.token(), "alice@home.test") == "invalid_token"


def test_scopes_and_audiences_may_be_lists(ground: Ground) -> None:
    assert ground.login(ground.token(scope=None, scp=["mail", "other"], aud=["other", "mailstack"])) == BOB


def forged(ground: Ground, header: dict[str, Any]) -> str:
    """Without a signature."""
    _, body, _ = ground.token().split(".")
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode() + f".{body}."


def test_a_token_that_is_not_signed_by_the_issuer_is_denied(ground: Ground, tmp_path: Path) -> None:
    """RFC 8725 §3.1: the algorithm is ours to choose."""
    other = Issuer(tmp_path / "other").token(BOB, ground.clock.now())
    body = jwt.decode(ground.token(), options={"verify_signature": False})
    public = json.loads(run(ground.issuer.keys()))["keys"][0]["x"]
    shared = jwt.encode(body, public.ljust(64), algorithm="HS256", headers={"kid": "dev"})
    for token in (other, shared, forged(ground, {"alg": "none"}), forged(ground, {"alg": "none", "kid": "dev"})):
        assert ground.status(token) == "invalid_token"


DEEP = base64.urlsafe_b64encode(b"[" * 7000).rstrip(b"=").decode()


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "e30.e30.", "x" * 9000, f"{DEEP}.e30.e30"])
def test_what_is_no_token_is_denied(ground: Ground, token: str) -> None:
    assert ground.status(token) == "invalid_token"


def test_keys_are_read_when_needed_and_not_for_each_token(ground: Ground) -> None:
    for _ in range(3):
        ground.login(ground.token())
    assert ground.reads == 1
    ground.clock.advance(3600)
    ground.login(ground.token())
    assert ground.reads == 2


def test_a_key_that_is_missing_is_looked_for_but_seldom(ground: Ground) -> None:
    ground.login(ground.token())
    strange = jwt.encode({"iss": "x"}, "k" * 32, algorithm="HS256", headers={"kid": "strange"})
    for _ in range(5):
        ground.status(strange)
    assert ground.reads == 1
    ground.clock.advance(61)
    for _ in range(5):
        ground.status(strange)
    assert ground.reads == 2


def test_known_keys_are_used_while_the_issuer_is_down(ground: Ground) -> None:
    ground.login(ground.token())
    ground.broken = True
    ground.clock.advance(4000)
    assert ground.login(ground.token()) == BOB


def test_without_any_key_a_login_is_tried_again_later(ground: Ground) -> None:
    ground.broken = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            ground.login(ground.token())
    assert ground.reads == 1


DEEP = b"[" * 200_000
"""JSON in which Python gets lost."""


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": [{"kty": "oct", "k": "AAAA"}, 5]}', b"\xff", DEEP])
def test_a_document_without_keys_is_none(tmp_path: Path, document: bytes) -> None:
    async def source() -> bytes:
        return document

    ground = Ground(tmp_path, lambda clock: SignedTokens(source, clock))
    with pytest.raises(Unavailable):
        ground.login(ground.token())


class Asked:
    """An issuer that is asked about tokens."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.forms: list[dict[str, list[str]]] = []

    async def ask(self, form: bytes) -> bytes:
        self.forms.append(parse_qs(form.decode()))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()

    def reader(self, clock: Any) -> TokenReader:
        ask: Callable[[bytes], Awaitable[bytes]] = self.ask
        return IntrospectedTokens(ask, clock, issuer=DEV_RULES.issuer)


ACTIVE = {"active": True, "email": BOB, "aud": "mailstack", "scope": "mail", "exp": 2e9}


def test_an_issuer_can_be_asked_about_each_token(tmp_path: Path) -> None:
    """RFC 7662"""
    asked = Asked(ACTIVE)
    ground = Ground(tmp_path, asked.reader)
    assert [ground.login("opaque"), ground.login("opaque")] == [BOB, BOB]
    assert [form["token"] for form in asked.forms] == [["opaque"]]
    ground.clock.advance(61)
    ground.login("opaque")
    assert len(asked.forms) == 2


@pytest.mark.parametrize("answer", [{"active": False}, {}, [], {**ACTIVE, "active": "yes"}, {**ACTIVE, "exp": 1}])
def test_a_token_that_the_issuer_does_not_vouch_for_is_denied(tmp_path: Path, answer: object) -> None:
    assert Ground(tmp_path, Asked(answer).reader).status("opaque") == "invalid_token"


@pytest.mark.parametrize("answer", [OSError("down"), b"<html>", b"\xff", DEEP])
def test_an_issuer_that_can_not_be_asked_is_our_trouble(tmp_path: Path, answer: object) -> None:
    with pytest.raises(Unavailable):
        Ground(tmp_path, Asked(answer).reader).login("opaque")


URL = "http://192.0.2.80:8080/jwks"


class FakeIssuer(Protocol):
    """Hears one request, says what it is told to."""

    heard = b""
    answer = b""
    closes = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        type(self).heard += data
        assert self.transport is not None
        if self.answer:
            self.transport.write(self.answer)
        if self.closes:
            self.transport.loseConnection()


def ask(answer: bytes, *, post: bytes | None = None, closes: bool = True, url: str = URL) -> tuple[bytes, bytes]:
    """What came of it, and what the issuer heard."""
    reactor = SimulatedReactor(seed=1)
    issuer = type("One", (FakeIssuer,), {"answer": answer, "closes": closes})
    reactor.result_of(TCP4ServerEndpoint(reactor.host("192.0.2.80"), 8080).listen(Factory.forProtocol(issuer)))
    fetching = IssuerClient(reactor.host("192.0.2.1"), url, timeout=5.0, user="server", password="secret")
    work = Deferred.fromCoroutine(fetching.get() if post is None else fetching.post(post))
    found: list[bytes] = []
    work.addCallback(found.append)
    reactor.advance(10)
    reactor.result_of(_await(work))
    return found[0], issuer.heard


async def _await(work: Deferred[None]) -> None:
    await work


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_a_document_is_fetched() -> None:
    body, heard = ask(ok(b'{"keys": []}'))
    assert body == b'{"keys": []}'
    assert heard.startswith(b"GET /jwks HTTP/1.1\r\n")


def test_a_form_is_posted_with_our_name() -> None:
    body, heard = ask(ok(b"{}"), post=b"token=x")
    assert body == b"{}"
    assert heard.startswith(b"POST /jwks")
    assert heard.endswith(b"\r\n\r\ntoken=x")
    assert b"Basic c2VydmVyOnNlY3JldA==" in heard


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (b"", True),
        (b"", False),
        (b"nonsense\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.80:8080/x\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow", False),
        (ok(b"x" * (MAX_DOCUMENT + 1)), True),
    ],
)
def test_everything_else_is_told_as_our_trouble_in_time(answer: bytes, closes: bool) -> None:
    with pytest.raises(Unavailable):
        ask(answer, closes=closes)


def test_unreachable_issuer_makes_login_unavailable() -> None:
    with pytest.raises(Unavailable):
        ask(b"", url="http://192.0.2.80:9/jwks")
