"""MTA-STS policy cache in files, one for each domain (RFC 8461 §3.3)."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from mailstack.relay.mta_sts import CachedPolicy
from mailstack.relay.mta_sts_policy import Mode, StsPolicy

_log = logging.getLogger(__name__)

_MAX_OCTETS = 65_536


class PolicyFiles:
    """PolicyCache that survives restarts. The policy of an unreadable file is fetched again."""

    def __init__(self, directory: Path, *, max_files: int = 5000) -> None:
        """The directory must exist. Beyond `max_files` the oldest files are deleted."""
        self._directory = directory
        self._max_files = max_files

    def get(self, domain: str) -> CachedPolicy | None:
        try:
            with self._path(domain).open("rb") as file:
                facts = json.loads(file.read(_MAX_OCTETS))
            policy = StsPolicy(Mode(facts["mode"]), int(facts["max_age"]), tuple(map(str, facts["mx"])))
            return CachedPolicy(str(facts["id"]), float(facts["fetched"]), policy)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as trouble:
            _log.warning("cannot read the cached MTA-STS policy of %s: %s", domain, trouble)
            return None

    def put(self, domain: str, kept: CachedPolicy) -> None:
        policy = kept.policy
        facts = {
            "id": kept.id,
            "fetched": kept.fetched,
            "mode": policy.mode,
            "max_age": policy.max_age,
            "mx": policy.mx,
        }
        path = self._path(domain)
        # Another worker may write the same file at the same time.
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            new.write_text(json.dumps(facts))
            new.replace(path)
            self._trim()
        except OSError as trouble:
            _log.warning("cannot cache the MTA-STS policy of %s: %s", domain, trouble)

    def _path(self, domain: str) -> Path:
        # Callers check that it is a DNS name; no other text may become a path.
        if "/" in domain or domain.startswith(".") or not domain:
            raise ValueError(f"{domain!r} is not a domain name")
        return self._directory / f"{domain}.json"

    def _trim(self) -> None:
        files = sorted(os.scandir(self._directory), key=lambda each: each.stat().st_mtime)
        for each in files[: max(0, len(files) - self._max_files)]:
            Path(each.path).unlink(missing_ok=True)
