"""The client's side of a login (RLY-23): the best mechanism is chosen, and a server that lies is found out."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from mailstack.protocols.sasl import Channel, Denied, ScramKeys, Token
from mailstack.protocols.sasl.client import (
    MAX_ITERATIONS,
    ClientMechanism,
    ScramAnswer,
    ServerNotTrusted,
    choose,
    choose_bearer,
    derive_here,
)
from tests.aid import run
from tests.protocols.sasl.exchange import Keeper, Talk

KEYS = ScramKeys.derive("secret", b"salt" * 4, 4096)
EXPORTER = {"tls-exporter": b"\x01" * 32}.get


def unbound(_kind: str) -> bytes | None:
    return None


def chosen(
    *offered: str, binding: Callable[[str], bytes | None] = unbound, password: str = "secret"
) -> ClientMechanism:
    answering = choose(offered, "bob", password, binding, derive_here)
    assert answering is not None
    return answering


@pytest.mark.parametrize(
    ("offered", "binding", "name", "begins"),
    [
        (
            ("LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"),
            EXPORTER,
            "SCRAM-SHA-256-PLUS",
            b"p=tls-exporter,,",
        ),
        (("LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), unbound, "SCRAM-SHA-256", b"n,,n=bob,r="),
        (("SCRAM-SHA-256", "PLAIN"), EXPORTER, "SCRAM-SHA-256", b"y,,n=bob,r="),
        (("LOGIN", "PLAIN", "SCRAM-SHA-256-PLUS"), unbound, "PLAIN", b"\0bob\0secret"),
        (("CRAM-MD5", "LOGIN"), unbound, "LOGIN", None),
    ],
)
def test_the_best_mechanism_is_chosen(
    offered: tuple[str, ...], binding: Callable[[str], bytes | None], name: str, begins: bytes | None
) -> None:
    """RLY-23"""
    answering = chosen(*offered, binding=binding)
    assert answering.name == name
    assert (answering.initial or b"").startswith(begins or b"")
    assert (answering.initial is None) == (begins is None)


def test_none_is_chosen_that_we_do_not_know() -> None:
    assert choose(("CRAM-MD5", "GSSAPI"), "bob", "secret", unbound, derive_here) is None


def test_a_password_that_saslprep_refuses_goes_by_plain() -> None:
    assert chosen("SCRAM-SHA-256", "PLAIN", password="\u0007").name == "PLAIN"


@pytest.mark.parametrize("plus", [True, False])
def test_our_client_and_our_server_understand_each_other(plus: bool) -> None:
    """AUTH-07, AUTH-15"""
    binding = EXPORTER if plus else unbound
    client = chosen("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", binding=binding)
    talk = Talk(client.name, Keeper(keys={"bob": KEYS}), Channel("mx", binding))

    def answer(challenge: bytes) -> bytes:
        return run(client.respond(challenge))

    assert not client.trusts
    assert talk.prove(client.initial, answer, answer) == "bob@home.test"
    assert client.trusts


def begun() -> tuple[ClientMechanism, str]:
    client = chosen("SCRAM-SHA-256")
    assert client.initial is not None
    return client, client.initial.decode().rpartition("r=")[2]


@pytest.mark.parametrize(
    "challenge",
    [
        "", "r={nonce}x", "r={nonce},s=c2FsdHNhbHQ=,i=4096", "r=other,s=c2FsdHNhbHQ=,i=4096",
        "r={nonce}x,s=c2FsdHNhbHQ=,i=4095", f"r={{nonce}}x,s=c2FsdHNhbHQ=,i={MAX_ITERATIONS + 1}",
        "r={nonce}x,s=c2FsdHNhbHQ=,i=999999999999", "r={nonce}x,s=c,i=4096", "m=ext,r={nonce}x,s=c2FsdHNhbHQ=,i=4096",
    ],
)  # fmt: skip
def test_a_server_that_asks_for_something_else_is_suspicious(challenge: str) -> None:
    client, nonce = begun()
    with pytest.raises(ServerNotTrusted):
        run(client.respond(challenge.replace("{nonce}", nonce).encode()))


@pytest.mark.parametrize("final", [b"", b"v=", b"v=" + base64.b64encode(b"x" * 32), b"e=other-error", b"\xff"])
def test_a_server_that_does_not_know_the_password_is_not_trusted(final: bytes) -> None:
    client, nonce = begun()
    run(client.respond(f"r={nonce}x,s=c2FsdHNhbHQ=,i=4096".encode()))
    with pytest.raises(ServerNotTrusted):
        run(client.respond(final))
    assert not client.trusts
    assert isinstance(client, ScramAnswer)


@pytest.mark.parametrize(("name", "questions"), [("PLAIN", 0), ("LOGIN", 2)])
def test_questions_without_end_are_not_answered(name: str, questions: int) -> None:
    client = chosen(name)
    for _ in range(questions):
        run(client.respond(b"?"))
    with pytest.raises(ServerNotTrusted):
        run(client.respond(b"?"))


@pytest.mark.parametrize(
    ("offered", "name"), [(("PLAIN", "XOAUTH2", "OAUTHBEARER"), "OAUTHBEARER"), (("XOAUTH2", "PLAIN"), "XOAUTH2")]
)
def test_a_token_is_shown_in_the_way_that_our_server_understands(offered: tuple[str, ...], name: str) -> None:
    """AUTH-16, AUTH-17"""
    client = choose_bearer(offered, "b,o=b@home.test", "abc.def~")
    assert client is not None
    assert (client.name, client.trusts) == (name, True)
    talk = Talk(name)
    talk.prove(client.initial)
    assert talk.keeper.asked == [Token(username="b,o=b@home.test", mechanism=name, token="abc.def~")]


def test_a_token_is_shown_in_no_other_way() -> None:
    assert choose_bearer(("PLAIN", "LOGIN", "SCRAM-SHA-256"), "bob", "abc") is None


@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token_that_is_refused_is_heard_of_in_one_challenge(name: str) -> None:
    """RFC 7628 §3.2.3"""
    client = choose_bearer((name,), "bob", "abc")
    assert client is not None
    talk = Talk(name, Keeper(denies=Denied()))
    with pytest.raises(Denied):
        talk.prove(client.initial, lambda challenge: run(client.respond(challenge)))
    assert len(talk.challenges) == 1
    with pytest.raises(ServerNotTrusted):
        run(client.respond(b"{}"))
