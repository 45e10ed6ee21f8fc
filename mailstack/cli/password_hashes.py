"""Hashes and checks passwords for a command, on all processors."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Self, TypeVar

from mailstack.accounts.passwords import Passwords, StoredPassword
from mailstack.cli.runner import Pending, StoreRunner
from mailstack.net.clock import ReactorClock

T = TypeVar("T")


class PasswordHashes:
    """The passwords of a server, for a `with` block, without its server."""

    def __init__(self, rounds: int, scram_iterations: int, most: int = 1) -> None:
        """`most` passwords are in work or wait at once."""
        self._carrier = StoreRunner()
        clock = ReactorClock(self._carrier)  # type: ignore[arg-type] # only the time is asked
        self._passwords = Passwords(
            self._carrier,  # type: ignore[arg-type] # only calls from threads are made
            clock,
            rounds=rounds,
            scram_iterations=scram_iterations,
            threads=os.cpu_count() or 1,
            queue_limit=most,
            remember=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._passwords.close()

    def keep(self, password: str) -> StoredPassword:
        """Hashes of a password. Raises PasswordError."""
        return self._carrier.run(self._passwords.keep(password))

    def keep_each(self, passwords: Sequence[str]) -> Iterator[StoredPassword]:
        """The same in order, while the others are made. Raises PasswordError where it is met."""
        return self._each([self._passwords.keep(password) for password in passwords])

    def check_each(self, pairs: Sequence[tuple[str, bytes]]) -> Iterator[bool]:
        """For each password and what is stored, in order, whether it is the right one."""
        checks = [self._passwords.verify(str(number), *pair) for number, pair in enumerate(pairs)]
        return self._each(checks)

    def _each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        for pending in [Pending(work) for work in works]:
            yield self._carrier.wait_for(pending)
