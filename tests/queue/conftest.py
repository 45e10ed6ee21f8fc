"""Log fixture for tests of the queue."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def log_propagates(monkeypatch):
    """Lets caplog see the log, whatever an earlier test has configured."""
    monkeypatch.setattr(logging.getLogger("mailstack"), "propagate", True)
