"""Whether a process may open as many files as the settings allow connections."""

from __future__ import annotations

from mailstack.cli.checks.finding import Finding, good, warning
from mailstack.config import Config
from mailstack.net.open_files import hard_limit, shortfall


def check_open_files(config: Config) -> Finding:
    """By the hard limit that holds here: `mailstack serve` raises its soft limit to that."""
    limit = hard_limit()
    too_few = shortfall(limit, config.limits.connections, config.relay.concurrency)
    if too_few:
        return warning("open files", too_few)
    return good("open files", "no limit" if limit < 0 else f"the limit is {limit}")
