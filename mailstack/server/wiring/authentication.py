"""Signer and verification (DKIM, SPF, DMARC, ARC) of a configuration, with reload."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from mailstack.config import Config, ConfigError
from mailstack.config.key_files import signing_keys
from mailstack.net.task import gather
from mailstack.policy.authentication import InThread
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.authentication.signing import Signer, SigningKey
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import parse_networks
from mailstack.receiving.verification import SenderVerification, VerificationPolicy


def signer(config: Config, keys: Sequence[SigningKey], in_thread: InThread, now: Callable[[], float]) -> Signer | None:
    """Signer of outbound letters. None: no keys."""
    if not keys:
        return None
    return Signer(keys, in_thread, now, signed=config.dkim.headers, oversigned=config.dkim.oversign)


def checks(
    config: Config, lookups: Lookups, in_thread: InThread, now: Callable[[], float], chance: Callable[[], float]
) -> SenderVerification | None:
    """Verification of inbound letters. None: all checks are off. `chance` returns numbers in [0, 1)."""
    ours = config.authentication
    if not (ours.spf or ours.dkim or ours.dmarc or ours.arc):
        return None
    demands = VerificationPolicy(
        spf=ours.spf,
        dkim=ours.dkim,
        dmarc=ours.dmarc,
        arc=ours.arc,
        trusted=parse_networks(ours.trusted),
        spf_fail=ours.spf_fail,
        dkim_fail=ours.dkim_fail,
        dmarc_reject=ours.dmarc_reject,
        malformed_from=ours.malformed_from,
        temperror=ours.temperror,
        trusted_sealers=frozenset(ours.trusted_sealers),
        signatures=ours.signatures,
    )
    return SenderVerification(
        config.hostname, lookups, in_thread, now, demands, gather=gather, timeout=ours.timeout, chance=chance
    )


_log = logging.getLogger(__name__)


class KeyReload:
    """Gives the keys to a server, or logs why the old ones stay."""

    def __init__(
        self, reactor: Any, load: Callable[[], Config], use: Callable[[Config, tuple[SigningKey, ...]], None]
    ) -> None:
        """`load` reads the configuration; `use` gets the keys."""
        self._reactor = reactor
        self._load = load
        self._use = use

    def start(self) -> None:
        """Read the keys; call `use` with them later."""
        reading = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._read)
        reading.addCallbacks(self._succeeded, self._failed)

    def _read(self) -> tuple[Config, tuple[SigningKey, ...]]:
        config = self._load()
        return config, signing_keys(config)

    def _succeeded(self, found: tuple[Config, tuple[SigningKey, ...]]) -> None:
        config, keys = found
        self._use(config, keys)
        _log.info("letters are signed with %s", ", ".join(key.selector for key in keys) or "no key")

    @staticmethod
    def _failed(failure: Failure) -> None:
        if failure.check(ConfigError, InvalidKey):
            _log.error("%s; letters are signed as before", failure.getErrorMessage())
        else:
            _log.error("the keys could not be read, letters are signed as before: %s", failure.getTraceback())
