"""Fake mail servers of the relay tests."""

from __future__ import annotations

import pytest

from tests.relay.world import FakeServer, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(world: World) -> FakeServer:
    return FakeServer(world)


@pytest.fixture
def backup(world: World) -> FakeServer:
    return FakeServer(world, "127.0.0.2")
