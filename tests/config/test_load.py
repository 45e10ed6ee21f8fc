"""Configuration from file and environment, with file, line, key and cure of each problem."""

from __future__ import annotations

import socket
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.config import Config, ConfigError, ExchangeSettings, load
from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.relay.routes import RouteTarget, SmartHost, StaticRoutes

CONTRACT = """\
hostname = "mx.home.test"
data = "data"
domains = ["home.test"]
store = "sqlite"

[listen]
submission  = ["tcp:587"]
submissions = ["tcp:465"]
mx          = ["tcp:25"]
pop3        = ["tcp:110"]
pop3s       = ["tcp:995"]
imap        = []

[tls]
certificate = "fullchain.pem"
key = "privkey.pem"

[accounts]
bcrypt_rounds = 12
require_tls = true

[submission]
max_size = 52428800
max_recipients = 1000

[relay]
from = ["192.0.2.0/24"]
nameservers = ["127.0.0.1:5353"]
smart_host = "smtp://user:pw@host:587"
port = 25
[relay.routes]
"elsewhere.test" = "127.0.0.1:2525"
[relay.schedule]
first = "5m"
longest = "4h"
warn_after = "4h"
give_up_after = "5d"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mailstack.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    """The lines of the error, the folder cut off."""
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def test_the_whole_file_becomes_typed_values(tmp_path: Path) -> None:
    (tmp_path / "fullchain.pem").touch()
    (tmp_path / "privkey.pem").touch()
    config = load(written(tmp_path, CONTRACT), {})
    assert config.hostname == "mx.home.test"
    assert config.data == tmp_path / "data"
    assert config.domains == ("home.test",)
    assert config.listen.submission == ("tcp:587",)
    assert config.listen.imap == ()
    assert config.tls.certificate == tmp_path / "fullchain.pem"
    assert config.relay.relay_from == ("192.0.2.0/24",)
    assert config.relay.nameservers == (HostPort("127.0.0.1", 5353),)
    assert config.relay.smart_host == (SmartHost.parse("smtp://user:pw@host:587"),)
    assert config.relay.routes == StaticRoutes({"elsewhere.test": RouteTarget("127.0.0.1", 2525)})
    assert config.relay.schedule.first == 300.0
    assert config.relay.schedule.give_up_after == 432000.0


def test_without_a_file_there_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.Home.test")
    config = load(None, {})
    assert config == Config(hostname=config.hostname, data=tmp_path / "data")
    assert config.hostname == "box.home.test"


def test_a_machine_without_a_usable_name_must_be_told_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my box")
    [problem] = problems(tmp_path, "")
    assert problem.startswith("mailstack.toml: hostname: this machine's own name is no domain name; set it")


def test_a_wrong_value_is_told_with_file_line_key_and_what_was_expected(tmp_path: Path) -> None:
    assert problems(tmp_path, 'hostname = "a.test"\n\n[relay]\nport = "abc"\n') == [
        'mailstack.toml:4: relay.port: expected a whole number from 1 to 65535, got "abc"'
    ]


def test_an_extension_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    """EXT-02: the start is stopped."""
    path = tmp_path / "mailstack.toml"
    path.write_text('[exchange]\nwithhold = ["dsn-x", "size"]\n')
    with pytest.raises(ConfigError, match=r"exchange\.withhold\[0\]: expected one of .*DELIVERBY, .*SIZE, .*, got"):
        load(path, {})
    path.write_text('domains = ["home.test"]\nhostname = "mx.home.test"\n[exchange]\nwithhold = ["size", "LIMITS"]\n')
    assert load(path, {}).exchange.withhold == ("SIZE", "LIMITS")


def test_an_unknown_key_is_told_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert problems(tmp_path, '[relay]\nprot = 25\n[relay.schedule]\nfirts = "5m"\nzzz = 1\n') == [
        'mailstack.toml:2: relay.prot: unknown key; did you mean "port"?',
        'mailstack.toml:4: relay.schedule.firts: unknown key; did you mean "first"?',
        "mailstack.toml:5: relay.schedule.zzz: unknown key; known here: first, longest, warn_after, give_up_after",
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
domians = ["home.test"]
hostname = "a b"
listen = 5
[relay]
from = ["10.0.0.0/8", "10.0.0.1/8"]
tls = "maybe"
[relay.routes]
"a.test" = "nowhere"
[accounts]
require_tls = "yes"
[submission]
max_size = "50MB"
"""
    assert [problem.split(":")[1:3] for problem in problems(tmp_path, text)] == [
        ["1", " domians"],
        ["2", " hostname"],
        ["3", " listen"],
        ["5", " relay.from[1]"],
        ["6", " relay.tls"],
        ["8", ' relay.routes."a.test"'],
        ["10", " accounts.require_tls"],
        ["12", " submission.max_size"],
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("domains = 'home.test'", 'domains: expected a list in brackets, got "home.test"'),
        ("[tls_reports]\ncontact = 5", "tls_reports.contact: expected a text in quotes, got 5"),
        ("store = 5", 'store: expected "sqlite", or a URL such as "postgresql://mailstack@db.home.test/mailstack"'),
        ("relay = []", "relay: expected a table, got []"),
        ("[relay]\nroutes = 1", "relay.routes: expected a table, got 1"),
        ("[accounts]\nbcrypt_rounds = true", "accounts.bcrypt_rounds: expected a whole number from 4 to 20, got true"),
        ("[limits]\nerrors = 0", "limits.errors: expected a whole number from 1 to 1000000, got 0"),
        ("[log]\nlevel = 'loud'", 'log.level: expected "debug" or "info" or "warn" or "error", got "loud"'),
        ("[listen]\nmx = ['25']", 'listen.mx[0]: expected a Twisted endpoint description such as "tcp:587"'),
        ("data = 1979-05-27", 'data: expected a path, in quotes, got "1979-05-27"'),
    ],
)
def test_a_wrong_type_is_told_in_words(tmp_path: Path, text: str, told: str) -> None:
    [problem] = problems(tmp_path, text)
    assert told in problem


def test_each_wrong_route_is_told_at_its_line(tmp_path: Path) -> None:
    text = """\
[relay.routes]
"good.test" = "127.0.0.1:25"
"a b" = "127.0.0.1:25"
"a.*" = "127.0.0.1:25"
"b.test" = "nowhere"
"c.test" = 25
"""
    domain = (
        'expected a domain such as "elsewhere.test", "*.elsewhere.test" for its subdomains, or "*"'
        " (the domain is not a name of letters, digits, hyphens and dots), got"
    )
    target = 'expected a host and a port such as "mx.home.test:25", "127.0.0.1:2525" or "[::1]:2525", or "lmtp://host:24" or "lmtp:unix:/run/lmtp", got'
    assert problems(tmp_path, text) == [
        f'mailstack.toml:3: relay.routes."a b": {domain} "a b"',
        f'mailstack.toml:4: relay.routes."a.*": {domain} "a.*"',
        f'mailstack.toml:5: relay.routes."b.test": {target} "nowhere"',
        f'mailstack.toml:6: relay.routes."c.test": {target} 25',
    ]


def test_a_wrong_smart_host_is_told_without_its_password(tmp_path: Path) -> None:
    assert problems(tmp_path, '[relay]\nsmart_host = "smtp://user:x/hunter2@relay.test"\n') == [
        'mailstack.toml:2: relay.smart_host: expected a URL such as "smtp://user@host:587" or "smtps://user@host:465"'
    ]


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, f'[relay]\nport = "{"9" * 5000}"')
    assert len(problem) < 200


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, 'hostname = "a.test"\nport 25\n')
    assert problem.startswith("mailstack.toml:2: is not TOML: Expected '='")
    [problem] = problems(tmp_path, "hostname = a.test\n")
    assert problem == 'mailstack.toml:1: is not TOML: Invalid value; put text in quotes, as in name = "value"'
    [problem] = problems(tmp_path, 'hostname = "a.test"\nstore = [\n')
    assert problem.startswith("mailstack.toml:3: is not TOML: ")
    [problem] = problems(tmp_path, "data = 'a'\ndata = 'b'\n")
    assert problem.startswith("mailstack.toml:2: is not TOML: Cannot overwrite a value")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file or directory; -c FILE"):
        load(tmp_path / "absent.toml", {})
    path = tmp_path / "latin.toml"
    path.write_bytes(b'hostname = "a.test"\n# \xe4\n')
    with pytest.raises(ConfigError, match=r"latin\.toml:2: is not UTF-8"):
        load(path, {})


ENVIRONMENT = [
    ("HOSTNAME", "other.home.test", "hostname", "other.home.test"),
    ("DOMAINS", "a.test, b.test,", "domains", ("a.test", "b.test")),
    ("RELAY__PORT", "2525", "relay.port", 2525),
    ("RELAY__FROM", '["10.0.0.0/8"]', "relay.relay_from", ("10.0.0.0/8",)),
    ("RELAY__ROUTES", '{"*" = "[::1]:26"}', "relay.routes", StaticRoutes({"*": RouteTarget("::1", 26)})),
    ("RELAY__SCHEDULE__FIRST", "2s", "relay.schedule.first", 2.0),
    ("RELAY__TLS", "never", "relay.tls", "never"),
    ("EXCHANGE__MAX_SIZE", "1MiB", "exchange.max_size", 1 << 20),
    ("EXCHANGE__MAX_RECIPIENTS", "200", "exchange.max_recipients", 200),
    ("ACCOUNTS__REQUIRE_TLS", "false", "accounts.require_tls", False),
    ("SUBMISSION__MAX_SIZE", "10MiB", "submission.max_size", 10 << 20),
    ("LISTEN__MX", "tcp:2525:interface=127.0.0.1", "listen.mx", ("tcp:2525:interface=127.0.0.1",)),
    ("DELIVERY__POSTMASTER", "root@a.test", "delivery.postmaster", Address("root", "a.test")),
]


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    environ = {f"MAILSTACK_{name}": text for name, text, _, _ in ENVIRONMENT}
    environ |= {"MAILSTACK_DATA": "elsewhere", "MAILSTACK_RELAY__CA_FILE": "mailstack.toml", "HOME": "/root"}
    config = load(written(tmp_path, '[relay]\nport = 25\n[listen]\nmx = ["tcp:25"]\n'), environ)
    for _, _, key, value in ENVIRONMENT:
        assert attrgetter(key)(config) == value, key
    assert config.data == tmp_path / "elsewhere"
    assert config.relay.ca_file == tmp_path / "mailstack.toml"


def test_an_empty_variable_takes_a_setting_back(tmp_path: Path) -> None:
    text = '[delivery]\npostmaster = "root@a.test"\n[listen]\nmx = ["tcp:25"]\n'
    config = load(written(tmp_path, text), {"MAILSTACK_DELIVERY__POSTMASTER": "", "MAILSTACK_LISTEN__MX": ""})
    assert config.delivery.postmaster is None
    assert config.listen.mx == ()


def test_what_other_hosts_may_hand_in_is_left_open(tmp_path: Path) -> None:
    """None is as in [submission], whose max_size is what SIZE announces."""
    text = '[exchange]\nmax_size = "1MiB"\nmax_recipients = 5\n'
    assert load(written(tmp_path, ""), {}).exchange == ExchangeSettings()
    environ = {"MAILSTACK_EXCHANGE__MAX_SIZE": "", "MAILSTACK_EXCHANGE__MAX_RECIPIENTS": ""}
    assert load(written(tmp_path, text), environ).exchange == ExchangeSettings(max_size=None, max_recipients=None)


def test_a_mistake_in_the_environment_is_told_by_the_variables_name(tmp_path: Path) -> None:
    wrong = {"RELAY__PORT": "abc", "RELAY__PROT": "25", "HOSTNAM": "x", "RELY__PORT": "1"}
    assert problems(tmp_path, "", **{f"MAILSTACK_{name}": text for name, text in wrong.items()}) == [
        'MAILSTACK_HOSTNAM: hostnam: unknown key; did you mean "hostname"?',
        'MAILSTACK_RELAY__PORT: relay.port: expected a whole number from 1 to 65535, got "abc"',
        'MAILSTACK_RELAY__PROT: relay.prot: unknown key; did you mean "port"?',
        'MAILSTACK_RELY__PORT: rely: unknown key; did you mean "relay"?',
    ]


def test_variables_that_a_container_platform_makes_are_not_ours(tmp_path: Path) -> None:
    ours = {"CONFIG": "x", "PORT": "tcp://10.0.0.1:25", "PORT_25_TCP_ADDR": "10.0.0.1"}
    platform = {**ours, "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "25"}
    environ = {f"MAILSTACK_{name}": text for name, text in platform.items()}
    assert load(written(tmp_path, ""), environ) == load(written(tmp_path, ""), {})


VARIABLES = [f"MAILSTACK_{name}" for name in ("RELAY", "RELAY__PORT", "RELAY__", "DOMAINS", "__", "RELAY__ROUTES__X")]


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(alphabet='a1,.[]{}="\n ', max_size=10)))
def test_any_environment_is_taken_or_refused(environ: dict[str, str]) -> None:
    with suppress(ConfigError):
        load(None, environ)
