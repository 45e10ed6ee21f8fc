"""Login by Basic and by session cookie: passwords, sessions and guesses."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import AllowAnyChecker
from mailstack.accounts.realm import IReader, Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.store.accounts import Account, AppPassword
from mailstack.store.sqlite.in_memory import InMemoryStore
from mailstack.web.http_messages import HttpRoute, Request, Response, json_response
from mailstack.web.login import COOKIE, SESSION_LIFETIME, Login
from mailstack.web.site import Site
from tests.aid import run
from tests.queue.rig import HandClock

BOB, ROOT = "bob@home.test", "root@home.test"
HERE, FAR = HostPort("127.0.0.1", 5), HostPort("192.0.2.7", 5)


async def page(ask: Request) -> Response:
    return json_response({"account": ask.user.account, "admin": ask.user.is_admin})


class House:
    """A site whose pages are for users, and for administrators."""

    def __init__(self, *, require_tls: bool = True, secret: bytes = b"s", store: InMemoryStore | None = None) -> None:
        self.clock = HandClock()
        self.store = store or InMemoryStore()
        if store is None:
            run(self.store.accounts.add([Account(BOB, b"hash", 0.0)]))
        portal, throttle, accounts = Portal(Realm(), [AllowAnyChecker()]), Throttle(self.clock), self.store.accounts
        cred = CredAuthenticator(portal, self.clock, throttle, ["home.test"], IReader, accounts=accounts)
        self.login = Login(cred, accounts, self.clock, admins=[ROOT], require_tls=require_tls, secret=secret)
        pages = [HttpRoute("GET", "/v1/own", page, "user"), HttpRoute("GET", "/v1/all", page, "admin")]
        self.site = Site([*pages, *self.login.routes], ["x.test"], authenticator=self.login)

    def request(
        self, method: str, path: str, *, body: Any = None, remote: HostPort = HERE, secure: bool = False, **fields: str
    ) -> Response:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        if body is not None:
            named["content-type"] = "application/json"
        octets = b"" if body is None else json.dumps(body).encode()
        asked = Request(method, path, "x.test", {}, octets, named, remote, is_secure=secure, authority="x.test")
        answer = run(self.site.respond(asked))
        assert isinstance(answer, Response)
        return answer

    def session(self, user: str = BOB, **more: Any) -> str:
        answer = self.request("POST", "/v1/login", body={"username": user, "password": user}, **more)
        assert answer.status == 200, answer.body
        cookie = dict(answer.headers)["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        return cookie.partition(";")[0]


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def house() -> House:
    return House()


def test_a_program_sends_a_password_with_each_request(house: House) -> None:
    """RFC 7617"""
    answer = house.request("GET", "/v1/own", authorization=basic(BOB, BOB))
    assert answer.body == b'{"account":"bob@home.test","admin":false}'


NO_COLON = "Basic " + b64encode(b"nocolon").decode()


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", NO_COLON, basic(BOB, "wrong"), basic("", ""), "Bearer x", "Basic \xff"]
)
def test_request_without_valid_credentials_gets_401(house: House, authorization: str) -> None:
    answer = house.request("GET", "/v1/own", authorization=authorization)
    assert answer.status == 401
    assert dict(answer.headers)["WWW-Authenticate"].startswith("Basic ")
    assert answer.media_type.startswith("application/problem+json")


def test_a_browser_is_not_asked_by_a_window_of_its_own(house: House) -> None:
    answer = house.request("GET", "/v1/own", sec_fetch_mode="cors", sec_fetch_site="same-origin")
    assert answer.status == 401
    assert "WWW-Authenticate" not in dict(answer.headers)


def test_only_administrators_see_what_is_theirs(house: House) -> None:
    assert house.request("GET", "/v1/all", authorization=basic(BOB, BOB)).status == 403
    assert house.request("GET", "/v1/all", authorization=basic(ROOT, ROOT)).status == 200


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_has(house: House) -> None:
    answer = house.request("POST", "/v1/login", body={"username": BOB, "password": BOB})
    cookie = dict(answer.headers)["Set-Cookie"]
    assert "; HttpOnly; SameSite=Strict" in cookie
    assert "Secure" not in cookie
    answer = house.request("POST", "/v1/login", body={"username": BOB, "password": BOB}, secure=True)
    assert "; Secure" in dict(answer.headers)["Set-Cookie"]
    mine = house.session()
    assert house.request("GET", "/v1/me", cookie=f"a=b; {mine}").body == b'{"account":"bob@home.test","admin":false}'


def test_a_session_ends_by_logout_by_its_time_and_with_the_password(house: House) -> None:
    first, second, third = (house.session() for _ in range(3))
    assert dict(house.request("DELETE", "/v1/login", cookie=first).headers)["Set-Cookie"].startswith(f"{COOKIE}=; ")
    assert house.request("GET", "/v1/own", cookie=first).status == 401
    assert house.request("GET", "/v1/own", cookie=second).status == 200
    run(house.store.accounts.set_password(BOB, b"new"))
    assert house.request("GET", "/v1/own", cookie=third).status == 401
    fourth = house.session()
    assert house.request("GET", "/v1/own", cookie=fourth).status == 200
    house.clock.advance(SESSION_LIFETIME + 1)
    assert house.request("GET", "/v1/own", cookie=fourth).status == 401


def test_a_session_that_one_process_ends_has_ended_for_all() -> None:
    one = House()
    two = House(store=one.store)
    mine, other = one.session(), one.session(ROOT)
    assert two.request("GET", "/v1/own", cookie=mine).status == 200
    one.request("DELETE", "/v1/login", cookie=mine)
    assert two.request("GET", "/v1/own", cookie=mine).status == 401
    assert two.request("GET", "/v1/own", cookie=other).status == 200


def test_logout_is_permanent_and_forged_cookies_are_not_stored(house: House) -> None:
    mine = house.session()
    house.request("DELETE", "/v1/login", cookie=mine)
    for number in range(100):
        house.request("DELETE", "/v1/login", cookie=f"{COOKIE}={number}.x")
    assert house.request("GET", "/v1/own", cookie=mine).status == 401
    logouts = run(house.store._readers.do(lambda connection: connection.execute("SELECT * FROM logouts").fetchall()))
    assert len(logouts) == 1, "what we have not signed takes no room"


def test_session_ends_with_an_app_password_and_when_an_operator_ends_it(house: House) -> None:
    run(house.store.accounts.add_app_password(AppPassword(BOB, "phone", b"1", 2.0)))
    mine = house.session()
    run(house.store.accounts.remove_app_password(BOB, "phone"))
    assert house.request("GET", "/v1/own", cookie=mine).status == 401
    mine = house.session()
    run(house.store.accounts.end_sessions(BOB))
    assert house.request("GET", "/v1/own", cookie=mine).status == 401
    assert house.request("GET", "/v1/own", cookie=house.session()).status == 200


def test_session_depends_on_the_verified_password(house: House) -> None:
    """A password that is changed while the old one is looked at begins no session that outlives it."""
    account, changed = house.store.accounts.get, False

    async def change_afterwards(address: str) -> Account | None:
        nonlocal changed
        found = await account(address)
        if not changed:
            changed = True
            await house.store.accounts.set_password(BOB, b"new")
        return found

    house.store.accounts.get = change_afterwards  # type: ignore[method-assign]
    mine = house.session()
    assert changed
    assert house.request("GET", "/v1/own", cookie=mine).status == 401


def test_a_session_is_known_to_every_process_of_the_server_and_to_no_other() -> None:
    mine = House(secret=b"one").session()
    assert House(secret=b"one").request("GET", "/v1/own", cookie=mine).status == 200
    assert House(secret=b"two").request("GET", "/v1/own", cookie=mine).status == 401
    body, _, mark = mine.rpartition(".")
    for forged in (f"{body}.", f"{body}.{'0' * 64}", f"{body}x.{mark}", f"{COOKIE}=.", f"{COOKIE}=é.é"):
        assert House(secret=b"one").request("GET", "/v1/own", cookie=forged).status == 401


def test_password_in_clear_is_refused_from_other_machines(house: House) -> None:
    assert house.request("GET", "/v1/own", authorization=basic(BOB, BOB), remote=FAR).status == 403
    assert house.request("POST", "/v1/login", body={"username": BOB, "password": BOB}, remote=FAR).status == 403
    assert house.request("GET", "/v1/own", authorization=basic(BOB, BOB), remote=FAR, secure=True).status == 200
    assert House(require_tls=False).request("GET", "/v1/own", authorization=basic(BOB, BOB), remote=FAR).status == 200


def test_password_guesses_are_delayed(house: House) -> None:
    """RFC 4954 §9; the same throttle decides."""
    for _ in range(4):
        assert house.request("GET", "/v1/own", authorization=basic(BOB, "wrong")).status == 401
    asked = Request("GET", "/v1/own", "x.test", fields={"authorization": basic(BOB, "wrong")}, remote=HERE)
    answers: list[Any] = []
    Deferred.fromCoroutine(house.site.respond(asked)).addCallback(answers.append)
    assert answers == []
    house.clock.advance(5)
    assert answers[0].status == 401


def test_another_site_may_not_log_in(house: House) -> None:
    answer = house.request("POST", "/v1/login", body={"username": BOB, "password": BOB}, origin="http://evil.test")
    assert answer.status == 403
