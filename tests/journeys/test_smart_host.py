"""Relaying through a smart host: AUTH under verified TLS, or the letter waits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mailstack.config import ListenSettings, RelaySettings, SubmissionSettings
from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.net.server_tls import server_context
from mailstack.relay.routes import SmartHost, StaticRoutes
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer, facts

PROVIDER, ACCOUNT = "smtp.provider.test", "home@provider.test"
STARTTLS = f"smtp://home%40provider.test@{PROVIDER}"
IMPLICIT = f"smtps://home%40provider.test@{PROVIDER}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """The provider's; dates of certificates are compared with the real time, whatever the simulated one is."""
    return private_ca(tmp_path_factory.mktemp("provider"), PROVIDER, time.time())


@pytest.fixture
def ca_file(files: CertificateFiles) -> Path:
    return files.ca


@pytest.fixture
def provider(internet: Internet, files: CertificateFiles) -> SimulatedServer:
    """Takes letters of its customers' domains, by 587 and 465."""
    ours, internet.context = internet.context, server_context(files.certificate, files.key)
    site = internet.mail_server(
        PROVIDER,
        "192.0.2.3",
        ACCOUNT,
        listen=ListenSettings(submission=("tcp:587",), submissions=("tcp:465",), mx=("tcp:25",)),
        submission=SubmissionSettings(check_sender=False, check_from="allow"),
    )
    internet.context = ours
    return site


@pytest.fixture
def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.elsewhere("carol@elsewhere.test")


def home(internet: Internet, url: str, *, password: str = ACCOUNT, **relay: Any) -> SimulatedServer:
    """A server that relays through `url`."""
    return internet.home("alice@home.test", relay=RelaySettings(smart_host=(SmartHost.parse(url, password),), **relay))


@pytest.mark.parametrize(("url", "port"), [(STARTTLS, 587), (IMPLICIT, 465)])
def test_a_letter_leaves_with_auth_under_verified_tls(
    internet: Internet, provider: SimulatedServer, elsewhere: SimulatedServer, ca_file: Path, *, url: str, port: int
) -> None:
    """RLY-23."""
    server = home(internet, url, ca_file=ca_file)
    internet.submit(server, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(10)
    (letter,) = internet.fetch(elsewhere, "carol@elsewhere.test")
    assert letter.endswith(ONE_LETTER)
    assert b"Return-Path: <alice@home.test>" in letter
    assert server.states() == {"carol@elsewhere.test": "relayed"}

    routed = facts(server, "routed")
    assert (routed["via"], routed["why"]) == (PROVIDER, "smart host")
    assert [each["port"] for each in routed["candidates"]] == [port]
    attempted = facts(server, "attempted")
    dialogue = attempted["dialogue"]
    assert attempted["tls"]["verified"] is True
    assert ("-- TLS" in dialogue) is (url is STARTTLS)
    assert any(line.startswith("C: AUTH SCRAM-SHA-256-PLUS") for line in dialogue)
    # AUTH-13: nobody is vouched for (RFC 4954 §5).
    assert any(line.startswith("C: MAIL ") and line.endswith(" AUTH=<>") for line in dialogue)
    assert facts(server, "relayed")["remote_id"] == provider.journal.steps[0].letter
    assert provider.journal.names(PROVIDER) == ["submitted", "routed", "attempted", "relayed"]


@pytest.mark.parametrize("url", [STARTTLS, IMPLICIT])
def test_an_unverified_smart_host_gets_no_password(
    internet: Internet, provider: SimulatedServer, elsewhere: SimulatedServer, tmp_path: Path, url: str
) -> None:
    """RLY-23: another CA may have given a certificate for the same name."""
    others = private_ca(tmp_path / "other", PROVIDER, time.time())
    server = home(internet, url, ca_file=others.ca)
    internet.submit(server, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(10)
    assert server.states() == {"carol@elsewhere.test": "queued"}
    assert not any("AUTH" in line for line in facts(server, "attempted")["dialogue"] if line.startswith("C:"))
    assert provider.journal.steps == []
    assert elsewhere.journal.steps == []


def test_a_wrong_password_makes_the_letter_wait(
    internet: Internet, provider: SimulatedServer, elsewhere: SimulatedServer, ca_file: Path
) -> None:
    server = home(internet, STARTTLS, password="wrong", ca_file=ca_file)
    internet.submit(server, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(30)
    assert server.states() == {"carol@elsewhere.test": "queued"}
    assert any(line.startswith("S: 535") for line in facts(server, "attempted")["dialogue"])
    assert provider.journal.steps == []


def test_a_route_precedes_the_smart_host(
    internet: Internet, provider: SimulatedServer, elsewhere: SimulatedServer, ca_file: Path
) -> None:
    server = home(internet, STARTTLS, ca_file=ca_file, routes=StaticRoutes.parse({"elsewhere.test": "192.0.2.2:25"}))
    internet.submit(server, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(10)
    assert len(internet.fetch(elsewhere, "carol@elsewhere.test")) == 1
    assert facts(server, "routed")["why"] == "route elsewhere.test"
    assert provider.journal.steps == []
