"""Reload of DKIM keys: reads configuration and key files again, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from mailstack.config import Config, ConfigError
from mailstack.config.key_files import signing_keys
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.authentication.signing import SigningKey

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
