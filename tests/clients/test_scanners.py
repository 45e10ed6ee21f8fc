"""What a scanner finds: TLS without a weak spot, no open relay, nobody's name given away."""

from __future__ import annotations

import re
import smtplib

import pytest

from tests.clients.environment import Environment, need, run

SERVICES = ("capture", "submission", "submissions", "pop3", "pop3s")


def test_nmap_finds_tls_clean_and_no_open_relay(dev: Environment) -> None:
    """TLS-07: 1.2 and 1.3, and grade A for every cipher; CODE-01, SMTP-17: no relay; POP-20: the capabilities."""
    need("nmap")
    # One scan for everything: it waits long on each port to learn what speaks there.
    found = run(
        f"nmap -Pn -n -sT -sV --version-light --script-timeout 50s -p {','.join(str(dev.port(each)) for each in SERVICES)} "
        "--script ssl-enum-ciphers,smtp-open-relay,smtp-commands,pop3-capabilities --script-args "
        "smtp-open-relay.domain=elsewhere.test,smtp-open-relay.ip=127.0.0.1,smtp.domain=client.test 127.0.0.1"
    )
    with_tls = len(SERVICES) - 1  # the capture port has none
    assert re.findall(r"least strength: (\w)", found) == ["A"] * with_tls, found
    assert not re.search(r"TLSv1\.[01]:|SSLv[23]:", found), found
    submission = found[found.index(f"{dev.port('submission')}/tcp") :].split("/tcp ")[1]
    assert "smtp-open-relay" in submission, found
    assert "is an open relay" not in submission, found
    assert "UIDL" in found


@pytest.mark.parametrize("verb", ["vrfy", "expn"])
def test_no_verb_tells_people_apart(verb: str, dev: Environment) -> None:
    """SMTP-11."""
    with smtplib.SMTP("localhost", dev.port("submission"), timeout=20) as client:
        client.ehlo("client.test")
        codes = {client.docmd(verb, f"{name}@home.test")[0] for name in ("bob", "nobody-here")}
    assert len(codes) == 1
