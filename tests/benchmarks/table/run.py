"""Goes through a scene: starts its sites anew, measures them in turn, ends them."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.table import peers
from tests.benchmarks.table.results import Results
from tests.benchmarks.table.scene import PEER, Scale, Scene, Start
from tests.benchmarks.table.site import Site, longest_hold

TROUBLE = (OSError, ValueError, AssertionError, subprocess.SubprocessError)
"""What a scene may fail with, and the others go on."""


def steps(scene: Scene, rounds: int) -> int:
    """How often `run` says, at most, that it came further."""
    return len(scene.sides) * (_rounds(scene, rounds) + 1)


def run(
    scene: Scene,
    scale: Scale,
    rounds: int,
    folder: Path,
    results: Results,
    *,
    with_peers: bool,
    further: Callable[[str], None],
) -> None:
    """Measure all sides of a scene, A B A B and so on. What goes wrong is told in `results`."""
    sides = _sides(scene, results, with_peers=with_peers)
    sites: dict[str, Site] = {}
    try:
        with contextlib.ExitStack() as stack:
            for number, (side, start) in enumerate(sides.items()):
                further(f"{scene.name}: {side} starts")
                home = folder / f"{scene.name}-{number}"
                home.mkdir(mode=0o755)
                sites[side] = stack.enter_context(start(home / "site", scale))
            if PEER in sites:
                results.peers[scene.name] = (sites[PEER].name, sites[PEER].version)
            for turn in range(_rounds(scene, rounds)):
                for side, site in sites.items():
                    further(f"{scene.name}: {side}, round {turn + 1}")
                    results.add(scene.name, side, scene.measure(site, scale))
                    time.sleep(0.2)  # what the one left to be done is not the other's
    except TROUBLE as error:
        results.trouble[scene.name] = f"{type(error).__name__}: {str(error)[:300]}"
    for side, site in sites.items():
        if side != PEER:
            # Beside a peer at work, what waits for a processor would be taken for what is held.
            alone = _once_alone(scene, sides[side], folder, scale, results) if PEER in sites else site
            if alone is not None and alone.log is not None and alone.log.exists():
                results.add(scene.name, side, {"held": longest_hold(alone.log)})


def _once_alone(scene: Scene, start: Start, folder: Path, scale: Scale, results: Results) -> Site | None:
    """A site that did the scene's work once more, with nobody beside it, and has ended."""
    home = Path(tempfile.mkdtemp(prefix=f"{scene.name}-alone-", dir=folder))
    try:
        with start(home / "site", scale) as site:
            scene.measure(site, scale)
    except TROUBLE as error:
        results.trouble[scene.name] = f"{type(error).__name__}: {str(error)[:300]}"
        return None
    return site


def _rounds(scene: Scene, rounds: int) -> int:
    return 1 if scene.once else rounds


def _sides(scene: Scene, results: Results, *, with_peers: bool) -> dict[str, Start]:
    """Those that can be measured here."""
    if scene.always and (why := peers.missing(*scene.always)):
        results.trouble[scene.name] = why
        return {}
    if PEER not in scene.sides:
        return scene.sides
    ours = {side: start for side, start in scene.sides.items() if side != PEER}
    if not with_peers:
        return ours
    if why := peers.missing(*scene.needs):
        results.trouble[scene.name] = f"no peer: {why}"
        return ours
    return scene.sides
