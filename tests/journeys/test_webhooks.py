"""Webhooks: at least once, after the fact, and without delaying mail."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailstack.config import WebhookSettings
from mailstack.config.values import DomainPattern, HookName, WebUrl
from mailstack.letter.times import Duration
from mailstack.queue.webhooks.webhook import new_secret, read_secrets, signature_headers
from tests.journeys.clients import send
from tests.journeys.internet import Internet, SimulatedServer, public_ca
from tests.journeys.process import PATIENCE, command, lines_of_json, serve
from tests.journeys.receiver import Receiver
from tests.waiting import until

DAY = 86_400.0
HOOKS = "192.0.2.70"
ALL = ("submitted", "deferred", "delayed", "relayed", "delivered", "bounced", "collected")


def hook(**settings: Any) -> WebhookSettings:
    known = {"name": HookName("hook"), "url": WebUrl(f"http://{HOOKS}:8080/mail?a=b"), "allow_http": True}
    return WebhookSettings(**{**known, **settings})


def home(internet: Internet, *webhooks: WebhookSettings, **settings: Any) -> SimulatedServer:
    return internet.home("alice@home.test", "bob@home.test", webhooks=webhooks, **settings)


def waiting(internet: Internet, site: SimulatedServer) -> int:
    return sum(each.count for each in internet.reactor.result_of(site.store.outbox.backlogs()))


def test_every_step_that_is_wanted_is_told_with_its_letter(internet: Internet) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    site = home(internet, hook(events=ALL))
    internet.elsewhere("carol@elsewhere.test")
    internet.submit(site, "alice@home.test", "bob@home.test", "carol@elsewhere.test", ENVID="order-17")
    internet.reactor.advance(2)
    assert sorted(receiver.types()) == ["letter.delivered", "letter.relayed", "letter.submitted"]
    relayed = receiver.told("letter.relayed")
    (step,) = [each for each in site.journal.steps if each.step == "relayed"]
    told = {"step": "relayed", "letter": step.letter, "server": "mx.home.test", "recipient": "carol@elsewhere.test"}
    assert relayed["step"].items() >= {**told, "reply": step.facts["reply"]}.items()
    letter = {"id": step.letter, "recipients": ["bob@home.test", "carol@elsewhere.test"], "envid": "order-17"}
    alice = {"sender": "alice@home.test", "account": "alice@home.test"}
    assert relayed["letter"].items() >= {**letter, **alice}.items()
    assert {request.path for request in receiver.requests} == {b"/mail?a=b"}
    assert {request.headers["content-type"] for request in receiver.requests} == {"application/json"}
    internet.fetch(site, "bob@home.test")
    internet.reactor.advance(1)
    assert receiver.types()[-1] == "letter.collected"
    assert waiting(internet, site) == 0


def test_requests_are_signed_with_old_and_new_secret(internet: Internet, tmp_path: Path) -> None:
    file, old, new = tmp_path / "secret", new_secret(), new_secret()
    file.write_text(old)
    receiver = Receiver(internet.reactor.host(HOOKS))
    site = home(internet, hook(secret_file=file))
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(1)
    file.write_text(f"{new}\n{old}\n")
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(1)
    first, second = receiver.requests
    for request, text in ((first, old), (second, f"{new}\n{old}")):
        at = float(request.headers["webhook-timestamp"])
        assert at == int(request.at)
        signed = signature_headers(request.headers["webhook-id"], at, request.octets, read_secrets(text))
        assert request.headers["webhook-signature"] == signed["webhook-signature"]


def test_a_receiver_down_for_days_gets_recent_events_and_delays_no_mail(internet: Internet) -> None:
    site = home(internet, hook(give_up_after=Duration(3 * DAY)))
    for _ in range(5):
        begun = internet.reactor.seconds()
        internet.submit(site, "alice@home.test", "bob@home.test")
        assert internet.reactor.seconds() - begun < 5
        internet.reactor.advance(DAY)
    assert site.states() == {"bob@home.test": "delivered"}
    assert waiting(internet, site) == 3
    receiver = Receiver(internet.reactor.host(HOOKS))
    internet.reactor.advance(2 * 3600)
    assert receiver.types() == ["letter.delivered"] * 2
    assert waiting(internet, site) == 0
    assert len(internet.fetch(site, "bob@home.test")) == 5


@pytest.mark.parametrize("code", [0, 301, 404, 500])
def test_only_2xx_is_taken_and_the_same_id_comes_again(internet: Internet, code: int) -> None:
    """No redirect is followed, and one who never answers is not waited for."""
    receiver = Receiver(internet.reactor.host(HOOKS))
    receiver.code = code
    site = home(internet, hook())
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(20)
    assert len(receiver.requests) >= 2
    receiver.code = 204
    internet.reactor.advance(60)
    assert waiting(internet, site) == 0
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: y"])
def test_a_receiver_that_never_answers_is_retried_later(internet: Internet, begun: bytes) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    receiver.code, receiver.begun = 0, begun
    site = home(internet, hook(timeout=Duration(10), first=Duration(60)))
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(50)
    assert len(receiver.requests) == 1
    (left,) = internet.reactor.result_of(site.store.outbox.entries(None, 10))
    assert (left.trouble, left.claimed_by) == ("no answer within 10 s", None)
    internet.reactor.advance(30)
    assert len(receiver.requests) == 2


def test_a_receiver_that_asks_for_time_gets_it(internet: Internet) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    receiver.code, receiver.retry_after = 503, "900"
    site = home(internet, hook())
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(890)
    assert len(receiver.requests) == 1
    receiver.code = 200
    internet.reactor.advance(20)
    assert len(receiver.requests) == 2


def test_only_what_was_asked_for_of_the_senders_that_were_asked_for_is_told(internet: Internet) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    site = home(
        internet,
        hook(senders=(DomainPattern("elsewhere.test"),)),
        hook(name=HookName("bounces"), url=WebUrl(f"http://{HOOKS}:8080/bounces"), events=("bounced",)),
    )
    other = internet.elsewhere("carol@elsewhere.test")
    internet.submit(site, "alice@home.test", "bob@home.test", "gone@elsewhere.test")
    internet.submit(other, "carol@elsewhere.test", "bob@home.test")
    internet.reactor.advance(10)
    assert sorted((each.path, each.json["type"]) for each in receiver.requests) == [
        (b"/bounces", "letter.bounced"),
        (b"/mail?a=b", "letter.delivered"),
    ]
    assert receiver.told("letter.delivered")["letter"]["sender"] == "carol@elsewhere.test"
    assert receiver.told("letter.bounced")["step"]["status"] == "5.1.1"


def test_a_delay_is_told_once_and_the_bounce_in_the_end(internet: Internet) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    site = home(internet, hook())
    internet.zone.mx("elsewhere.test", "mx.elsewhere.test")
    internet.zone.a("mx.elsewhere.test", "192.0.2.2")
    internet.submit(site, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(6 * DAY)
    about = [each for each in receiver.types() if each != "letter.delivered"]
    assert about == ["letter.delayed", "letter.bounced"]
    assert receiver.told("letter.delayed")["step"]["next_attempt"]


def test_https_is_verified(internet: Internet) -> None:
    """A receiver whose certificate is of a CA that nobody named is told nothing."""
    receiver = Receiver(internet.reactor.host("192.0.2.1"), name="localhost", port=443)
    stranger = hook(url=WebUrl("https://localhost/mail"))
    trusting = hook(name=HookName("trusting"), url=stranger.url, ca_file=public_ca().ca)
    site = home(internet, stranger, trusting)
    internet.submit(site, "alice@home.test", "bob@home.test")
    internet.reactor.advance(1)
    assert len(receiver.requests) == 1
    (left,) = internet.reactor.result_of(site.store.outbox.entries(None, 10))
    assert left.target == "webhook hook"
    assert "certificate verify failed" in left.trouble


# --- real sockets, real processes


class RealReceiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    code = 200

    def do_POST(self) -> None:
        octets = self.rfile.read(int(self.headers["content-length"]))
        self.server.told.append((self.headers["webhook-id"], json.loads(octets)))  # type: ignore[attr-defined]
        self.send_response(self.server.code)  # type: ignore[attr-defined]
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.heard.release()  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def real() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RealReceiver)
    server.told, server.code, server.heard = [], 200, threading.Semaphore(0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE)


def with_webhook(config: Path, port: int) -> None:
    config.write_text(
        config.read_text()
        + f'\n[[webhooks]]\nname = "tests"\nurl = "http://127.0.0.1:{port}/"\nevents = ["delivered", "removed", "held"]\n'
    )


def heard(real: Any, count: int) -> None:
    for _ in range(count):
        assert real.heard.acquire(timeout=PATIENCE)


def test_events_of_letters_and_commands_over_real_sockets(config: Path, real: Any) -> None:
    with_webhook(config, real.server_address[1])
    with serve(config) as process:
        for _ in range(3):
            send(process.ports["submission"], "hello", "bob@home.test")
        heard(real, 3)
        send(process.ports["submission"], "hello", "carol@elsewhere.test")
        (letter,) = lines_of_json(command("queue", "list", "-c", str(config), "--json"))
        command("queue", "remove", "-c", str(config), letter["id"], "--yes")
        heard(real, 1)
        assert process.stop() == 0
    assert [message["type"] for _, message in real.told] == ["letter.delivered"] * 3 + ["letter.removed"]
    assert real.told[-1][1]["data"]["letter"]["id"] == letter["id"]
    assert command("webhook", "list", "-c", str(config), "--json")


def test_events_are_sent_after_a_kill(config: Path, real: Any) -> None:
    """SIGKILL before the receiver has taken any of it: everything is told by the next life, with the same ids."""
    with_webhook(config, real.server_address[1])
    real.code = 500
    with serve(config) as process:
        for _ in range(5):
            send(process.ports["submission"], "hello", "bob@home.test")
        heard(real, 1)
        process.kill()
    first = {name for name, _ in real.told}
    assert len(lines_of_json(command("webhook", "list", "-c", str(config), "--waiting", "--json"))) == 5
    real.code = 200
    real.told.clear()
    with serve(config) as heir:
        command("webhook", "retry", "-c", str(config))
        until(lambda: len({name for name, _ in real.told}) == 5, "all five are told")
        assert heir.stop() == 0
    assert first <= {name for name, _ in real.told}
    assert lines_of_json(command("webhook", "list", "-c", str(config), "--waiting", "--json")) == []
