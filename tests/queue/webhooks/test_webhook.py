"""Webhook signatures (Standard Webhooks), and secret files."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

import pytest

from mailstack.queue.webhooks.webhook import MAX_SECRETS, BadSecret, new_secret, read_secrets, signature_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_that_receivers_libraries_are_tested_with() -> None:
    """Their message, secret and time, and the signature that they all expect."""
    found = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.7, b'{"test": 2432232314}', read_secrets(SECRET)
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_secret_signs_and_the_first_one_first() -> None:
    new, old = new_secret(), new_secret()
    keys = read_secrets(f"# since May\n{new}\n\n  {old}  \n")
    signatures = signature_headers("msg_1", 1000.0, b"{}", keys)["webhook-signature"].split(" ")
    for secret, signature in zip((new, old), signatures, strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, b"msg_1.1000.{}", sha256).digest()).decode()
        assert signature == f"v1,{expected}"


def test_without_secrets_nothing_is_signed() -> None:
    assert set(signature_headers("msg_1", 1000.0, b"{}", ())) == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no secret"),
        ("# only this\n", "no secret"),
        ("hunter2hunter2hunter2hunter2", "begins with"),
        ("whsec_%%%%", "base64"),
        ("whsec_QUJD", "24 to 64"),
        ("whsec_" + "QUJD" * 30, "24 to 64"),
        ("\n".join([SECRET] * (MAX_SECRETS + 1)), "more than"),
    ],
)
def test_a_file_that_is_none_of_secrets_is_refused_without_telling_it(text: str, why: str) -> None:
    with pytest.raises(BadSecret, match=why) as caught:
        read_secrets(text)
    assert "hunter2" not in str(caught.value)
