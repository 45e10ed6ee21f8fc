"""Dev environment of `mailstack dev` and of test fixtures."""

from __future__ import annotations

from mailstack.sandbox.dev.environment import DevEnvironment
from mailstack.sandbox.dev.settings import CAPTURE, HOME, PORTS, WORLD, DevSettings

__all__ = ["CAPTURE", "HOME", "PORTS", "WORLD", "DevEnvironment", "DevSettings"]
