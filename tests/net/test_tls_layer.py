"""What a connection under TLS leaves behind when it ends: nothing that waits for the cycle collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailstack.net.peer import NetPeer
from tests.net.test_peer import Lines, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("goes", ["closes", "aborts"])
@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_both_ends_are_gone_with_the_connection(rig: Rig, *, implicit: bool, goes: str) -> None:
    """And with them what OpenSSL keeps for each, some 40 KB."""
    kept: list[weakref.ref[Any]] = []
    heard: list[object] = []

    async def tell(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.start_tls()
        heard.append(await peer.next_event(60))
        kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
        peer.send(b"bye\n")
        await peer.next_event(60)

    rig.listen(tell, implicit_tls=implicit)
    peer = rig.call(tls=True, server_name="mx.home.test") if implicit else rig.call()
    if not implicit:
        assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"hello\n")
    assert rig.hear(peer) == b"bye"
    kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
    if goes == "closes":
        peer.close()
    else:
        peer.abort()
    del peer
    rig.reactor.advance(60)
    assert heard == [b"hello"]
    assert [each() for each in kept] == [None, None]


def test_a_handshake_that_fails_leaves_nothing_either(rig: Rig) -> None:
    kept: list[weakref.ref[Any]] = []

    async def tell(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.start_tls()
        kept.append(weakref.ref(peer.transport.getHandle()))  # type: ignore[union-attr]
        await peer.next_event(60)

    rig.listen(tell)
    peer = rig.call()
    peer.send(b"this is no handshake\n")
    rig.reactor.advance(60)
    assert [each() for each in kept] == [None]
