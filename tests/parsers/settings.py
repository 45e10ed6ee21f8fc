"""Configuration of an operator: a value, or a message that says what was expected."""

from __future__ import annotations

import tomllib
from typing import Any

from mailstack.config import ConfigError
from mailstack.config.load import load
from mailstack.config.source import key_lines, line_of
from mailstack.config.syntax import port_of
from mailstack.config.values import READERS, read_blocked
from mailstack.queue.webhooks.webhook import MAX_SECRETS, BadSecret, read_secrets
from mailstack.relay.routes import RouteError, RouteTarget, StaticRoutes
from mailstack.sandbox.faults.rule import Fault, read_json_rules, read_rules
from tests.parsers.parser import Parser, scratch, text, unless

_SEEDS = (
    b"5m", b"1h30m", b"50 MiB", b"haproxy:tcp:25:interface=\\:\\:1:backlog=5", b"tcp:port=587", b"Home.Test.",
    "bücher.test".encode(), b"192.0.2.0/24", b"@spam.test", b"127.0.0.1:5353", b"[::1]:5353",
    b"smtps://user:p%40ss@mx.test:465/", b"smtp://[::1]", b"chunking", b"a@b.test", b"https://hooks.test:8443/mail?a=b",
    b"billing_2", b"0",
)  # fmt: skip


def _values(octets: bytes) -> None:
    """Each reader gives a value that it would take again, or raises ValueError with a text for people."""
    for read in READERS.values():
        try:
            value = read(text(octets))
        except ValueError as error:
            assert str(error)
            continue
        if isinstance(value, str | int) and read is not read_blocked:  # a key, which has no quotes
            read(value)


@unless(ValueError)
def _endpoint(octets: bytes) -> None:
    """A description that was taken has a port that is one, if it is of TCP."""
    from mailstack.config.syntax import read_endpoint

    found = port_of(read_endpoint(text(octets)))
    assert found is None or 0 <= found[1] <= 65535


@unless(RouteError)
def _routes(octets: bytes) -> None:
    pattern, _, target = text(octets).partition(" ")
    routes = StaticRoutes.parse({pattern: target})
    found = routes.find(pattern.removeprefix("*.") or "x.test")
    assert found is None or RouteTarget.parse(target) == found[1]


@unless(BadSecret)
def _secrets(octets: bytes) -> None:
    """Some secrets of a length that is allowed, or why not, without telling them."""
    found = read_secrets(text(octets))
    assert 1 <= len(found) <= MAX_SECRETS
    assert all(24 <= len(key) <= 64 for key in found)


@unless(tomllib.TOMLDecodeError)
def _positions(octets: bytes) -> None:
    """Every table and key of a text that is TOML stands on a line of it."""
    source = text(octets)
    given = tomllib.loads(source)
    lines = key_lines(source)
    count = source.count("\n") + 1
    for name in given:
        line = line_of(lines, (name,))
        assert line is not None, (name, lines)
        assert 1 <= line <= count


@unless(ConfigError)
def _file(octets: bytes) -> None:
    """A whole configuration, or its problems with file and line. The environment's texts are read as well."""
    file = scratch("settings") / "mailstack.toml"
    file.write_bytes(octets)
    first = text(octets.partition(b"\n")[0]).replace("\0", "")
    environ: dict[str, Any] = {"MAILSTACK_RELAY__PORT": first, "MAILSTACK_LIMITS__CONNECTIONS": "7"}
    try:
        load(file, {})
    except ConfigError as error:
        assert all(problem.trouble for problem in error.problems)
    load(file, environ)


@unless(ValueError)
def _faults(octets: bytes) -> None:
    """A rule that was read is the same when it is written and read again."""
    for rule in read_rules(octets):
        assert Fault.from_json(rule.to_json()) == rule


@unless(ValueError)
def _json_faults(octets: bytes) -> None:
    """The same, in JSON."""
    for rule in read_json_rules(octets):
        assert Fault.from_json(rule.to_json()) == rule


PARSERS = (
    Parser(
        "json-faults",
        ("sandbox.faults.rule", "sandbox.faults.rule"),
        _json_faults,
        (b'[{"at": "rcpt", "reply": "451 no", "times": 2}, {"at": "final", "drop": "before"}]',),
    ),
    Parser(
        "sandbox.faults",
        ("sandbox.faults.rule", "sandbox.faults.rule"),
        _faults,
        (
            b'[[fault]]\nat = "rcpt"\nrecipient = "*@b.test"\nreply = "452 4.2.2 mailbox full"\ntimes = 2\n',
            b'[[fault]]\nat = "protocols.pop3.retr"\ndelay = "30s"\nprobability = 0.5\n[[fault]]\nat = "tls"\ntls = "expired"\n',
            b'[[fault]]\nat = "ehlo"\nwithout = ["STARTTLS"]\n',
        ),
    ),
    Parser("setting", ("config.values", "letter.times", "config.syntax", "relay.routes"), _values, _SEEDS),
    Parser("endpoint", ("config.syntax",), _endpoint, _SEEDS),
    Parser(
        "routes",
        ("relay.routes", "letter.patterns"),
        _routes,
        (
            b"elsewhere.test mx.x.test:25",
            b"x.test lmtp:unix:/run/x",
            b"x.test lmtp:h:24",
            b"*.x.test [::1]:2525",
            b"* 127.0.0.1:25",
            "*.bücher.test a:1".encode(),
        ),
    ),
    Parser(
        "webhook-secrets",
        ("queue.webhooks.webhook",),
        _secrets,
        (b"# of May\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\nwhsec_" + b"QUJD" * 16, b"whsec_%%", b"hunter2"),
    ),
    Parser(
        "toml-positions",
        ("config.source",),
        _positions,
        (b'a = """\n]""" # x\n[b."c d"]\ne.f = [ # [\n{g = 1},\n]\n[[h]]\n', b"'x' = '''\n'''\n[a]\n[a.b]\nc=1"),
    ),
    Parser(
        "configuration",
        ("config.load", "config.source", "config.load", "config.checks"),
        _file,
        (
            b'hostname = "mx.home.test"\ndomains = ["home.test"]\n[listen]\nmx = ["tcp:25"]\n[relay.schedule]\nfirst = "5m"\n',
            b'[relay]\nsmart_host = "smtp://u@h"\nfrom = ["192.0.2.0/24"]\n[relay.routes]\n"*" = "h:25"\n',
            b"[limits]\nconnections = -1\nunknown = 2\n",
            b"\xff",
        ),
    ),
)
