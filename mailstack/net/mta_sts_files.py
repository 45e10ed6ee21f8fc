"""MTA-STS policies in files, one a domain, in the data directory: they hold across restarts (RFC 8461 §3.3)."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from mailstack.relay.mta_sts import CachedPolicy
from mailstack.relay.mta_sts_policy import Mode, StsPolicy

_log = logging.getLogger(__name__)

_MOST_OCTETS = 65_536


class PolicyFiles:
    """A relay.sts.PolicyShelf. A file that can't be read is as none: the policy is fetched again."""

    def __init__(self, directory: Path, *, most: int = 5000) -> None:
        """The directory exists: it is never made again at run time. Beyond `most` files the oldest go."""
        self._directory = directory
        self._most = most

    def get(self, domain: str) -> CachedPolicy | None:
        try:
            with self._path(domain).open("rb") as file:
                facts = json.loads(file.read(_MOST_OCTETS))
            policy = StsPolicy(Mode(facts["mode"]), int(facts["max_age"]), tuple(map(str, facts["mx"])))
            return CachedPolicy(str(facts["id"]), float(facts["fetched"]), policy)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as trouble:
            _log.warning("the MTA-STS policy that was kept of %s can't be read: %s", domain, trouble)
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
        # Another worker may be at it at the same time.
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            new.write_text(json.dumps(facts))
            new.replace(path)
            self._trim()
        except OSError as trouble:
            _log.warning("the MTA-STS policy of %s can't be kept: %s", domain, trouble)

    def _path(self, domain: str) -> Path:
        # Whoever asks has checked that it is a DNS name; no other text may become a path.
        if "/" in domain or domain.startswith(".") or not domain:
            raise ValueError(f"{domain!r} is no domain name")
        return self._directory / f"{domain}.json"

    def _trim(self) -> None:
        files = sorted(os.scandir(self._directory), key=lambda each: each.stat().st_mtime)
        for each in files[: max(0, len(files) - self._most)]:
            Path(each.path).unlink(missing_ok=True)
