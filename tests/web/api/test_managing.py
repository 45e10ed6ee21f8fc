"""Management by the API in a real environment: queue, accounts, aliases, zone, faults, clock."""

from __future__ import annotations

import contextlib
import json
import poplib
import random
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.journeys.dev import DevProcess
from tests.waiting import until
from tests.web.api.inventing import value_of

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text()
MOST_PAGES = 1000


class Api:
    def __init__(self, web: str) -> None:
        self.web = web

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        octets = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(self.web + path, octets, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                found, said = answer.status, answer.read()
        except HTTPError as error:
            found, said = error.code, error.read()
        assert found == status, said
        return json.loads(said)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with DevProcess(tmp_path_factory.mktemp("run")) as dev:
        yield Api(dev.web)
        assert dev.stop() in (0, -15)


@pytest.fixture
def api(environment: Api) -> Iterator[Api]:
    """Nothing goes wrong in it that another test, which failed, left behind."""
    yield environment
    environment("DELETE", "v1/faults")


def write(api: Api, to: str, subject: str = "hello", **more: object) -> str:
    letter = {"from": "alice@home.test", "to": [to], "subject": subject, **more}
    return str(api("POST", "v1/letters", letter, 201)["id"])


def test_a_letter_is_written_with_files_and_answered(api: Api) -> None:
    file = {"name": "a.txt", "content": "aGVsbG8=", "type": "text/plain"}
    content = {"text": "Hi", "html": "<p>Hi</p>", "attachments": [file]}
    letter = write(api, "bob@home.test", "Grüße", cc=["carol@elsewhere.test"], bcc=["dora@far.test"], **content)
    (found,) = api("GET", "v1/wait?to=dora@far.test")["letters"]
    assert (found["id"], found["subject"], found["envelope"]["account"]) == (letter, "Grüße", "alice@home.test")
    assert [part["name"] for part in found["parts"]] == ["a.txt"]
    addresses = {each["address"] for each in found["recipients"]}
    assert addresses == {"bob@home.test", "carol@elsewhere.test", "dora@far.test"}
    assert "dora" not in json.dumps(found["headers"]), "RFC 5322 §3.6.3"
    answer = {"from": "bob@home.test", "to": ["alice@home.test"], "subject": "Re", "in_reply_to": letter}
    api("POST", "v1/letters", answer, 201)
    (reply,) = api("GET", f"v1/wait?after={letter}&to=alice@home.test")["letters"]
    assert ["In-Reply-To", f"<{found['message_id']}>"] in reply["headers"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"from": "alice@home.test", "to": ["nobody@home.test"]}, 422),
        ({"from": "stranger@far.test", "to": ["bob@home.test"]}, 400),
        ({"from": "alice@home.test", "to": []}, 400),
        ({"from": "alice@home.test", "to": ["not an address"]}, 400),
        ({"from": "alice@home.test", "to": ["bob@home.test"], "attachments": [{"name": "a", "content": "%%%"}]}, 400),
        ({"from": "alice@home.test", "to": ["bob@home.test"], "in_reply_to": "none"}, 404),
        ({"to": ["bob@home.test"]}, 400),
        ({"from": "alice@home.test", "to": ["bob@home.test"], "headers": {"X": "y"}}, 400),
    ],
)
def test_a_letter_that_can_not_be_is_refused(api: Api, body: dict[str, object], status: int) -> None:
    assert api("POST", "v1/letters", body, status)["detail"]


def test_a_letter_is_sent_on(api: Api) -> None:
    letter = write(api, "bob@home.test", "to be released", text="as it is")
    sent = api("POST", f"v1/letters/{letter}/release", {"to": ["ed@far.test"]}, 201)["id"]
    (found,) = api("GET", "v1/wait?to=ed@far.test")["letters"]
    assert (found["id"], found["text"]) == (sent, "as it is\n")
    api("POST", f"v1/letters/{letter}/release", {"to": []}, 400)
    api("POST", "v1/letters/none/release", {"to": ["ed@far.test"]}, 404)


def test_what_waits_is_held_released_and_redirected(api: Api) -> None:
    fault = api("POST", "v1/faults", {"at": "rcpt", "service": "mx", "reply": "451 4.3.0 not now"}, 201)
    letter = write(api, "slow@far.test", "waits")
    # Its subject is known once it is in the index.
    api("GET", "v1/wait?to=slow@far.test")

    def waiting() -> dict[str, Any]:
        found: dict[str, Any] = api("GET", f"v1/queue/{letter}")
        return found["deliveries"][0]  # type: ignore[no-any-return]

    until(lambda: waiting()["status"], "the letter is put off")
    assert waiting()["text"] == "mx.world.test said: 451 4.3.0 not now"
    assert [each["subject"] for each in api("GET", "v1/queue")["letters"] if each["id"] == letter] == ["waits"]
    assert api("POST", f"v1/queue/{letter}/hold")["acts"][0]["done"]
    assert waiting()["state"] == "held"
    assert "held already" in api("POST", f"v1/queue/{letter}/hold", {}, 409)["detail"]
    api("POST", f"v1/queue/{letter}/release", {})
    assert api("GET", "v1/faults")["faults"][0]["fired"] >= 1
    assert api("DELETE", f"v1/faults/{fault['id']}") == {"cleared": 1}
    api("DELETE", f"v1/faults/{fault['id']}", status=404)
    api("POST", f"v1/queue/{letter}/redirect", {"to": "no address"}, 400)
    api("POST", f"v1/queue/{letter}/redirect", {"to": "ann@far.test", "recipient": "slow@far.test"})
    until(lambda: api("GET", f"v1/letters/{letter}")["state"] == "delivered", "the redirected letter is delivered")
    api("POST", "v1/queue/none/retry", {}, 404)
    api("GET", "v1/queue/none", status=404)


def test_accounts_come_and_go(api: Api) -> None:
    new = {"address": "dan@home.test", "password": "secret"}
    assert api("POST", "v1/accounts", new, 201)["address"] == "dan@home.test"
    assert "password" not in api("POST", "v1/accounts", new, 409)
    api("POST", "v1/accounts", {**new, "address": "dan@far.test"}, 400)
    api("POST", "v1/accounts", {"address": "eve@home.test", "password": "x" * 100}, 400)
    api("PATCH", "v1/accounts/dan@home.test", {"password": "other"})
    write(api, "dan@home.test")
    address = "dan@home.test"
    assert api("DELETE", f"v1/accounts/{address}/sessions") == {"address": address, "ended": True}
    api("DELETE", "v1/accounts/nobody@home.test/sessions", status=404)
    addresses = [each["address"] for each in api("GET", "v1/accounts")["accounts"]]
    assert addresses == ["alice@home.test", "bob@home.test", "dan@home.test"]
    assert api("DELETE", "v1/accounts/dan@home.test") == {"removed": "dan@home.test"}
    api("DELETE", "v1/accounts/dan@home.test", status=404)
    api("PATCH", "v1/accounts/dan@home.test", {"password": "other"}, 404)
    api("POST", "v1/letters", {"from": "alice@home.test", "to": ["dan@home.test"]}, 422)


def paged(api: Api, path: str, kind: str, onward: str) -> list[dict[str, Any]]:
    """All of a list, one at a time."""
    found: list[dict[str, Any]] = []
    where = ""
    for _ in range(MOST_PAGES):
        page = api("GET", f"{path}?limit=1{where}")
        found += page[kind]
        assert len(page[kind]) <= 1
        assert page["total"] >= len(found)
        if page["next"] is None:
            assert page["total"] == len(found)
            return found
        where = f"&{onward}={quote(page['next'])}"
    raise AssertionError(f"{MOST_PAGES} pages of {path}, and no end")


def test_lists_come_in_pages_that_are_alike(api: Api) -> None:
    api("POST", "v1/faults", {"at": "rcpt", "recipient": "*@paged.test", "reply": "451 4.3.0 later"}, 201)
    waiting = [write(api, f"u{number}@paged.test") for number in range(3)]
    for letter in waiting:
        api("POST", f"v1/queue/{letter}/hold", {})
    assert [each["id"] for each in paged(api, "v1/queue", "letters", "before")][:3] == waiting[::-1]
    api("GET", "v1/queue?before=nothing", status=400)
    for path, kind in (("v1/accounts", "accounts"), ("v1/aliases", "aliases"), ("v1/mailboxes", "mailboxes")):
        assert paged(api, path, kind, "after") == api("GET", path)[kind]
    newest = [each["id"] for each in api("GET", "v1/letters?limit=3")["letters"]]
    assert [api("GET", f"v1/letters?limit=1&start={at}")["letters"][0]["id"] for at in range(3)] == newest
    for letter in waiting:
        api("POST", f"v1/queue/{letter}/remove", {})


def test_alias_delivers_to_its_targets(api: Api) -> None:
    alias = {"address": "sales@home.test", "targets": ["alice@home.test", "bob@home.test"]}
    api("POST", "v1/aliases", alias, 201)
    assert api("GET", "v1/aliases")["aliases"] == [alias]
    letter = write(api, "sales@home.test", "to all")
    shown = api("GET", f"v1/letters/{letter}")
    assert shown["recipients"] == [{"address": "sales@home.test", "state": "delivered"}]
    assert letter in [each["id"] for each in api("GET", "v1/letters?mailbox=bob@home.test")["letters"]]
    api("POST", "v1/aliases", {"address": "alice@home.test", "targets": ["bob@home.test"]}, 409)
    api("POST", "v1/aliases", {"address": "x@home.test", "targets": []}, 400)
    api("DELETE", "v1/aliases/sales@home.test")
    api("DELETE", "v1/aliases/sales@home.test", status=404)


def test_a_mailbox_is_emptied(api: Api) -> None:
    write(api, "full@far.test")
    api("GET", "v1/wait?to=full@far.test")

    def box() -> dict[str, Any]:
        return next(each for each in api("GET", "v1/mailboxes")["mailboxes"] if each["address"] == "full@far.test")  # type: ignore[no-any-return]

    until(lambda: box()["octets"], "POP3 has the letter")
    assert box()["letters"] == 1
    (at,) = [each["services"]["pop3"] for each in api("GET", "v1/servers")["servers"] if "pop3" in each["services"]]
    reader = poplib.POP3(at["host"], at["port"], timeout=20)
    with contextlib.closing(reader):
        reader.stls(ssl._create_unverified_context())
        reader.user("full@far.test")
        reader.pass_("full@far.test")
        assert "has the mailbox" in api("DELETE", "v1/mailboxes/full@far.test/letters", status=409)["detail"]
        assert box()["letters"] == 1, "what is refused changes nothing"
        reader.quit()
    assert api("DELETE", "v1/mailboxes/full@far.test/letters") == {"deleted": 1}
    assert (box()["octets"], box().get("letters")) == (0, 0)
    assert "archive" not in [each["address"] for each in api("GET", "v1/mailboxes")["mailboxes"]]


def test_names_are_set_and_letters_follow_them(api: Api) -> None:
    """RFC 7505: a null MX takes no mail."""
    records = [{"type": "MX", "value": "0 ."}, {"type": "TXT", "value": "v=spf1 -all"}]
    api("PUT", "v1/zone/none.test", {"records": records})
    assert api("GET", "v1/zone/NONE.test.")["records"] == records
    letter = write(api, "x@none.test")
    (report,) = api("GET", f"v1/wait?to=alice@home.test&after={letter}")["letters"]
    assert report["sender"] == ""
    assert api("GET", f"v1/letters/{letter}")["state"] == "bounced"
    api("DELETE", "v1/zone/none.test")
    api("DELETE", "v1/zone/none.test", status=404)
    for kind, value in (("A", "1.2.3"), ("MX", "mx"), ("X", "1"), ("TXT", "")):
        api("PUT", "v1/zone/bad.test", {"records": [{"type": kind, "value": value}]}, 400)
    api("PUT", "v1/zone/bad..test", {"records": []}, 400)
    api("PUT", "v1/zone/many.test", {"records": [{"type": "A", "value": "127.0.0.1"}] * 101}, 400)
    name = quote("grüße.test")
    api("PUT", f"v1/zone/{name}", {"records": [{"type": "A", "value": "127.0.0.1"}]})
    assert api("GET", f"v1/zone/{name}")["name"] == "xn--gre-6ka8l.test"
    api("DELETE", f"v1/zone/{name}")
    for each in api("GET", "v1/zone")["names"]:
        assert api("GET", f"v1/zone/{quote(each['name'])}") == each


def test_clock_advances(api: Api) -> None:
    before = api("GET", "v1/clock")
    after = api("POST", "v1/clock", {"advance": "2h"})
    assert 7190 <= after["ahead"] - before["ahead"] <= 7210
    api("POST", "v1/clock", {"advance": "soon"}, 400)
    api("POST", "v1/clock", {"advance": -5}, 400)


def test_protocol_log_has_no_secrets(api: Api) -> None:
    write(api, "carol@elsewhere.test")

    def said() -> list[dict[str, str]]:
        return api("GET", "v1/protocol")["lines"]  # type: ignore[no-any-return]

    until(lambda: any("MAIL FROM" in each["line"] for each in said()), "the envelope is said")
    assert set(said()[0]) == {"at", "server", "service", "client", "connection", "line"}


def test_the_servers_say_where_they_are(api: Api) -> None:
    servers = {each["name"]: each for each in api("GET", "v1/servers")["servers"]}
    assert set(servers) == {"mx.home.test", "mx.world.test", "capture.home.test"}
    assert servers["mx.home.test"]["domains"] == ["home.test"]
    assert set(servers["capture.home.test"]["services"]) == {"capture"}


def test_the_reference_has_what_the_environment_answers(api: Api) -> None:
    document = api("GET", "v1/openapi.json")
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    written = set(re.findall(r"`([A-Z]+ /v1/[^`? ]*)`", REFERENCE))
    login = {"POST /v1/login", "DELETE /v1/login"}
    assert there | login == written | login


@pytest.mark.parametrize("seed", range(3))
def test_no_request_that_the_description_allows_fails_here(api: Api, seed: int) -> None:
    """Each path and method with parameters and bodies made of its schemas: whatever they are, no answer is a 5xx."""
    document, dice = api("GET", "v1/openapi.json"), random.Random(seed)
    names = ["latest", "none", "x", "alice@home.test", "é", "%", "1", "a.test"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path in {"/v1/events", "/v1/clock"}:
                continue
            filled = re.sub(r"\{\w+\}", lambda _: quote(dice.choice(names), safe=""), path)
            asked = {
                each["name"]: str(value_of(each["schema"], document, dice))
                for each in operation["parameters"]
                if each["in"] == "query" and dice.random() < 0.7
            }
            if path == "/v1/wait":
                asked["timeout"] = "0"
            query = "&".join(f"{name}={quote(value)}" for name, value in asked.items())
            body = operation.get("requestBody")
            octets = None
            if body is not None:
                schema = body["content"]["application/json"]["schema"]
                octets = json.dumps(value_of(schema, document, dice)).encode()
            request = Request(
                f"{api.web}{filled[1:]}?{query}", octets, {"Content-Type": "application/json"}, method=method.upper()
            )
            try:
                with urlopen(request, timeout=30) as answer:
                    assert answer.status < 300
            except HTTPError as error:
                assert error.code < 500, (method, filled, query, octets, error.read())  # noqa: PT017
