"""The dev environment of `mailstack dev` and of tests: `settings` is what it is told, `offices` its three, `environment` all of it."""

from __future__ import annotations

from mailstack.sandbox.dev.environment import DevEnvironment
from mailstack.sandbox.dev.settings import CAPTURE, HOME, PORTS, WORLD, DevSettings

__all__ = ["CAPTURE", "HOME", "PORTS", "WORLD", "DevEnvironment", "DevSettings"]
