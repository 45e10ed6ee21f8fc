"""SCRAM-SHA-256 and -PLUS (AUTH-07, AUTH-15): example of the RFC, a test client, and attacks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mailstack.protocols.sasl import Channel, Denied, Malformed, ScramKeys
from mailstack.protocols.sasl.scram_keys import client_proof, salted, saslprep
from tests.protocols.sasl.exchange import Keeper, Talk

PASSWORD = "pencil"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = ScramKeys.derive(PASSWORD, SALT, 4096)
EXPORTER, END_POINT = b"\x01" * 32, b"\x02" * 48
BOUND = Channel("mx", {"tls-exporter": EXPORTER, "tls-server-end-point": END_POINT}.get)


class Client:
    """SCRAM client that can cheat."""

    def __init__(self, header: str = "n,,", data: bytes = b"", password: str = PASSWORD, name: str = "user") -> None:
        self.header = header
        self.data = data
        self.password = password
        self.bare = f"n={name},r=rOprNGfwEbeRWgbNEkqO"
        self.message = ""
        self.signature = b""

    @property
    def first(self) -> bytes:
        return (self.header + self.bare).encode()

    def final(self, challenge: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        binding = base64.b64encode(self.header.encode() + self.data).decode()
        without = f"c={binding},r={fields['r']}"
        self.message = f"{self.bare},{challenge.decode()},{without}"
        salted_password = salted(self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        proof = client_proof(salted_password, self.message.encode())
        return f"{without},p={base64.b64encode(proof).decode()}".encode()

    def end(self, challenge: bytes) -> bytes:
        assert challenge.startswith(b"v=")
        self.signature = base64.b64decode(challenge[2:])
        return b""


def log_in(client: Client, name: str = "SCRAM-SHA-256", channel: Channel | None = None) -> tuple[str, Talk]:
    talk = Talk(name, Keeper(keys={"user": KEYS, "a,b=c": KEYS}), channel)
    return talk.prove(client.first, client.final, client.end), talk


def test_the_keys_are_those_of_the_example() -> None:
    """RFC 7677 §3."""
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert client_proof(salted(PASSWORD, SALT, 4096), message) == proof
    assert KEYS.proves(message, proof)
    assert base64.b64encode(KEYS.sign(message)) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_both_sides_prove_that_they_know_the_password() -> None:
    """AUTH-07"""
    client = Client()
    account, talk = log_in(client)
    assert account == "user@home.test"
    assert client.signature == KEYS.sign(client.message.encode())
    server_first = talk.challenges[0].decode()
    assert server_first.startswith("r=rOprNGfwEbeRWgbNEkqO")
    assert ",i=4096" in server_first


def test_it_begins_with_a_challenge_when_there_is_no_initial_response() -> None:
    client = Client()
    talk = Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS}))
    assert talk.prove(None, client.first, client.final, client.end) == "user@home.test"
    assert talk.challenges[0] == b""


@pytest.mark.parametrize(("kind", "data"), [("tls-exporter", EXPORTER), ("tls-server-end-point", END_POINT)])
def test_plus_is_bound_to_the_connection(kind: str, data: bytes) -> None:
    """AUTH-15"""
    account, _ = log_in(Client(f"p={kind},,", data), "SCRAM-SHA-256-PLUS", BOUND)
    assert account == "user@home.test"
    with pytest.raises(Denied):
        log_in(Client(f"p={kind},,", b"\x03" * 32), "SCRAM-SHA-256-PLUS", BOUND)


@pytest.mark.parametrize("kind", ["tls-unique", "tls-nothing", "tls-exporter"])
def test_a_binding_that_is_not_there_is_denied(kind: str) -> None:
    """AUTH-15"""
    with pytest.raises(Denied, match="wrong"):
        log_in(Client(f"p={kind},,", b""), "SCRAM-SHA-256-PLUS", Channel("mx"))


def test_a_client_that_was_led_to_do_without_binding_is_denied() -> None:
    """AUTH-15: RFC 5802 §6, the downgrade that the flag `y` shows."""
    with pytest.raises(Denied):
        log_in(Client("y,,"), channel=BOUND)
    assert log_in(Client("n,,"), channel=BOUND)[0] == "user@home.test"
    assert log_in(Client("y,,"))[0] == "user@home.test"


@pytest.mark.parametrize(("name", "header"), [("SCRAM-SHA-256", "p=tls-exporter,,"), ("SCRAM-SHA-256-PLUS", "n,,")])
def test_the_name_and_the_flag_fit_together(name: str, header: str) -> None:
    with pytest.raises(Malformed):
        log_in(Client(header, EXPORTER), name, BOUND)


def test_the_header_can_not_be_changed_on_the_way() -> None:
    """An attacker changed `y` to `n`: the proof of the client includes the original flag."""
    client = Client("y,,")
    talk = Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS}), BOUND)
    with pytest.raises(Denied):
        talk.prove(b"n" + client.first[1:], client.final, client.end)


def test_a_wrong_password_is_denied_before_anything_is_signed() -> None:
    client = Client(password="pen")
    talk = Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS}))
    with pytest.raises(Denied):
        talk.prove(client.first, client.final, client.end)
    assert not client.signature


def test_a_nonce_is_not_used_twice() -> None:
    client = Client()
    _, talk = log_in(client)
    recorded = client.final(talk.challenges[0])
    again = Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS}))
    with pytest.raises(Denied):
        again.prove(client.first, recorded, client.end)
    assert again.challenges[0] != talk.challenges[0]


def test_names_are_unescaped_and_an_identity_may_be_asked_for() -> None:
    _, talk = log_in(Client("n,a=x=2Cy,", name="a=2Cb=3Dc"))
    (proof,) = talk.keeper.asked
    assert (proof.username, proof.authzid) == ("a,b=c", "x,y")


@pytest.mark.parametrize(
    "first",
    [
        b"", b"n,,", b"n,,n=user", b"n,,n=,r=abc", b"n,,n=user,r=", b"n,,r=abc,n=user", b"n,,m=ext,n=user,r=abc",
        b"n,,n=us=er,r=abc", b"n,,n=user,r=a b", b"n,,n=us\0er,r=abc", b"n,,n=\xff,r=abc",
        "n,,n=a\u0007b,r=abc".encode(), "n,,n=\u00ad,r=abc".encode(), b"x,,n=user,r=abc", b"p=,,n=user,r=abc",
        b"n,b=x,n=user,r=abc", b"n,,n=" + b"u" * 1025 + b",r=abc", b"n,,n=user,r=" + b"a" * 5000,
    ],
)  # fmt: skip
def test_a_first_message_that_breaks_the_grammar(first: bytes) -> None:
    with pytest.raises(Malformed):
        Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS})).prove(first, b"")


@pytest.mark.parametrize("final", [b"", b"c=biws", b"c=biws,r=x,p=", b"c=b,r=x,p=AAAA", b"c=biws,r=x,p=A", b"\xff"])
def test_a_final_message_that_breaks_the_grammar(final: bytes) -> None:
    with pytest.raises(Malformed):
        Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS})).prove(Client().first, final)


def test_nothing_follows_the_signature() -> None:
    client = Client()
    with pytest.raises(Malformed):
        Talk("SCRAM-SHA-256", Keeper(keys={"user": KEYS})).prove(client.first, client.final, b"more")


def test_keys_are_written_as_rfc_5803_says() -> None:
    assert str(KEYS).startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert ScramKeys.read(str(KEYS)) == KEYS
    assert "stored_key" not in repr(KEYS)


@pytest.mark.parametrize(
    "text",
    ["", "SCRAM-SHA-256$", str(KEYS)[:-1], str(KEYS).replace("4096", "4095"), str(KEYS).replace("==$", "=$"), "é"],
)
def test_other_texts_are_no_keys(text: str) -> None:
    with pytest.raises(ValueError, match="SCRAM"):
        ScramKeys.read(text)


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_saslprep_as_in_the_examples(text: str, prepared: str) -> None:
    """AUTH-07: RFC 4013 §3."""
    assert saslprep(text) == prepared


@pytest.mark.parametrize(("text", "settings"), [("\u0007", {}), ("\u0627\u0031", {}), ("\u0221", {"stored": True})])
def test_saslprep_refuses(text: str, settings: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        saslprep(text, **settings)
