"""PLAIN (AUTH-04) and LOGIN (AUTH-05)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.sasl import MECHANISMS, Challenge, Credentials, Denied, Malformed
from mailstack.sasl.login import Login
from mailstack.sasl.mechanism import MAX_OCTETS
from mailstack.sasl.plain import Plain


def test_mechanisms_are_announced_in_this_order_and_known_by_their_names() -> None:
    assert list(MECHANISMS) == ["PLAIN", "LOGIN"]
    assert all(mechanism.name == name for name, mechanism in MECHANISMS.items())


def test_plain_takes_an_initial_response() -> None:
    assert Plain().begin(b"\0bob\0secret") == Credentials("bob", "secret", "PLAIN")


def test_plain_without_one_asks_with_an_empty_challenge() -> None:
    plain = Plain()
    assert plain.begin(None) == Challenge(b"")
    assert plain.respond("bob\0bob\0päß wort".encode()) == Credentials("bob", "päß wort", "PLAIN", "bob")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonul",
        b"\0one",
        b"\0bob\0",
        b"\0\0secret",
        b"\0bob\0se\0cret",
        b"\0bob\0\xff",
        b"\xff\0bob\0x",
        b"\0bob\0" + b"x" * (MAX_OCTETS + 1),
        b"z" * (MAX_OCTETS + 1) + b"\0bob\0x",
    ],
)
def test_plain_refuses_what_breaks_its_grammar(message: bytes) -> None:
    with pytest.raises(Malformed):
        Plain().begin(message)


def test_login_asks_for_the_name_and_then_the_password() -> None:
    login = Login()
    assert login.begin(None) == Challenge(b"Username:")
    assert login.respond(b"bob") == Challenge(b"Password:")
    assert login.respond(b"secret") == Credentials("bob", "secret", "LOGIN")


def test_login_takes_the_name_as_initial_response() -> None:
    login = Login()
    assert login.begin(b"bob") == Challenge(b"Password:")
    assert login.respond(b"secret") == Credentials("bob", "secret", "LOGIN")


@pytest.mark.parametrize("mechanism", MECHANISMS.values())
@given(responses=st.lists(st.binary(max_size=40) | st.sampled_from([b"a", b"\0a\0b"]), min_size=1, max_size=4))
def test_any_octets_are_a_challenge_credentials_or_malformed(mechanism, responses: list[bytes]) -> None:
    exchange = mechanism()
    try:
        step = exchange.begin(responses[0])
        for response in responses[1:]:
            if isinstance(step, Credentials):
                break
            step = exchange.respond(response)
    except Malformed:
        return
    assert isinstance(step, Challenge) or (step.username and step.password)


@pytest.mark.parametrize(
    ("authzid", "allowed"),
    [("", True), ("bob", True), ("BOB@home.test", True), ("alice@home.test", False), ("alice", False), ("b", False)],
)
def test_nobody_acts_for_another(authzid: str, allowed: bool) -> None:
    assert Credentials("bob", "x", "PLAIN", authzid).acts_for("bob@home.test") is allowed


def test_a_password_is_not_shown_in_a_traceback() -> None:
    assert "secret" not in repr(Credentials("bob", "secret", "PLAIN"))


def test_every_denial_has_the_same_words() -> None:
    assert str(Denied()) == str(Denied("no such user")) != ""
