"""What a scanner finds: TLS without a weak spot, no open relay, nobody's name given away."""

from __future__ import annotations

import re
import smtplib
from pathlib import Path

import pytest

from tests.clients.environment import Environment, need, run

SERVICES = {"capture": "smtp", "submission": "smtp", "submissions": "smtps", "pop3": "pop3", "pop3s": "pop3s"}
"""Names that nmap has for what speaks at each port."""


def test_nmap_finds_tls_clean_and_no_open_relay(dev: Environment, tmp_path: Path) -> None:
    """TLS-07: 1.2 and 1.3, and grade A for every cipher; CODE-01, SMTP-17: no relay; POP-20: the capabilities."""
    need("nmap")
    # The names of services spare it to find out what speaks there, for which it waits long at each port.
    names = tmp_path / "nmap-services"
    names.write_text("".join(f"{name} {dev.port(each)}/tcp 0.5\n" for each, name in SERVICES.items()))
    found = run(
        f"nmap -Pn -n -sT --datadir {tmp_path} --script-timeout 50s -p {','.join(str(dev.port(each)) for each in SERVICES)} "
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
