"""Simulated reactor, and a connection on it."""

from __future__ import annotations

import pytest

from mailstack.sandbox.simulation import SimulatedReactor
from tests.sandbox.simulation.protocols import Pair


@pytest.fixture
def reactor():
    return SimulatedReactor()


@pytest.fixture
def pair():
    return Pair()
