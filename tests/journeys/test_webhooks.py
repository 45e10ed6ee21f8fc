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
from tests.journeys.process import PATIENCE, Process, command, lines_of_json, serve
from tests.journeys.process import server as mail_server
from tests.journeys.receiver import Receiver
from tests.waiting import until

DAY = 86_400.0
HOOKS = "192.0.2.70"
ALL = ("submitted", "deferred", "delayed", "relayed", "delivered", "bounced", "collected")


def hook(**settings: Any) -> WebhookSettings:
    known = {"name": HookName("hook"), "url": WebUrl(f"http://{HOOKS}:8080/mail?a=b"), "allow_http": True}
    return WebhookSettings(**{**known, **settings})


def home(internet: Internet, *webhooks: WebhookSettings, **settings: Any) -> SimulatedServer:
    return internet.mail_server(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=["alice@home.test", "bob@home.test"],
        webhooks=webhooks,
        **settings,
    )


def waiting(internet: Internet, site: SimulatedServer) -> int:
    return sum(each.count for each in internet.reactor.result_of(site.store.outbox.backlogs()))


def test_every_step_that_is_wanted_is_told_with_its_letter(internet: Internet) -> None:
    receiver = Receiver(internet.reactor.host(HOOKS))
    site = home(internet, hook(events=ALL))
    internet.mail_server(
        "mx.elsewhere.test", "192.0.2.2", domains=["elsewhere.test"], accounts=["carol@elsewhere.test"]
    )
    internet.submit(site, "alice@home.test", "bob@home.test", "carol@elsewhere.test", ENVID="order-17")
    internet.reactor.advance(2)
    assert sorted(receiver.types()) == ["letter.delivered", "letter.relayed", "letter.submitted"]
    relayed = receiver.told("letter.relayed")
    (step,) = [each for each in site.journal.steps if each.step == "relayed"]
    assert (
        relayed["step"].items()
        >= {
            "step": "relayed",
            "letter": step.letter,
            "server": "mx.home.test",
            "recipient": "carol@elsewhere.test",
            "reply": step.facts["reply"],
        }.items()
    )
    assert (
        relayed["letter"].items()
        >= {
            "id": step.letter,
            "sender": "alice@home.test",
            "recipients": ["bob@home.test", "carol@elsewhere.test"],
            "account": "alice@home.test",
            "envid": "order-17",
        }.items()
    )
    assert {request.path for request in receiver.requests} == {b"/mail?a=b"}
    assert {request.headers["content-type"] for request in receiver.requests} == {"application/json"}
    internet.fetch(site, "bob@home.test")
    internet.reactor.advance(1)
    assert receiver.types()[-1] == "letter.collected"
    assert waiting(internet, site) == 0


def test_a_receiver_can_check_who_tells_it_by_an_old_secret_and_by_a_new_one(
    internet: Internet, tmp_path: Path
) -> None:
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


def test_a_receiver_that_is_dead_for_five_days_is_told_what_is_young_enough_and_slows_no_mail(
    internet: Internet,
) -> None:
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
def test_who_never_answers_is_asked_once_and_then_left_alone(internet: Internet, begun: bytes) -> None:
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
    other = internet.mail_server(
        "mx.elsewhere.test", "192.0.2.2", domains=["elsewhere.test"], accounts=["carol@elsewhere.test"]
    )
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
    internet.zone.add("elsewhere.test", _mx("mx.elsewhere.test"))
    internet.zone.add("mx.elsewhere.test", _a("192.0.2.2"))
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


def _mx(host: str) -> Any:
    from twisted.names import dns

    return dns.Record_MX(10, host)


def _a(address: str) -> Any:
    from twisted.names import dns

    return dns.Record_A(address)


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


def test_real_letters_are_told_over_real_sockets_also_of_what_a_command_does(tmp_path: Path, real: Any) -> None:
    config = mail_server(tmp_path)
    with_webhook(config, real.server_address[1])
    process, ports = serve(config)
    with process:
        for _ in range(3):
            send(ports["submission"], "hello", "bob@home.test")
        heard(real, 3)
        send(ports["submission"], "hello", "carol@elsewhere.test")
        (letter,) = lines_of_json(command("queue", "list", "-c", str(config), "--json"))
        command("queue", "remove", "-c", str(config), letter["id"], "--yes")
        heard(real, 1)
        assert process.stop() == 0
    assert [message["type"] for _, message in real.told] == ["letter.delivered"] * 3 + ["letter.removed"]
    assert real.told[-1][1]["data"]["letter"]["id"] == letter["id"]
    assert command("webhook", "list", "-c", str(config), "--json")


def test_what_was_answered_with_250_is_told_after_a_kill(tmp_path: Path, real: Any) -> None:
    """SIGKILL before the receiver has taken any of it: everything is told by the next life, with the same ids."""
    config = mail_server(tmp_path)
    with_webhook(config, real.server_address[1])
    real.code = 500
    process, ports = serve(config)
    with process:
        for _ in range(5):
            send(ports["submission"], "hello", "bob@home.test")
        heard(real, 1)
        process.kill()
    first = {name for name, _ in real.told}
    assert len(lines_of_json(command("webhook", "list", "-c", str(config), "--waiting", "--json"))) == 5
    real.code = 200
    real.told.clear()
    heir, _ = serve(config)
    with heir:
        command("webhook", "retry", "-c", str(config))
        until(lambda: len({name for name, _ in real.told}) == 5, "all five are told")
        assert heir.stop() == 0
    assert first <= {name for name, _ in real.told}
    assert isinstance(process, Process)
    assert lines_of_json(command("webhook", "list", "-c", str(config), "--waiting", "--json")) == []
