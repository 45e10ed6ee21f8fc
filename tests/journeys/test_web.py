"""Web service of real processes: pages of dev, HTTPS, client setup."""

from __future__ import annotations

import json
import plistlib
import re
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import load_pem_x509_certificate

from tests.journeys.dev import DevProcess
from tests.journeys.process import Process, command
from tests.web.autoconfig.test_client_files import ASK, OUTLOOK_SCHEMA

CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[listen]
submissions = ["tcp:0:interface=127.0.0.1"]
pop3s = ["tcp:0:interface=127.0.0.1"]
web = ["tcp:0:interface=127.0.0.1"]
https = ["tcp:0:interface=127.0.0.1"]
[accounts]
bcrypt_rounds = 4
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, int]]]:
    """Its directory, and the port of each service."""
    directory = tmp_path_factory.mktemp("server")
    (directory / "mailstack.toml").write_text(CONFIG)
    with Process("serve", "-c", str(directory / "mailstack.toml")) as process:
        yield directory, process.services(4)
        assert process.stop() in (0, -15)


def trust(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(directory / "data" / "tls" / "ca.pem"))


def test_clients_find_their_settings_over_https(server: tuple[Path, dict[str, int]]) -> None:
    """AC-02, AC-03, AC-04, AC-05: with the certificate of the server, and the ports that it really has."""
    directory, ports = server
    base = f"https://localhost:{ports['https']}"

    def fetch(path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(base + path, data, timeout=20, context=trust(directory)) as response:
            octets: bytes = response.read()
        return octets

    tree = ET.fromstring(fetch("/mail/config-v1.1.xml?emailaddress=alice%40home.test"))
    assert [each.text for each in tree.iter("port")] == [str(ports["pop3s"]), str(ports["submissions"])]
    asked = ASK.format(address="alice@home.test", schema=OUTLOOK_SCHEMA).encode()
    outlook = fetch("/autodiscover/autodiscover.xml", asked)
    assert f"<Port>{ports['submissions']}</Port>".encode() in outlook
    assert b"mx.home.test" in fetch("/")
    profile = fetch("/profile.mobileconfig?address=alice%40home.test")
    certificates = pkcs7.load_der_pkcs7_certificates(profile)
    assert certificates[0] == load_pem_x509_certificate((directory / "data" / "tls" / "cert.pem").read_bytes())
    inner = profile[profile.index(b"<?xml") : profile.index(b"</plist>") + len(b"</plist>")]
    assert plistlib.loads(inner)["PayloadContent"][0]["OutgoingMailServerPortNumber"] == ports["submissions"]
    assert certificates[0].public_bytes(Encoding.DER) in profile


def test_a_browser_is_spoken_to_in_http_1_and_asked_for_no_certificate(server: tuple[Path, dict[str, int]]) -> None:
    """RFC 7301 §3.2: HTTP is chosen here, where the doors of mail refuse it."""
    directory, ports = server
    context = trust(directory)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("localhost", ports["https"]), 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "http/1.1"
    with socket.create_connection(("localhost", ports["pop3s"]), 20) as plain, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(plain, server_hostname="localhost")


def test_another_name_is_misdirected(server: tuple[Path, dict[str, int]]) -> None:
    directory, ports = server
    connection = HTTPSConnection("localhost", ports["https"], timeout=20, context=trust(directory))
    connection.request("GET", "/", headers={"Host": "evil.test"})
    assert connection.getresponse().status == 421
    connection.close()


def test_check_knows_a_running_server_by_its_page(server: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    directory, ports = server
    text = CONFIG
    for name in ("submissions", "pop3s", "web", "https"):
        text = text.replace(f'{name} = ["tcp:0:', f'{name} = ["tcp:{ports[name]}:')
    (tmp_path / "mailstack.toml").write_text(f'data = "{directory}/data"\n{text}')
    found = command("check", "-c", str(tmp_path / "mailstack.toml"), "--no-dns", "--json")
    told = {each["part"]: each["verdict"] for each in map(json.loads, found.splitlines())}
    assert (told["listen.web"], told["listen.https"]) == ("good", "good")


def test_everything_of_the_web_stands_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "mailstack.toml").write_text(CONFIG + '[web]\nroot = "team/mail"\n')
    with Process("serve", "-c", str(tmp_path / "mailstack.toml")) as process:
        base = f"http://127.0.0.1:{process.services(4)['web']}/"

        def fetch(path: str) -> tuple[str, bytes]:
            with urllib.request.urlopen(base + path, timeout=20) as answer:
                return answer.url, answer.read()

        links = re.findall(rb'(?:src|href)="([^"#]+)"', fetch("team/mail/")[1])
        assert links
        for link in links:
            assert not link.startswith(b"/"), "a link that leads out of the root"
            fetch("team/mail/" + link.decode())
        assert fetch("team/mail")[0] == base + "team/mail/", "a client without the last slash is redirected"
        for outside in ("", "v1/openapi.json", "team/", "team/mail2/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetch(outside)
        assert process.stop() in (0, -15)


def test_dev_has_a_page_with_its_services_and_accounts(tmp_path: Path) -> None:
    """The shape that programs read: `web`, and `web` among the services."""
    with DevProcess(tmp_path) as dev:
        assert dev.web == f"http://127.0.0.1:{dev.port('web')}/"
        with urllib.request.urlopen(dev.web, timeout=20) as response:
            assert b"<title>mailstack</title>" in response.read(), "the inbox"
        with urllib.request.urlopen(dev.web + "server", timeout=20) as response:
            page = response.read().decode()
        for needed in (str(dev.port("pop3s")), "alice@home.test", "ca.pem", "localhost"):
            assert needed in page
        assert str(dev.port("submissions")) in dev.mailstack("setup", "msmtp+mpop", "alice")
        assert dev.stop() == 0


def test_a_server_without_a_page_never_loads_twisteds_web() -> None:
    """What is not listened on costs no memory."""
    kinds = ("twisted.web", "mailstack.web.", "xml.", "plistlib")
    code = f"import sys, mailstack.server.service, mailstack.server.tap, mailstack.sandbox.dev; print([m for m in sys.modules if m == 'mailstack.web' or m.startswith({kinds})])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


ONLY_WHEN_ASKED = (
    "twisted.web.http", "mailstack.web.app", "mailstack.web.api", "mailstack.sandbox.compat",
    "mailstack.web.autoconfig", "email.mime",
)  # fmt: skip


def test_a_dev_environment_loads_its_pages_when_somebody_asks_for_one(tmp_path: Path) -> None:
    """So it is ready sooner, and takes less, where nobody looks at it: as in most tests."""
    code = f"""
import json, sys, urllib.request
from mailstack.testing import LocalMailServer
def loaded(): return sorted(m for m in sys.modules if m.startswith({ONLY_WHEN_ASKED}))
server = LocalMailServer().start()
before = loaded()
urllib.request.urlopen(server.web).read()
print(json.dumps([before, "mailstack.sandbox.compat.routes" in loaded()]))
server.stop()
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(found.stdout) == [[], True], found.stderr


def test_a_dev_environment_that_others_reach_tells_them_no_passwords(tmp_path: Path) -> None:
    """Where one has to log in, the page that all may see must not say how."""
    shown = {}
    for host in ("127.0.0.1", "0.0.0.0"):
        with DevProcess(tmp_path, "--host", host) as dev:
            with urllib.request.urlopen(f"http://127.0.0.1:{dev.port('web')}/server", timeout=20) as answer:
                shown[host] = re.search(rb"<td[^>]*>alice</td>", answer.read()) is not None
            dev.stop()
    assert shown == {"127.0.0.1": True, "0.0.0.0": False}
