"""PTR-01: a client's name counts only when it leads back to the client's address (RFC 8601 §2.7.3)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from mailstack.policy.dns_checks import ClientNames
from tests.aid import run
from tests.policy.visitor import Dns, Now

PTR = "PTR 198.51.100.7"


def names(dns: Dns, spawned: list[Coroutine[Any, Any, None]] | None = None, **limits: Any) -> ClientNames:
    return ClientNames(dns, Now(), run if spawned is None else spawned.append, **limits)


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ({PTR: ("mx.other.test",), "A mx.other.test": ("198.51.100.7",)}, "mx.other.test"),
        ({PTR: ("MX.Other.test",), "A mx.other.test": ("192.0.2.1", "198.51.100.7")}, "mx.other.test"),
        ({PTR: ("mx.bank.test",), "A mx.bank.test": ("192.0.2.1",)}, ""),
        ({PTR: ("liar.test", "mx.other.test"), "A mx.other.test": ("198.51.100.7",)}, "mx.other.test"),
        ({PTR: ("a) by evil (x",)}, ""),
        ({PTR: ()}, ""),
        ({PTR: None}, ""),
        ({PTR: ("mx.other.test",), "A mx.other.test": None}, ""),
    ],
)
def test_only_a_confirmed_name_is_known(records: dict[str, tuple[str, ...] | None], name: str) -> None:
    known = names(Dns(records))
    known.seek("198.51.100.7")
    assert known.known("198.51.100.7") == name
    assert run(names(Dns(records)).find("198.51.100.7")) == name


def test_nobody_waits_and_a_host_is_asked_about_once() -> None:
    spawned: list[Coroutine[Any, Any, None]] = []
    dns = Dns({PTR: ("mx.other.test",), "A mx.other.test": ("198.51.100.7",)})
    known = names(dns, spawned)
    known.seek("198.51.100.7")
    known.seek("198.51.100.7")
    assert known.known("198.51.100.7") == ""
    for work in spawned:
        run(work)
    known.seek("198.51.100.7")
    assert known.known("198.51.100.7") == "mx.other.test"
    assert len(spawned) == 1


def test_look_ups_at_once_are_bounded_and_loopback_has_no_name() -> None:
    spawned: list[Coroutine[Any, Any, None]] = []
    known = names(Dns(), spawned, most_at_once=3)
    for host in ("127.0.0.1", "::1", "", *(f"198.51.100.{number}" for number in range(9))):
        known.seek(host)
    assert len(spawned) == 3
    for work in spawned:
        work.close()
