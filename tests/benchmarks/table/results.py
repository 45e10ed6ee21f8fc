"""All that was measured, round by round."""

from __future__ import annotations

from attrs import define, field

from tests.benchmarks.table.scene import PEER

Rounds = dict[str, dict[str, dict[str, list[float]]]]
"""scene -> side -> figure -> one value for each round"""


@define
class Results:
    """Filled while the scenes run."""

    rounds: Rounds = field(factory=dict)
    peers: dict[str, tuple[str, str]] = field(factory=dict)
    """By scene: the peer's name, and its versions."""
    trouble: dict[str, str] = field(factory=dict)
    """By scene: why it, or its peer, is missing."""

    def add(self, scene: str, side: str, figures: dict[str, float]) -> None:
        """The figures of one round."""
        for name, value in figures.items():
            self.rounds.setdefault(scene, {}).setdefault(side, {}).setdefault(name, []).append(value)

    def values(self, scene: str, side: str, figure: str) -> list[float]:
        """One for each round; none where it was not measured."""
        return self.rounds.get(scene, {}).get(side, {}).get(figure, [])

    def ours(self, figure: str) -> list[float]:
        """Of all scenes and sides of ours that know it."""
        return [
            value
            for sides in self.rounds.values()
            for side, figures in sides.items()
            if side != PEER
            for value in figures.get(figure, ())
        ]
