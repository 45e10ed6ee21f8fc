"""Bearer tokens for smart hosts: current, under verified TLS, never in the dialogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.letter import Deferred, Delivered, Status
from mailstack.protocols.smtp.replies import reply
from mailstack.queue.attempt import Attempt
from mailstack.relay.routes import SmartHost
from mailstack.relay.session_opener import MAX_OCTETS, read_token, token_from
from tests.relay.agents import attempt, said
from tests.relay.world import FakeServer, World

URL = "smtp://alice@mx.elsewhere.test"


def through(world: World, file: Path) -> Attempt:
    return attempt(world, smart_hosts=(SmartHost.parse(URL, "").with_token_file(file),), destination="any.test")


@pytest.mark.parametrize(
    ("mechanisms", "login"),
    [
        (("PLAIN", "OAUTHBEARER", "XOAUTH2"), b"n,a=alice,\x01auth=Bearer t0ken\x01\x01"),
        (("PLAIN", "XOAUTH2"), b"user=alice\x01auth=Bearer t0ken\x01\x01"),
    ],
)
def test_the_token_of_the_moment_is_shown_under_verified_tls(
    world: World, tmp_path: Path, mechanisms: tuple[str, ...], login: bytes
) -> None:
    """RLY-23."""
    (file := tmp_path / "token").write_text("t0ken\n")
    server = FakeServer(world, port=587, mechanisms=mechanisms)
    tried = through(world, file)
    assert isinstance(tried.outcomes[0], Delivered)
    assert tried.facts["tls"]["verified"] is True
    file.write_text("renewed\n")
    through(world, file)
    assert server.logins == [login, login.replace(b"t0ken", b"renewed")]
    assert not said(tried, "t0ken")


@pytest.mark.parametrize("trouble", ["gone", "no token", "refused", "not offered", "no tls"])
def test_what_is_wrong_with_the_token_keeps_letters_waiting(world: World, tmp_path: Path, trouble: str) -> None:
    file = tmp_path / "token"
    if trouble != "gone":
        file.write_text("not a token" if trouble == "no token" else "t0ken")
    mechanisms = ("PLAIN",) if trouble == "not offered" else ("OAUTHBEARER",)
    server = FakeServer(world, port=587, mechanisms=mechanisms, starttls=trouble != "no tls")
    server.answers["auth"] = reply(535, "5.7.8", "expired")
    (outcome,) = through(world, file).outcomes
    assert isinstance(outcome, Deferred)
    assert outcome.status == (Status(4, 7, 5) if trouble == "no tls" else Status(4, 7, 8))
    assert len(server.logins) == (trouble == "refused")
    assert server.letters == []


@pytest.mark.parametrize("text", ["", "two words", "a\nb", "tökén", "x" * (MAX_OCTETS + 1), "="])
def test_what_is_no_token_is_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="holds no bearer token") as caught:
        token_from(text.encode(), "the file")
    assert text[:3] not in str(caught.value) or not text


def test_a_token_is_read_without_what_stands_around_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n  ya29.a0Af_-~+/==\r\n")
    assert read_token(file) == "ya29.a0Af_-~+/=="
