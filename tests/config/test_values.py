"""Parsers of names, networks, hosts, URLs and sizes in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.config.syntax import MAX_SIZE, UNITS, read_size, read_size_or_none
from mailstack.config.values import (
    READERS,
    read_address,
    read_domain,
    read_hook_name,
    read_host_name,
    read_ip,
    read_nameserver,
    read_network,
    read_origin,
    read_path,
    read_smart_host,
    read_web_root,
    read_web_url,
)
from mailstack.letter.envelope import HostPort
from mailstack.relay.routes import SmartHost

GOOD: list[tuple[Callable[[object], object], str, object]] = [
    (read_domain, "Home.Test", "home.test"),
    (read_domain, "home.test.", "home.test"),
    (read_domain, "[192.0.2.1]", "[192.0.2.1]"),
    (read_domain, "Österreich.test", "xn--sterreich-z7a.test"),
    (read_host_name, "MX.home.test", "mx.home.test"),
    (read_host_name, "", ""),
    (read_network, "10.0.0.0/8", "10.0.0.0/8"),
    (read_network, "127.0.0.1", "127.0.0.1/32"),
    (read_network, "2001:DB8::/32", "2001:db8::/32"),
    (read_hook_name, "Billing_2", "Billing_2"),
    (read_web_url, "https://hooks.test:8443/mail?a=b", "https://hooks.test:8443/mail?a=b"),
    (read_web_url, "http://[::1]:80/", "http://[::1]:80/"),
    (read_web_root, "team/mail", "/team/mail/"),
    (read_web_root, "//", "/"),
    (read_origin, "HTTP://LocalHost:3000", "http://localhost:3000"),
    (read_origin, "https://[::1]", "https://[::1]"),
    (read_ip, "2001:DB8::1", "2001:db8::1"),
    (read_ip, "", ""),
    (read_nameserver, "127.0.0.1:5353", HostPort("127.0.0.1", 5353)),
    (read_nameserver, "127.0.0.1", HostPort("127.0.0.1", 53)),
    (read_nameserver, "::1", HostPort("::1", 53)),
    (read_nameserver, "[::1]:5353", HostPort("::1", 5353)),
    (read_smart_host, "smtp://relay.test", SmartHost.parse("smtp://relay.test")),
    (read_smart_host, "smtp://user@relay.test", SmartHost.parse("smtp://user@relay.test", "")),
    (read_smart_host, "smtps://user:pw@relay.test/", SmartHost.parse("smtps://user@relay.test", "pw")),
]

BAD: list[tuple[Callable[[object], object], list[object]]] = [
    (read_domain, ["", "a b", "home..test", "öster reich.test", "-ö.test", "-a.test", "[1.2.3]", 5, "a" * 256]),
    (read_host_name, ["[192.0.2.1]", "a b", 5]),
    (read_network, ["10.0.0.1/8", "10.0.0.0/33", "home.test", "", 5]),
    (read_web_root, ["/a b/", "/a?b", "/ä/", "/../x", 5]),
    (read_origin, ["*", "localhost:3000", "http://a.test/", "ftp://a.test", "http://", 5]),
    (read_ip, ["localhost", "1.2.3", 5]),
    (read_nameserver, ["ns.test", "ns.test:53", "127.0.0.1:0", "", 5]),
    (read_smart_host, ["relay.test", "http://relay.test", "smtp://", "smtp://:pw@a", 5]),
    (read_hook_name, ["", "a b", "a" * 41, "é", 5]),
    (read_web_url, ["", "hooks.test", "ftp://a.test", "https://", "https://u:p@a.test/", "https://a.test/#b", 5]),
    (read_web_url, ["https://a.test:0/", "https://a.test:x/", "https://a b/", "https://ü.test/", "https://[::1/"]),
    (read_address, ["", "alice", "alice@", "@home.test", 5]),
    (read_path, ["", "a\0b", 5]),
]


@pytest.mark.parametrize(("read", "text", "value"), GOOD)
def test_a_value_is_read(read: Callable[[object], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(("read", "value"), [(read, value) for read, values in BAD for value in values])
def test_a_wrong_value_is_refused(read: Callable[[object], object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^(a|an|the) "):
        read(value)


@pytest.mark.parametrize("read", READERS.values())
def test_every_reader_refuses_hostile_values_with_value_error_only(read: Callable[[object], object]) -> None:
    @given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())))
    def refuses(value: object) -> None:
        with suppress(ValueError):
            read(value)

    refuses()


def test_a_smart_host_never_shows_its_password() -> None:
    assert "hunter2" not in repr(read_smart_host("smtp://user:hunter2@relay.test"))
    with pytest.raises(ValueError, match="a URL such as") as caught:
        read_smart_host("smtp://user:hunter2@relay.test:x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "octets"),
    [(1, 1), (52428800, 52428800), ("50MiB", 52428800), ("64 KiB", 65536), ("1GiB", 1 << 30), ("1000", 1000)],
)
def test_a_size_is_in_octets(value: object, octets: int) -> None:
    assert read_size(value) == octets


@pytest.mark.parametrize(
    "value", [0, -1, True, 1.5, "0", "", "50MB", "50 mib", "MiB", "-1KiB", MAX_SIZE + 1, "9999GiB", None]
)
def test_what_is_no_size_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match='such as "50MiB"'):
        read_size(value)


@given(st.integers(1, 1024), st.sampled_from(list(UNITS)))
def test_a_unit_is_a_factor(count: int, unit: str) -> None:
    assert read_size(f"{count}{unit}") == count * UNITS[unit]


@pytest.mark.parametrize(("value", "octets"), [(0, 0), ("0", 0), (1, 1), ("2GiB", 2 << 30)])
def test_a_limit_may_be_none(value: object, octets: int) -> None:
    assert read_size_or_none(value) == octets


@pytest.mark.parametrize("value", [False, -1, "", "none", None, 0.5])
def test_what_is_no_limit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="0, or a size"):
        read_size_or_none(value)
