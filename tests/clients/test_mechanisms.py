"""Ways to log in that real clients choose: passwords, SCRAM bound to the channel, bearer tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.environment import STARTTLS, Environment, need, run
from tests.clients.test_sending import ALICE, BOB, msmtp, write


def gsasl(dev: Environment, mechanism: str, password: str) -> str:
    need("gsasl")
    return run(
        f"gsasl --smtp --x509-ca-file={dev.ca_file} --connect=localhost:{dev.submitting(STARTTLS)} "
        f"--mechanism={mechanism} --authentication-id=alice --password={password}",
        octets=b"QUIT\r\n",
        status=0 if password == "alice" else -1,
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS"])
def test_gsasl_logs_in_with_the_right_password_only(mechanism: str, with_scram: Environment) -> None:
    """AUTH-04, AUTH-05, AUTH-15: with channel binding under TLS 1.3; CODE-03."""
    assert "\n235 " in gsasl(with_scram, mechanism, "alice")
    assert "\n535 " in gsasl(with_scram, mechanism, "wrong")


def test_msmtp_logs_in_with_what_it_likes_best(with_scram: Environment, tmp_path: Path) -> None:
    """AUTH-19: SCRAM is offered in both forms or in none, and so its own choice works."""
    msmtp(with_scram, STARTTLS, "on", "alice", write(tmp_path, "plain"))
    assert len(with_scram.letters()) == 1


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl_sends_with_a_bearer_token(mechanism: str, dev: Environment, tmp_path: Path) -> None:
    """AUTH-16, AUTH-17: a good token is taken, one that has expired is not."""
    need("curl")
    letter = write(tmp_path, "plain")
    command = (
        f"curl -sS --cacert {dev.ca_file} --ssl-reqd --user {ALICE}: --login-options AUTH={mechanism} "
        f"--mail-from {ALICE} --mail-rcpt {BOB} --upload-file {letter} "
        f"smtp://localhost:{dev.submitting(STARTTLS)}/client.test --oauth2-bearer "
    )
    run(command + dev.mailstack("user", "token", ALICE).strip())
    assert len(dev.letters(delete=True)) == 1
    run(command + dev.mailstack("user", "token", ALICE, "--expired").strip(), status=-1)
    assert dev.letters() == []
