"""PLAIN (AUTH-04), LOGIN (AUTH-05), CRAM-MD5 (AUTH-06), EXTERNAL, OAUTHBEARER (AUTH-16), XOAUTH2 (AUTH-17), and their offer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.sasl import (
    MECHANISMS,
    CertificateProof,
    Channel,
    Credentials,
    Denied,
    DigestProof,
    Malformed,
    ScramKeys,
    Token,
    offered,
)
from mailstack.protocols.sasl.mechanism import MAX_OCTETS
from tests.protocols.sasl.exchange import Keeper, OutOfAnswers, Talk, prove

CERTIFICATE = ClientCertificate("CN=bob", ("bob@home.test",))


def test_mechanisms_are_announced_the_best_first_and_known_by_their_names() -> None:
    """AUTH-01"""
    assert list(MECHANISMS) == [
        "EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "CRAM-MD5",
    ]  # fmt: skip
    assert all(mechanism.name == name for name, mechanism in MECHANISMS.items())


def test_what_can_not_work_is_not_offered() -> None:
    """AUTH-01"""
    keeper = Keeper(kinds=frozenset({Credentials, CertificateProof}))
    assert offered(keeper, Channel()) == ("PLAIN", "LOGIN")
    assert offered(keeper, Channel(certificate=CERTIFICATE)) == ("EXTERNAL", "PLAIN", "LOGIN")


@pytest.mark.parametrize("bound", [True, False])
def test_scram_is_offered_with_and_without_plus_or_not_at_all(bound: bool) -> None:
    """AUTH-19"""
    channel = Channel(binding=lambda kind: b"data" if bound and kind == "tls-exporter" else None)
    names = [name for name in offered(Keeper(), channel) if name.startswith("SCRAM")]
    assert names == (["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] if bound else [])


def test_plain_takes_an_initial_response() -> None:
    """AUTH-03"""
    assert prove("PLAIN", b"\0bob\0secret") == (Credentials(username="bob", password="secret", mechanism="PLAIN"), [])


def test_plain_without_one_asks_with_an_empty_challenge() -> None:
    """AUTH-03"""
    expected = Credentials(username="bob", password="päß wort", mechanism="PLAIN", authzid="bob")
    assert prove("PLAIN", None, ["bob\0bob\0päß wort".encode()]) == (expected, [b""])


@pytest.mark.parametrize(
    "message",
    [
        b"", b"nonul", b"\0one", b"\0bob\0", b"\0\0secret", b"\0bob\0se\0cret", b"\0bob\0\xff", b"\xff\0bob\0x",
        b"\0bob\0" + b"x" * (MAX_OCTETS + 1), b"z" * (MAX_OCTETS + 1) + b"\0bob\0x",
    ],
)  # fmt: skip
def test_plain_refuses_what_breaks_its_grammar(message: bytes) -> None:
    with pytest.raises(Malformed):
        prove("PLAIN", message)


def test_login_asks_for_the_name_and_then_the_password() -> None:
    expected = Credentials(username="bob", password="secret", mechanism="LOGIN")
    assert prove("LOGIN", None, [b"bob", b"secret"]) == (expected, [b"Username:", b"Password:"])


def test_login_takes_the_name_as_initial_response() -> None:
    assert prove("LOGIN", b"bob", [b"secret"]) == (
        Credentials(username="bob", password="secret", mechanism="LOGIN"),
        [b"Password:"],
    )


def digest_of(challenge: bytes, password: bytes = b"secret") -> bytes:
    return b"bob " + hmac.new(password, challenge, "md5").hexdigest().encode()


def test_cram_md5_is_a_digest_of_a_fresh_msg_id() -> None:
    """AUTH-06"""
    talk = Talk("CRAM-MD5")
    talk.prove(None, digest_of)
    talk.prove(None, digest_of)
    first, second = talk.challenges
    assert first != second
    assert first.startswith(b"<")
    assert first.endswith(b"@mx.home.test>")
    proofs = [proof for proof in talk.keeper.asked if isinstance(proof, DigestProof)]
    assert [proof.fits("secret") for proof in proofs] == [True, True]
    assert not proofs[0].fits("Secret")


def test_apop_is_a_digest_of_the_time_stamp_and_the_password() -> None:
    """The example of RFC 1939 §7."""
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"
    proof = DigestProof(username="mrose", mechanism="APOP", challenge=stamp, digest="c4c9334bac560ecc979e58001b3e22fb")
    assert proof.fits("tanstaaf")
    assert not proof.fits("tanstaag")
    assert proof.digest == hashlib.md5(stamp + b"tanstaaf").hexdigest()


@pytest.mark.parametrize(
    "answer", [b"", b"bob", b"bob 0123", b"bob " + b"G" * 32, b" " + b"0" * 32, b"\xff " + b"0" * 32]
)
def test_cram_md5_refuses_what_breaks_its_grammar(answer: bytes) -> None:
    with pytest.raises(Malformed):
        Talk("CRAM-MD5").prove(None, answer)
    with pytest.raises(Malformed):
        Talk("CRAM-MD5").prove(b"initial")


@pytest.mark.parametrize(("initial", "named"), [(b"", ""), (None, "alice"), (b"bob", "bob")])
def test_external_brings_the_certificate_and_may_name_an_account(initial: bytes | None, named: str) -> None:
    talk = Talk("EXTERNAL", channel=Channel(certificate=CERTIFICATE))
    talk.prove(initial, named.encode())
    assert talk.keeper.asked == [
        CertificateProof(username=named, mechanism="EXTERNAL", authzid=named, certificate=CERTIFICATE)
    ]


def test_external_without_a_certificate_is_denied() -> None:
    with pytest.raises(Denied):
        Talk("EXTERNAL").prove(b"")


MESSAGES = st.binary(max_size=60) | st.sampled_from(
    [
        b"a", b"\0a\0b", b"n,,n=bob,r=abc", b"y,,n=bob,r=abc", b"p=tls-exporter,,n=bob,r=abc", b"c=biws,r=abc,p=AAAA",
        b"n,a=bob,\x01auth=Bearer x\x01\x01", b"user=bob\x01auth=Bearer x\x01\x01", b"bob " + b"0" * 32,
    ]
)  # fmt: skip


@pytest.mark.parametrize("name", MECHANISMS)
@given(responses=st.lists(MESSAGES, min_size=1, max_size=4), initial=st.booleans())
def test_any_octets_are_an_account_a_question_or_a_refusal(name: str, responses: list[bytes], initial: bool) -> None:
    """AUTH-09"""
    keys = ScramKeys(b"salt" * 4, 4096, b"s" * 32, b"k" * 32)
    talk = Talk(name, Keeper(keys=defaultdict(lambda: keys)), Channel("x", lambda _: b"bound", CERTIFICATE))
    try:
        if initial:
            talk.prove(responses[0], *responses[1:])
        else:
            talk.prove(None, *responses)
    except (Malformed, Denied, OutOfAnswers):
        return


@pytest.mark.parametrize(
    ("authzid", "allowed"),
    [("", True), ("bob", True), ("BOB@home.test", True), ("alice@home.test", False), ("alice", False), ("b", False)],
)
def test_acting_for_another_account_is_denied(authzid: str, allowed: bool) -> None:
    assert (
        Credentials(username="bob", password="x", mechanism="PLAIN", authzid=authzid).acts_for("bob@home.test")
        is allowed
    )


def test_a_password_is_not_shown_in_a_traceback() -> None:
    assert "secret" not in repr(Credentials(username="bob", password="secret", mechanism="PLAIN"))


def test_every_denial_has_the_same_words() -> None:
    assert str(Denied()) == str(Denied("no such user")) != ""


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
