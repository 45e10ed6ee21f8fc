"""Running dev environment with SMTP and API clients for tests of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tests.journeys.dev import DevProcess
from tests.waiting import until

T = TypeVar("T")


class Environment(DevProcess):
    send = DevProcess.capture

    def empty(self) -> None:
        """Delete every letter."""
        self.api("DELETE", "v1/letters", {"all": True})

    def wait(self, look: Callable[[], T]) -> T:
        """What `look` finds, once it finds something."""
        return until(look, "what was looked for was there")

    def summary(self, letter: str) -> dict[str, Any]:
        """The letter as the API has it, once it is there."""
        return self.wait(lambda: next((each for each in self.listed() if each["id"] == letter), None))  # type: ignore[return-value]

    def listed(self) -> list[dict[str, Any]]:
        """The newest letters."""
        return list(self.api("GET", "v1/letters?limit=50")["letters"])
