"""A letter's journey as a test looks at it: its steps, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.letter.step import Step
from mailstack.store.journey import Journey as Found


class Journey:
    """What happened to one letter, the oldest first: iterate over it, look at `names`, or print it."""

    def __init__(self, found: Found) -> None:
        self.id: str = found.asked
        self.steps: tuple[Step, ...] = found.steps
        """Each with `step` (its name), `server`, `at` (seconds since 1970) and `facts`."""
        self._found = found

    @property
    def names(self) -> list[str]:
        """Of the steps: "submitted", "routed", "relayed" … docs/reference/journey.md has them all."""
        return [step.step for step in self.steps]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        from mailstack.store.journey_text import headline, journey_lines  # noqa: PLC0415 - brings the command line along

        return "\n".join([headline(self._found), *journey_lines(self.steps)])
