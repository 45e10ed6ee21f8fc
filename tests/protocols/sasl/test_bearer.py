"""OAUTHBEARER (AUTH-16) and XOAUTH2 (AUTH-17): their messages, and how they end."""

from __future__ import annotations

import json

import pytest

from mailstack.protocols.sasl import Denied, Malformed, Token
from tests.protocols.sasl.exchange import Keeper, Talk, prove


@pytest.mark.parametrize(
    ("name", "message", "user"),
    [
        ("OAUTHBEARER", b"n,a=bob@home.test,\x01host=mx\x01port=587\x01auth=Bearer abc.def~\x01\x01", "bob@home.test"),
        ("OAUTHBEARER", b"n,,\x01auth=bearer abc.def~\x01\x01", ""),
        ("OAUTHBEARER", b"y,a=a=2Cb=3Dc,\x01auth=Bearer abc.def~\x01\x01", "a,b=c"),
        ("XOAUTH2", b"user=bob@home.test\x01auth=Bearer abc.def~\x01\x01", "bob@home.test"),
    ],
)
def test_the_token_and_the_user_are_read(name: str, message: bytes, user: str) -> None:
    """AUTH-16, AUTH-17"""
    assert prove(name, message) == (Token(username=user, mechanism=name, token="abc.def~"), [])
    assert prove(name, None, [message])[1] == [b""]


@pytest.mark.parametrize("name", ["OAUTHBEARER", "XOAUTH2"])
def test_a_failure_is_told_in_json_and_ends_with_the_clients_answer(name: str) -> None:
    """AUTH-16: RFC 7628 §3.2.3"""
    talk = Talk(name, Keeper(denies=Denied(trouble={"status": "insufficient_scope", "scope": "mail"})))
    message = {"OAUTHBEARER": b"n,,\x01auth=Bearer x\x01\x01", "XOAUTH2": b"user=b\x01auth=Bearer x\x01\x01"}[name]
    with pytest.raises(Denied):
        talk.prove(message, b"\x01")
    assert [json.loads(challenge) for challenge in talk.challenges] == [
        {"status": "insufficient_scope", "scope": "mail"}
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OAUTHBEARER", b""),
        ("OAUTHBEARER", b"\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer x\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Basic x\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer a b\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01host=mx\x01\x01"),
        ("OAUTHBEARER", b"p=tls-exporter,,\x01auth=Bearer x\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer \xff\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer " + b"x" * 20_000 + b"\x01\x01"),
        ("XOAUTH2", b"user=bob\x01\x01"),
        ("XOAUTH2", b"user\x01auth=Bearer x\x01\x01"),
    ],
)
def test_what_breaks_the_grammar_is_malformed(name: str, message: bytes) -> None:
    """AUTH-09"""
    with pytest.raises(Malformed):
        prove(name, message, [b"\x01"])


def test_a_token_is_not_shown_in_a_traceback() -> None:
    assert "secret" not in repr(Token(username="bob", mechanism="XOAUTH2", token="secret"))
