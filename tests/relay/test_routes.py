"""Static routes, smart hosts and source addresses of the configuration."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address
from mailstack.letter.patterns import address_pattern, domain_pattern
from mailstack.protocols.connection import Source
from mailstack.relay.routes import RouteError, RouteTarget, SmartHost, SmartHostCredentials, StaticRoutes
from mailstack.relay.routing import SourceAddress, SourceRule, find_source_address
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy, smart_host_policy

ROUTES = StaticRoutes.parse(
    {
        "*": "any.test:1",
        "*.sink.test": "sink.test:2",
        "*.deep.sink.test": "deep.test:3",
        "Exact.sink.test": "exact.test:4",
        "[192.0.2.1]": "127.0.0.1:5",
    }
)


@pytest.mark.parametrize(
    ("domain", "pattern"),
    [
        ("exact.sink.test", "exact.sink.test"),
        ("EXACT.SINK.TEST", "exact.sink.test"),
        ("other.sink.test", "*.sink.test"),
        ("a.b.sink.test", "*.sink.test"),
        ("sink.test", "*"),
        ("deep.sink.test", "*.sink.test"),
        ("x.deep.sink.test", "*.deep.sink.test"),
        ("x.exact.sink.test", "*.sink.test"),
        ("elsewhere.test", "*"),
        ("notsink.test", "*"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[192.0.2.2]", "*"),
    ],
)
def test_the_most_exact_pattern_wins(domain: str, pattern: str) -> None:
    """RLY-06."""
    found = ROUTES.find(domain)
    assert found is not None
    assert found[0] == pattern


def test_a_domain_without_a_route_has_none() -> None:
    assert StaticRoutes.parse({"*.sink.test": "sink.test:25"}).find("elsewhere.test") is None
    assert StaticRoutes().find("elsewhere.test") is None


label = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).filter(
    lambda text: text.strip("-") == text
)
domain = st.lists(label, min_size=1, max_size=5).map(".".join)


@given(domain, st.lists(domain, max_size=5))
def test_a_route_is_found_exactly_for_what_its_pattern_says(name: str, patterns: list[str]) -> None:
    table = {f"*.{pattern}": f"host{number}.test:25" for number, pattern in enumerate(dict.fromkeys(patterns))}
    found = StaticRoutes.parse(table).find(name)
    fitting = [pattern for pattern in table if name.endswith(pattern[1:])]
    assert (found[0] if found else None) == max(fitting, key=len, default=None)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:2525", RouteTarget("127.0.0.1", 2525)),
        ("mx.home.test:25", RouteTarget("mx.home.test", 25)),
        ("mx.home.test.:25", RouteTarget("mx.home.test", 25)),
        ("Relay.test:25", RouteTarget("relay.test", 25)),
        ("[::1]:2525", RouteTarget("::1", 2525)),
        ("[2001:DB8::1]:25", RouteTarget("2001:db8::1", 25)),
        ("[192.0.2.1]:25", RouteTarget("192.0.2.1", 25)),
        ("mail_relay:25", RouteTarget("mail_relay", 25)),
    ],
)
def test_a_target_is_host_and_port(text: str, target: RouteTarget) -> None:
    assert RouteTarget.parse(text) == target


@pytest.mark.parametrize(
    "text",
    [
        None, 25, "", "host", "host:", ":25", "host:0", "host:65536", "host:99999999", "host:\u0662", "::1:25",
        "::1:\u0662", "[host]:25", "[1.2.3]:25", "[::1%eth0]:25", "a b:25", "a..b:25", "-a.test:25",
        f"{'a' * 64}.test:25", "host:25\n", "user@host:25",
    ],
)  # fmt: skip
def test_what_is_no_target_is_said(text: object) -> None:
    with pytest.raises(RouteError, match=r'^a host and a port such as "mx\.home\.test:25"') as caught:
        StaticRoutes.parse({"sink.test": text})
    assert caught.value.given == text


@given(st.one_of(st.text(max_size=60), st.from_regex(r"\A\S{1,20}:[0-9]{1,6}\Z")))
def test_any_text_is_a_target_or_an_error(text: str) -> None:
    with contextlib.suppress(RouteError):
        target = RouteTarget.parse(text)
        again = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
        assert RouteTarget.parse(again) == target


@pytest.mark.parametrize(
    "pattern",
    ["", "*.", "**", "*.*", "a*.test", "a.*", "a b", ".test", "*sink.test", "[1.2.3]", "*.[192.0.2.1]", "-a.test"],
)
def test_what_is_no_pattern_is_said(pattern: str) -> None:
    with pytest.raises(RouteError, match=r'^a domain such as "elsewhere\.test"') as caught:
        StaticRoutes.parse({pattern: "host:25"})
    assert caught.value.given == pattern


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*", "*"),
        ("Sink.Test.", "sink.test"),
        ("*.Sink.Test", "*.sink.test"),
        ("_tcp.sink.test", "_tcp.sink.test"),
        ("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"),
    ],
)
def test_a_pattern_is_kept_as_domains_are_compared(pattern: str, kept: str) -> None:
    assert StaticRoutes.parse({pattern: "host:25"}) == StaticRoutes({kept: RouteTarget("host", 25)})


@pytest.mark.parametrize(
    ("url", "smart_host"),
    [
        ("smtp://relay.test", SmartHost(RouteTarget("relay.test", 25), implicit_tls=False)),
        ("smtp://relay.test:2525/", SmartHost(RouteTarget("relay.test", 2525), implicit_tls=False)),
        ("smtps://relay.test", SmartHost(RouteTarget("relay.test", 465), implicit_tls=True)),
        (
            "smtp://alice%40home.test:p%40ss%3A@relay.test",
            SmartHost(
                RouteTarget("relay.test", 587),
                implicit_tls=False,
                credentials=SmartHostCredentials("alice@home.test", "p@ss:"),
            ),
        ),
        (
            "smtp://u%40home.test:p%3Aw@[::1]:26",
            SmartHost(
                RouteTarget("::1", 26), implicit_tls=False, credentials=SmartHostCredentials("u@home.test", "p:w")
            ),
        ),
        (
            "smtps://alice:secret@[::1]:4650",
            SmartHost(RouteTarget("::1", 4650), implicit_tls=True, credentials=SmartHostCredentials("alice", "secret")),
        ),
    ],
)
def test_a_smart_host_is_a_url(url: str, smart_host: SmartHost) -> None:
    """RLY-23."""
    assert SmartHost.parse(url) == smart_host


def test_a_password_may_come_from_elsewhere() -> None:
    found = SmartHost.parse("smtp://alice@relay.test", "secret")
    assert found.credentials == SmartHostCredentials("alice", "secret")
    assert found.target.port == 587


def test_a_password_may_be_left_for_later_only_in_so_many_words() -> None:
    assert SmartHost.parse("smtp://alice@relay.test", "").credentials == SmartHostCredentials("alice", "")
    for url in ("smtp://alice@relay.test", "smtp://alice:@relay.test"):
        with pytest.raises(RouteError, match=r"^a password for the user"):
            SmartHost.parse(url)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(SmartHost.parse("smtp://alice:secret@relay.test"))


@pytest.mark.parametrize(
    "url",
    [
        "smtp://alice:secret@relay.test:x", "smtp://alice:secret@relay.test:70000", "smtp://alice:secret@relay.test/x",
        "smtp://alice:secret/x@relay.test", "smtp://alice:x/secret@relay.test", "smtp://alice:x?secret@relay.test",
        "smtp://alice:x#secret@relay.test", "smtp://alice:x[secret@relay.test", "smtp://alice:secret@relay test",
        "smtp://:secret@relay.test", "http://alice:secret@relay.test",
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_smart_host_never_tells_a_password(url: str) -> None:
    with pytest.raises(RouteError, match=r"^a URL such as") as caught:
        SmartHost.parse(url)
    assert "secret" not in str(caught.value)
    assert caught.value.given is None
    assert caught.value.__cause__ is None


def test_a_smart_host_that_is_no_text_is_refused() -> None:
    with pytest.raises(RouteError):
        SmartHost.parse(5)


@pytest.mark.parametrize(
    "url",
    [
        "", "relay.test", "http://relay.test", "smtp://", "smtp://:25", "smtp://relay.test/path", "smtp://relay.test//",
        "smtp://a#b", "smtp://relay.test?x=1", "smtp://relay.test:x", "smtp://relay.test:0", "smtp://relay.test:70000",
        "smtp://alice@relay.test", "smtp://[::1", "smtp://a b",
    ],
)  # fmt: skip
def test_what_is_no_smart_host_is_said(url: str) -> None:
    with pytest.raises(RouteError):
        SmartHost.parse(url)


@given(st.text(max_size=60))
def test_any_text_is_a_smart_host_or_an_error(text: str) -> None:
    for url in (text, f"smtp://{text}"):
        with contextlib.suppress(RouteError):
            SmartHost.parse(url)


@pytest.mark.parametrize(
    ("url", "security"),
    [
        ("smtp://relay.test", TlsPolicy()),
        ("smtp://alice:x@relay.test", TlsPolicy(TlsLevel.VERIFIED)),
        ("smtps://relay.test", TlsPolicy(TlsLevel.VERIFIED, implicit=True)),
    ],
)
def test_a_password_goes_only_over_verified_tls(url: str, security: TlsPolicy) -> None:
    """RLY-23."""
    assert smart_host_policy(SmartHost.parse(url)) == security


def test_a_route_may_speak_lmtp():
    """RFC 2033: over TCP, or a socket of this machine."""
    assert RouteTarget.parse("lmtp://mx.home.test:24") == RouteTarget("mx.home.test", 24, lmtp=True)
    assert RouteTarget.parse("lmtp://[::1]:24") == RouteTarget("::1", 24, lmtp=True)
    assert RouteTarget.parse("lmtp:unix:/run/lmtp") == RouteTarget("/run/lmtp", 0, lmtp=True)
    for wrong in ("lmtp://host", "lmtp:host:24", "lmtp:unix:run/lmtp", "lmtp:unix:/" + "x" * 200, "lmtp://lmtp://a:1"):
        with pytest.raises(RouteError):
            RouteTarget.parse(wrong)


NEWS = SourceAddress(Source("192.0.2.7", "2001:db8::7"), "news.home.test")
FOUR = SourceAddress(Source("192.0.2.8"))
NAME = SourceAddress(ehlo_name="out.home.test")
RULES = (
    SourceRule(
        NEWS, (address_pattern("*@news.home.test"), address_pattern("<>")), (domain_pattern("*.elsewhere.test"),)
    ),
    SourceRule(FOUR, (address_pattern("alice@home.test"),)),
    SourceRule(NAME, (), (domain_pattern("elsewhere.test"),)),
)


@pytest.mark.parametrize(
    ("sender", "domain", "origin"),
    [
        ("x@news.home.test", "a.elsewhere.test", NEWS),
        ("X@News.Home.Test", "A.Elsewhere.Test.", NEWS),
        (None, "a.elsewhere.test", NEWS),
        ("x@news.home.test", "third.test", None),
        ("alice@home.test", "third.test", FOUR),
        ("alice@home.test", "elsewhere.test", FOUR),
        ("bob@home.test", "elsewhere.test", NAME),
        (None, "elsewhere.test", NAME),
        ("bob@home.test", "[192.0.2.1]", None),
    ],
)
def test_the_first_rule_that_fits_decides(sender: str | None, domain: str, origin: SourceAddress | None) -> None:
    assert find_source_address(RULES, Address.parse(sender) if sender else None, domain) == origin


def test_a_family_without_an_address_of_its_own_is_not_called() -> None:
    assert NEWS.can_reach("192.0.2.1")
    assert NEWS.can_reach("2001:db8::1")
    assert FOUR.can_reach("192.0.2.1")
    assert not FOUR.can_reach("2001:db8::1")
    assert NAME.can_reach("2001:db8::1")
