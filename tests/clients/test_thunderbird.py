"""Thunderbird as Debian has it: it finds its settings by autoconfig, logs in, sends and fetches."""

from __future__ import annotations

from pathlib import Path

from tests.clients.environment import SCRIPTS, Environment, need
from tests.clients.marionette import Thunderbird

IMAP, SSL, STARTTLS, PASSWORD = "imap", 3, 2, 3
"""nsMsgSocketType and nsMsgAuthMethod, as Thunderbird numbers them."""


def test_thunderbird_sets_itself_up_sends_with_a_login_and_fetches(dev: Environment, tmp_path: Path) -> None:
    """AC-02: "my server requires authentication", in the client that most people have."""
    need("thunderbird")
    lines = Path(dev.ca_file).read_text().strip().splitlines()
    where = f"http://127.0.0.1:{dev.port('web')}/mail/config-v1.1.xml?emailaddress=bob%40{{{{domain}}}}"
    with Thunderbird(tmp_path, **{"mailnews.auto_config_url": where}) as client:
        found = client.run((SCRIPTS / "thunderbird.js").read_text(), "bob@home.test", "bob", "".join(lines[1:-1]))
    assert found["incoming"][0] == IMAP
    assert found["incoming"][2:] == [dev.port("imaps"), SSL, PASSWORD, "bob@home.test"]
    assert found["outgoing"][1:] == [dev.port("submissions"), SSL, PASSWORD, "bob@home.test"]
    assert found["subjects"] == ["From Thunderbird: Grüße"]
    (letter,) = dev.letters()
    assert b"with ESMTPSA" in letter, "it logged in, under TLS"
