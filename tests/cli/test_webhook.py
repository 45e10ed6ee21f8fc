"""`mailstack webhook`: what waits, and secrets that are changed without a break."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.letter import new_letter_id
from mailstack.letter.delivery import Step
from mailstack.queue.webhooks.webhook import read_secrets
from mailstack.store.outbox import RETRY_NOW, OutboxEntry, new_id
from tests.cli.conftest import Mailstack, Shelf, lines_of

HOOK = """
[[webhooks]]
name = "billing"
url = "https://hooks.test/mail"
secret_file = "billing.secret"
"""


@pytest.fixture
def hooked(config: Path) -> Path:
    config.write_text(config.read_text() + HOOK)
    (config.parent / "billing.secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    return config


def announcement(target: str, at: float) -> OutboxEntry:
    return OutboxEntry(new_id(), target, Step(new_letter_id(at), at, "mx.home.test", "bounced"), at + 60)


@pytest.mark.usefixtures("hooked")
def test_webhooks_are_listed_with_what_waits_and_hurried(shelf: Shelf, mailstack: Mailstack) -> None:
    assert [line["waiting"] for line in lines_of(mailstack("webhook", "list", "--json"))] == [0]
    now = time.time()
    first, second = announcement("webhook billing", now - 50), announcement("webhook billing", now)
    gone = replace(announcement("webhook of before", now), trouble="")
    shelf.pump.run(shelf.store.outbox.add([second, first, gone]))
    billing, before = lines_of(mailstack("webhook", "list", "--json"))
    assert (billing["name"], billing["url"], billing["waiting"]) == ("billing", "https://hooks.test/mail", 2)
    assert billing["events"] == ["delivered", "relayed", "delayed", "bounced"]
    assert (before["name"], before["url"], before["waiting"]) == ("of before", None, 1)
    assert "not in the configuration" in mailstack("webhook", "list").stdout
    listed = lines_of(mailstack("webhook", "list", "--waiting", "--json"))
    assert [line["id"] for line in listed if line["name"] == "billing"] == [first.id, second.id]
    assert first.step.letter in mailstack("webhook", "list", "--waiting").stdout
    assert mailstack("webhook", "retry", "billing").stdout == "due now: 2\n"
    assert mailstack("webhook", "retry", "nobody").exit_code == 1
    assert shelf.pump.run(shelf.store.outbox.next_due("webhook billing")) == RETRY_NOW


def test_a_new_secret_goes_in_front_of_the_old_ones(mailstack: Mailstack, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    first = mailstack("webhook", "secret", str(file)).stdout.strip()
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    second = mailstack("webhook", "secret", str(file)).stdout.strip()
    assert file.read_text().split() == [second, first]
    assert len(read_secrets(file.read_text())) == 2
    assert file.stat().st_mode & 0o777 == 0o640
    file.write_text("no secret of ours")
    assert mailstack("webhook", "secret", str(file)).exit_code == 1
    assert file.read_text() == "no secret of ours"


def test_a_test_that_nobody_can_take_is_refused(hooked: Path, mailstack: Mailstack) -> None:
    assert "configured: billing" in mailstack("webhook", "test", "other").stderr


def test_the_files_of_webhooks_are_checked(hooked: Path, mailstack: Mailstack) -> None:
    def verdict() -> tuple[str, str]:
        told = map(json.loads, mailstack("check", "--no-dns", "--json").stdout.splitlines())
        (found,) = [line for line in told if line["part"] == "webhook billing"]
        return found["verdict"], found["text"]

    secret = hooked.parent / "billing.secret"
    secret.chmod(0o600)
    assert verdict()[0] == "good"
    secret.chmod(0o644)
    assert verdict() == ("warning", f"every user of this machine can read {secret}; chmod o-r it")
    secret.write_text("hunter2")
    assert verdict()[0] == "broken"
    assert "hunter2" not in verdict()[1]
    hooked.write_text(hooked.read_text().replace('secret_file = "billing.secret"\n', ""))
    assert verdict()[0] == "warning"


@pytest.mark.parametrize(
    ("lines", "trouble"),
    [
        ('url = "https://a.test/"', "needs name and url"),
        ('name = "a"', "needs name and url"),
        ('name = "a"\nurl = "http://a.test/"', "allow_http"),
        ('name = "a"\nurl = "https://a.test/"\nsecret_file = "gone"', "there is no file"),
        ('name = "a"\nurl = "https://a.test/"\ntimeout = "0"', "longer than 0"),
        ('name = "a"\nurl = "https://a.test/"\nfirst = "2h"', "longest not shorter"),
        ('name = "a"\nurl = "https://a.test/"\nevents = ["lost"]', "events"),
        ('name = "a"\nurl = "https://a.test/"\n[[webhooks]]\nname = "a"\nurl = "https://b.test/"', "is there twice"),
    ],
)
def test_an_invalid_webhook_stops_the_start(config: Path, mailstack: Mailstack, lines: str, trouble: str) -> None:
    config.write_text(f"{config.read_text()}\n[[webhooks]]\n{lines}\n")
    found = mailstack("check", "--no-dns", "--json")
    assert found.exit_code == 1
    assert trouble in found.stdout


def test_what_stays_on_this_machine_may_go_in_clear(config: Path, mailstack: Mailstack) -> None:
    config.write_text(f'{config.read_text()}\n[[webhooks]]\nname = "a"\nurl = "http://localhost:8080/"\n')
    assert '"part": "configuration", "verdict": "good"' in mailstack("check", "--no-dns", "--json").stdout
