"""The proxy between node and database: what it is told to do to the way happens to it."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.nodes.proxy import Loop, Proxy

PATIENCE = 20.0
SILENCE = 0.2


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while octets := self.request.recv(1000):
            self.request.sendall(octets)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server, Loop() as loop:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield Proxy(loop, server.server_address[1])
        server.shutdown()
        serving.join()


def client(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)


def echo(connection: socket.socket, octets: bytes = b"hello") -> bytes:
    connection.sendall(octets)
    return connection.recv(1000)


def test_all_goes_through_and_takes_as_long_as_it_is_told(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert echo(connection) == b"hello"
        proxy.delay = 0.05
        begun = time.monotonic()
        assert echo(connection) == b"hello"
        assert time.monotonic() - begun >= 0.1


def test_a_black_hole_is_silent_and_goes_on_where_it_was(proxy: Proxy) -> None:
    with client(proxy) as connection:
        echo(connection)
        proxy.stall()
        connection.settimeout(SILENCE)
        with pytest.raises(TimeoutError):
            echo(connection)
        with client(proxy) as late:
            late.settimeout(SILENCE)
            with pytest.raises(TimeoutError):
                echo(late, b"late")
            proxy.open()
            for each, expected in ((connection, b"hello"), (late, b"late")):
                each.settimeout(PATIENCE)
                assert each.recv(1000) == expected


def test_who_is_cut_off_is_refused_until_the_way_is_open_again(proxy: Proxy) -> None:
    port = proxy.port
    with client(proxy) as connection:
        echo(connection)
        proxy.cut()
        with pytest.raises(ConnectionError):
            echo(connection)
    with pytest.raises(ConnectionRefusedError):
        client(proxy)
    proxy.open()
    assert proxy.port == port
    with client(proxy) as connection:
        assert echo(connection) == b"hello"


def test_after_a_reset_there_are_new_connections(proxy: Proxy) -> None:
    with client(proxy) as connection:
        echo(connection)
        proxy.reset()
        connection.settimeout(PATIENCE)
        with pytest.raises(ConnectionResetError):
            connection.recv(1000)
    with client(proxy) as connection:
        assert echo(connection) == b"hello"
