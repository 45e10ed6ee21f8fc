"""SCRAM checker for accounts of the store, with invented keys for other names."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import account_key
from mailstack.accounts.realm import IScramProof, ScramCredentials
from mailstack.protocols.sasl import ScramKeys
from mailstack.store import StoreError
from mailstack.store.accounts import Account

COUNT_TTL_S = 60.0
"""Seconds between two counts of the accounts' iterations."""


class ScramStore(Protocol):
    """Methods of `mailstack.store.accounts.AccountStore` in use here."""

    async def get(self, address: str) -> Account | None: ...

    async def scram_iterations(self) -> dict[int, int]: ...


def _no_public_password(_key: str) -> str | None:
    return None


@implementer(ICredentialsChecker)
class ScramChecker:
    """Keys of accounts, and indistinguishable invented keys for other names (RFC 5802 §9).

    Invented salts are as long as real ones. Invented iteration counts are distributed as the counts of the accounts.
    Both are constant for a name, and either answer costs the same lookups.
    """

    credentialInterfaces = (IScramProof,)  # noqa: N815

    def __init__(
        self,
        store: ScramStore,
        secret: bytes,
        iterations: int,
        public: Callable[[str], str | None] = _no_public_password,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secret` is the key of invented salts. `public` returns the shared secret of an address."""
        self._store = store
        self._secret = secret
        self._iterations = iterations
        self._public = public
        self._monotonic = monotonic
        self._counted: list[tuple[int, int]] = []
        """Iterations in ascending order, each with its number of accounts."""
        self._counted_until = -1.0

    async def keys(self, username: str) -> ScramKeys:
        """Keys of an account, or invented ones for an unknown name. Raises StoreError, also for unreadable keys."""
        await self._count()
        invented = self._invented(username)
        return await self._stored_keys(username) or invented

    def requestAvatarId(self, credentials: ScramCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: ScramCredentials) -> bytes | tuple[()]:
        username = credentials.username.decode()
        key, invented = account_key(credentials.username), self._invented(username)
        stored = await self._stored_keys(username)
        # The proof for an unknown name is checked too, at the same cost.
        right = credentials.proof.fits(stored or invented)
        if not right or stored is None or key is None:
            raise UnauthorizedLogin
        return key.encode()

    async def _stored_keys(self, username: str) -> ScramKeys | None:
        key = account_key(username.encode(errors="replace"))
        if key is None:
            return None
        account = await self._store.get(key)
        if account is None:
            password = self._public(key)
            return None if password is None else ScramKeys.derive(password, self._salt(key), self._iterations)
        try:
            return ScramKeys.read(account.scram) if account.scram else None
        except ValueError as error:
            raise StoreError(f"the SCRAM keys of {key} can't be read") from error

    async def _count(self) -> None:
        """Count the accounts' iterations, at most once in COUNT_TTL_S. Raises StoreError."""
        now = self._monotonic()
        if now < self._counted_until:
            return
        counted = await self._store.scram_iterations()
        # An account without keys counts as one with the current setting.
        counted[self._iterations] = counted.get(self._iterations, 0) + counted.pop(0, 0)
        self._counted = sorted(counted.items())
        self._counted_until = now + COUNT_TTL_S

    def _iterations_of(self, name: str) -> int:
        """Iteration count of an unknown name: chosen by the name from the counts in use."""
        digest = hmac.digest(self._secret, b"iterations\0" + name.encode(errors="replace"), "sha256")
        position = int.from_bytes(digest[:8]) * sum(count for _, count in self._counted) >> 64
        for iterations, count in self._counted:
            if position < count:
                return iterations
            position -= count
        return self._iterations

    def _invented(self, username: str) -> ScramKeys:
        # The same for every spelling of an address, as for an account.
        name = account_key(username.encode(errors="replace")) or username.lower()
        made = hmac.digest(self._secret, b"keys\0" + name.encode(errors="replace"), "sha512")
        return ScramKeys(self._salt(name), self._iterations_of(name), made[:32], made[32:])

    def _salt(self, name: str) -> bytes:
        return hmac.digest(self._secret, b"salt\0" + name.encode(errors="replace"), "sha256")[:16]


def server_secret(data: Path) -> bytes:
    """Secret octets of this server, made once in its data directory. Raises OSError."""
    path = data / "secret"
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) == 32:
        return found
    made = os.urandom(32)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
    new.replace(path)
    return made
