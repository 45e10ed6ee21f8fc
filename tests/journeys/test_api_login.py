"""Logins of the API of a server: each user reads only the letters of their own mailbox."""

from __future__ import annotations

import json
import smtplib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.journeys.process import Process, add_accounts

CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[listen]
mx = ["tcp:0:interface=127.0.0.1"]
web = ["tcp:0:interface=127.0.0.1"]
[accounts]
bcrypt_rounds = 4
[web]
admins = ["root@home.test"]
[index]
enabled = true
[authentication]
spf = false
dmarc = false
"""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    directory: Path = tmp_path_factory.mktemp("server")
    file = directory / "mailstack.toml"
    file.write_text(CONFIG)
    add_accounts(file, "alice@home.test", "bob@home.test", "root@home.test")
    with Process("serve", "-c", str(file)) as process:
        found = process.services(2)
        with smtplib.SMTP("127.0.0.1", found["mx"], timeout=20) as client:
            for user in ("alice", "bob"):
                client.sendmail("ann@far.test", f"{user}@home.test", f"Subject: for {user}\r\n\r\nHi\r\n".encode())
        yield found
        assert process.stop() in (0, -15)


def ask(
    ports: dict[str, int], path: str, user: str = "", method: str = "GET", body: object = None, **fields: str
) -> tuple[int, Any, Any]:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    if user:
        headers["Authorization"] = "Basic " + b64encode(f"{user}@home.test:{user}".encode()).decode()
    octets = None if body is None else json.dumps(body).encode()
    headers |= {} if body is None else {"Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{ports['web']}{path}", octets, headers, method=method)
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers
    except HTTPError as error:
        return error.code, json.load(error), error.headers


def test_users_see_their_own_letters_and_an_administrator_all(ports: dict[str, int]) -> None:
    assert ask(ports, "/v1/wait?to=bob@home.test", "bob")[0] == 200
    seen = {
        user: {each["subject"] for each in ask(ports, "/v1/letters", user)[1]["letters"]}
        for user in ("alice", "bob", "root")
    }
    assert seen == {"alice": {"for alice"}, "bob": {"for bob"}, "root": {"for alice", "for bob"}}
    foreign = ask(ports, "/v1/letters", "alice")[1]["letters"][0]["id"]
    assert ask(ports, f"/v1/letters/{foreign}", "bob")[0] == 404
    assert ask(ports, "/v1/accounts", "bob")[1]["accounts"][0]["address"] == "bob@home.test"
    assert ask(ports, "/v1/queue", "bob")[0] == 403
    assert ask(ports, "/v1/queue", "root")[0] == 200


@pytest.mark.parametrize(
    "path", ["letters", "letters/latest", "wait", "events", "queue", "accounts", "me", "mailboxes"]
)
def test_nothing_is_told_without_a_login(ports: dict[str, int], path: str) -> None:
    status, problem, headers = ask(ports, f"/v1/{path}")
    assert (status, problem["status"]) == (401, 401)
    assert headers["WWW-Authenticate"].startswith("Basic")


def test_what_clients_need_to_be_set_up_stays_public(ports: dict[str, int]) -> None:
    page = f"http://127.0.0.1:{ports['web']}/mail/config-v1.1.xml?emailaddress=x@home.test"
    with urlopen(page, timeout=20) as answer:
        assert answer.status == 200


def test_a_browser_logs_in_for_a_session_and_out_again(ports: dict[str, int]) -> None:
    wanted = {"username": "alice", "password": "alice"}
    status, me, headers = ask(ports, "/v1/login", method="POST", body=wanted)
    assert (status, me) == (200, {"account": "alice@home.test", "admin": False})
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert ask(ports, "/v1/letters", Cookie=cookie)[1]["total"] == 1
    assert ask(ports, "/v1/login", method="POST", body={**wanted, "password": "wrong"})[0] == 401
    assert ask(ports, "/v1/login", method="DELETE", Cookie=cookie)[0] == 200
    assert ask(ports, "/v1/letters", Cookie=cookie)[0] == 401


def test_a_letter_is_sent_only_from_an_address_of_the_user(ports: dict[str, int]) -> None:
    own = {"from": "alice@home.test", "to": ["bob@home.test"], "subject": "from alice"}
    status, sent, _ = ask(ports, "/v1/letters", "alice", "POST", own)
    assert status == 201
    assert ask(ports, f"/v1/letters/{sent['id']}", "alice")[1]["subject"] == "from alice"
    assert ask(ports, f"/v1/letters/{sent['id']}", "bob")[0] == 200
    assert ask(ports, "/v1/letters", "alice", "POST", {**own, "from": "bob@home.test"})[0] == 422


def test_a_release_is_a_submission_of_the_user_who_releases(ports: dict[str, int]) -> None:
    """By who sees it, as a submission of his own; whoever gets it sees neither the first letter nor a journey."""
    assert ask(ports, "/v1/wait?to=alice@home.test", "alice")[0] == 200
    (own,) = [each["id"] for each in ask(ports, "/v1/letters", "root")[1]["letters"] if each["subject"] == "for alice"]
    release, body = f"/v1/letters/{own}/release", {"to": ["bob@home.test"]}
    assert ask(ports, release, "bob", "POST", body)[0] == 404
    assert ask(ports, release, "", "POST", body)[0] == 401
    assert ask(ports, release, "alice", "POST", {"to": ["nobody@home.test"]})[0] == 422, "the rules of submission hold"
    status, sent, _ = ask(ports, release, "alice", "POST", body)
    assert status == 201
    assert ask(ports, f"/v1/letters/{sent['id']}", "bob")[1]["subject"] == "for alice"
    assert ask(ports, f"/v1/letters/{own}", "bob")[0] == 404
    envelope = ask(ports, f"/v1/letters/{sent['id']}", "root")[1]["envelope"]
    assert (envelope["account"], envelope["sender"]) == ("alice@home.test", "alice@home.test")
    seen = {user: ask(ports, f"/v1/journeys/{sent['id']}", user)[0] for user in ("alice", "bob", "root")}
    assert seen == {"alice": 200, "bob": 404, "root": 200}, "a journey names all recipients"


def test_weak_password_is_refused_with_the_rule(ports: dict[str, int]) -> None:
    """As by the commands; the API has no way around it."""
    for password, rule in (("x", "at least 8"), ("password", "most common"), ("dora@home.test", "own name")):
        body = {"address": "dora@home.test", "password": password}
        status, problem, _ = ask(ports, "/v1/accounts", "root", "POST", body)
        assert (status, rule in problem["detail"]) == (400, True)
        status, problem, _ = ask(ports, "/v1/accounts/bob@home.test", "root", "PATCH", {"password": "bob"})
        assert (status, "at least 8" in problem["detail"]) == (400, True)
    assert ask(ports, "/v1/me", "bob")[0] == 200
    assert ask(ports, "/v1/accounts/dora@home.test", "root", "DELETE")[0] == 404
    good = {"address": "dora@home.test", "password": "corr3ct h0rse"}
    assert ask(ports, "/v1/accounts", "root", "POST", good)[0] == 201
    assert ask(ports, "/v1/accounts/dora@home.test", "root", "DELETE")[0] == 200
