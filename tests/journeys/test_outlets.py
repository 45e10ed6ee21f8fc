"""Release and relay of captured letters to an external server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.mailpit import Mailpit
from tests.journeys.process import command, lines_of_json


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailpit]:
    """A provider that accepts letters of its customers, and nothing for gone@z.test."""
    path = tmp_path_factory.mktemp("outside")
    with Mailpit(path, "--smtp-allowed-recipients", "^(?!gone@)", MP_SMTP_AUTH="us:pw") as mailpit:
        yield mailpit


def relay(outside: Mailpit, **more: str) -> dict[str, str]:
    """Variables that name it as the relay."""
    server = {"HOST": "localhost", "PORT": str(outside.port("capture")), "STARTTLS": "true"}
    login = {"AUTH": "plain", "USERNAME": "us", "PASSWORD": "pw"}
    return {f"MP_SMTP_RELAY_{name}": value for name, value in {**server, **login, **more}.items()}


def test_a_release_goes_outside_under_verified_tls_and_is_a_letter_of_now(tmp_path: Path, outside: Mailpit) -> None:
    variables = relay(outside, BLOCKED_RECIPIENTS="@blocked", RETURN_PATH="bounces@b.test")
    with Mailpit(tmp_path, **variables, SSL_CERT_FILE=str(outside.facts["ca_file"])) as mailpit:
        mailpit.send("carol@real.test", subject="one")
        shown = mailpit.get("api/v1/webui")["MessageRelay"]
        assert shown["Enabled"] is True
        assert (shown["BlockedRecipients"], shown["ReturnPath"]) == ("@blocked", "bounces@b.test")
        status, why = mailpit.ask("api/v1/message/latest/release", {"To": ["x@blocked.test", "dora@z.test"]})
        assert (status, why.strip()) == (400, b"Failed: Address found on blocklist: x@blocked.test")
        status, why = mailpit.ask("api/v1/message/latest/release", {"To": ["dora@z.test"]})
        assert status == 200, why
        got = outside.got("dora@z.test")
        assert (got["Subject"], got["ReturnPath"], got["From"]["Address"]) == ("one", "bounces@b.test", "a@b.test")
        assert got["MessageID"] != "1@a.test"
        # In the inbox it is one letter still; what leaves is a letter of its own, and their journeys lead to each other.
        status, sent = mailpit.ask("v1/letters/latest/release", {"to": ["erin@z.test"]})
        assert status == 201, sent
        assert outside.got("erin@z.test")["Subject"] == "one"
        (letter,) = mailpit.get("v1/letters")["letters"]
        assert json.loads(sent)["id"] != letter["id"]
        journey = json.loads(command("journey", json.loads(sent)["id"], "--json", environ=mailpit.environ))
        assert [(each["server"], each["step"]) for each in journey["steps"]][-1] == ("relay.home.test", "relayed")
        assert journey["steps"][0]["letter"] == letter["id"]
        copied = [each for each in journey["steps"] if each["step"] == "copied"]
        assert [each["letter"] for each in copied] == [letter["id"]] * 2
        assert [each["recipients"] for each in copied] == [["dora@z.test"], ["erin@z.test"]]
        assert copied[1]["copy"] == json.loads(sent)["id"]
        assert mailpit.get(f"v1/journeys/{letter['id']}")["steps"] == journey["steps"]
        assert mailpit.stop() == 0


def test_a_password_goes_to_no_server_whose_certificate_nobody_vouches_for(tmp_path: Path, outside: Mailpit) -> None:
    with Mailpit(tmp_path, **relay(outside)) as mailpit:
        mailpit.send("carol@real.test")
        mailpit.ask("api/v1/message/latest/release", {"To": ["frank@z.test"]})
        assert "certificate" in json.dumps(mailpit.deferred())
        assert mailpit.stop() == 0
    with Mailpit(tmp_path, **relay(outside, ALLOW_INSECURE="true")) as mailpit:
        mailpit.send("carol@real.test")
        mailpit.ask("api/v1/message/latest/release", {"To": ["grace@z.test"]})
        outside.got("grace@z.test")
        assert mailpit.stop() == 0


def test_without_an_outlet_a_copy_stays_here_and_its_journey_goes_on_to_the_mailbox(tmp_path: Path) -> None:
    with Mailpit(tmp_path) as mailpit:
        mailpit.send("carol@real.test")
        first = mailpit.get("v1/letters/latest")["id"]
        mailpit.ask("api/v1/message/latest/release", {"To": ["dora@z.test"]})
        mailpit.ask(f"v1/letters/{first}/release", {"to": ["erin@z.test"]})
        for wanted in ("dora@z.test", "erin@z.test"):
            copy = mailpit.get(f"v1/wait?to={wanted}&timeout=20")["letters"][0]["id"]
            journey = lines_of_json(command("journey", copy, "--follow", "--json", environ=mailpit.environ))
            assert journey[0]["letter"] == first
            assert {each["mailbox"] for each in journey if each["step"] == "delivered"} >= {"carol@real.test", wanted}
        assert mailpit.stop() == 0


def test_what_is_captured_leaves_by_itself_as_it_came(tmp_path: Path, outside: Mailpit) -> None:
    variables = relay(outside, ALLOW_INSECURE="true", BLOCKED_RECIPIENTS="^no@", OVERRIDE_FROM="us@z.test")
    with Mailpit(tmp_path, "--smtp-relay-matching", "@match", **variables) as mailpit:
        mailpit.send("h@match.test", "no@match.test", "i@other.test", subject="matching", number=7)
        mailpit.send("i@other.test", subject="other", number=8)
        mailpit.send("j@match.test", subject="last", number=9)
        got = outside.got("h@match.test")
        assert [each["Address"] for each in got["Bcc"]] == ["h@match.test"]
        assert (got["ReturnPath"], got["From"]["Address"]) == ("us@z.test", "us@z.test")
        assert got["MessageID"] == "7@a.test"
        assert outside.got("j@match.test")["MessageID"] == "9@a.test"
        assert mailpit.get("api/v1/messages")["total"] == 3, "no copy is a letter of its own here"
        first = mailpit.get("v1/letters?query=subject:matching")["letters"][0]["id"]
        copied = [each for each in mailpit.get(f"v1/journeys/{first}")["steps"] if each["step"] == "copied"]
        why = [(each["why"], *each["recipients"]) for each in copied]
        assert why == [("relay_all or relay_matching", "h@match.test")]
        assert mailpit.stop() == 0
    assert not outside.get("api/v1/search?query=addressed:i@other.test")["messages"]


def test_a_report_about_what_could_not_leave_stays_here(tmp_path: Path, outside: Mailpit) -> None:
    with Mailpit(tmp_path, "--smtp-relay-all", **relay(outside, ALLOW_INSECURE="true")) as mailpit:
        mailpit.send("gone@z.test", sender="author@real.test")
        assert mailpit.got("author@real.test")["ReturnPath"] == ""
        assert mailpit.stop() == 0
    assert not outside.get("api/v1/search?query=addressed:author@real.test")["messages"]
