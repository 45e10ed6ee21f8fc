"""Addresses of this machine that lead to its own listeners."""

from __future__ import annotations

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.net.listening import is_own_listener


@pytest.mark.parametrize(
    ("where", "leads"),
    [
        (HostPort("127.0.0.1", 25), True),
        (HostPort("127.0.0.9", 25), True),
        (HostPort("::1", 25), True),
        (HostPort("0.0.0.0", 25), True),
        (HostPort("::ffff:127.0.0.1", 25), True),
        (HostPort("::ffff:192.0.2.1", 2525), True),
        (HostPort("::ffff:192.0.2.2", 2525), False),
        (HostPort("0.0.0.0", 1025), True),
        (HostPort("::", 1025), True),
        (HostPort("127.0.0.2", 1025), False),
        (HostPort("127.0.0.1", 26), False),
        (HostPort("192.0.2.1", 25), False),
        (HostPort("192.0.2.1", 2525), True),
        (HostPort("127.0.0.1", 2525), False),
    ],
)
def test_what_leads_back_to_us_is_known(where: HostPort, *, leads: bool) -> None:
    """RLY-02"""
    ours = [HostPort("0.0.0.0", 25), HostPort("192.0.2.1", 2525), HostPort("127.0.0.1", 1025)]
    assert is_own_listener(where, ours) is leads
