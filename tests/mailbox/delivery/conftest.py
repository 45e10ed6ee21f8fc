"""What these tests share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _log_is_heard(monkeypatch):
    """Whatever another test did to the log, pytest hears it here."""
    monkeypatch.setattr(logging.getLogger("mailstack"), "propagate", True)
