"""Endpoint descriptions, compared with Twisted's parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor

from mailstack.config.syntax import port_of, read_endpoint

GOOD = [
    ("tcp:25", ("", 25)),
    ("tcp:0", ("", 0)),
    ("tcp:port=587", ("", 587)),
    ("tcp:587:interface=127.0.0.1", ("127.0.0.1", 587)),
    ("tcp:interface=127.0.0.1:port=587", ("127.0.0.1", 587)),
    (r"tcp:587:interface=\:\:1:backlog=500", ("::1", 587)),
    (r"tcp6:587:interface=\:\:1", ("::1", 587)),
    ("tcp6:587", ("::", 587)),
]


@pytest.mark.parametrize(("text", "port"), GOOD)
def test_a_tcp_description_is_taken_by_us_and_by_twisted(text: str, port: tuple[str, int]) -> None:
    assert read_endpoint(text) == text
    assert port_of(text) == port
    serverFromString(MemoryReactor(), text)


@pytest.mark.parametrize("text", ["systemd:domain=INET:index=0", "unix:/run/mail.sock"])
def test_other_types_are_passed_on(text: str) -> None:
    assert read_endpoint(text) == text
    assert port_of(text) is None


@pytest.mark.parametrize("value", ["", ":", "tcp", "tcp:", "TCP:25", "127.0.0.1:25", 25, None])
def test_a_value_without_a_port_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match='endpoint description such as "tcp:587"'):
        read_endpoint(value)


INTERFACES = ["25:interface=localhost", "25:interface=::1"]


@pytest.mark.parametrize(
    "text",
    [
        "65536",
        "-1",
        "smtp",
        "\u0662\u0665",
        *INTERFACES,
        "25:backlog=many",
        "25:26",
        "25:port=26",
        "25:\\",
        "25:shared=1",
    ],
)
def test_a_tcp_description_that_cannot_listen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='endpoint description such as "tcp:587"'):
        read_endpoint(f"tcp:{text}")


def test_the_usual_mistakes_are_told_how_to_be_cured() -> None:
    with pytest.raises(ValueError, match='write "tcp:587"'):
        read_endpoint("587")
    with pytest.raises(ValueError, match="escaped colons"):
        read_endpoint("tcp:587:interface=::1")
    with pytest.raises(ValueError, match="the service adds TLS itself"):
        read_endpoint("ssl:465:privateKey=key.pem")


@given(st.text(alphabet="tcp6:=\\0159.interfaceporbackl", max_size=40))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        read_endpoint(text)
    except ValueError:
        return
    port_of(text)


@given(st.text(alphabet=":=\\0159.interface", max_size=20))
def test_what_we_take_as_tcp_twisted_takes_too(text: str) -> None:
    try:
        read_endpoint(f"tcp:{text}")
    except ValueError:
        return
    serverFromString(MemoryReactor(), f"tcp:{text}")


def test_an_endpoint_behind_a_proxy_is_a_tcp_port() -> None:
    assert read_endpoint("haproxy:tcp:25:interface=127.0.0.1") == "haproxy:tcp:25:interface=127.0.0.1"
    assert port_of("haproxy:tcp:25:interface=127.0.0.1") == ("127.0.0.1", 25)
    for wrong in ("haproxy:unix:/run/mail.sock", "haproxy:haproxy:tcp:25", "haproxy:", "haproxy:25"):
        with pytest.raises(ValueError, match="endpoint"):
            read_endpoint(wrong)
