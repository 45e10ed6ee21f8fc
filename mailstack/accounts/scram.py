"""SCRAM for the accounts of the store: what each is asked, and whether its proof is right."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import account_key
from mailstack.accounts.proofs import IScramProof, ScramCredentials
from mailstack.sasl import ScramKeys
from mailstack.store import Account, StoreError


class Accounts(Protocol):
    """The part of a Store that is asked."""

    async def account(self, address: str) -> Account | None: ...


def _nobody(_key: str) -> str | None:
    return None


@implementer(ICredentialsChecker)
class ScramChecker:
    """Knows every account's keys, and invents some for everybody else, so that nobody learns who is there (RFC 5802 §9)."""

    credentialInterfaces = (IScramProof,)  # noqa: N815

    def __init__(
        self, store: Accounts, secret: bytes, iterations: int, public: Callable[[str], str | None] = _nobody
    ) -> None:
        """`secret` makes invented salts the same each time. `public` knows passwords, by address, that are no secret."""
        self._store = store
        self._secret = secret
        self._iterations = iterations
        self._public = public

    async def keys(self, username: str) -> ScramKeys:
        """Never fails for a stranger. May raise StoreError, also for keys that can't be read."""
        return await self._kept(username) or self._invented(username)

    def requestAvatarId(self, credentials: ScramCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: ScramCredentials) -> bytes | tuple[()]:
        username = credentials.username.decode()
        key, kept = account_key(credentials.username), await self._kept(username)
        # A stranger's proof is looked at too: it costs the same.
        right = credentials.proof.fits(kept or self._invented(username))
        if not right or kept is None or key is None:
            raise UnauthorizedLogin
        return key.encode()

    async def _kept(self, username: str) -> ScramKeys | None:
        key = account_key(username.encode(errors="replace"))
        if key is None:
            return None
        account = await self._store.account(key)
        if account is None:
            password = self._public(key)
            return None if password is None else ScramKeys.derive(password, self._salt(key), self._iterations)
        try:
            return ScramKeys.read(account.scram) if account.scram else None
        except ValueError as error:
            raise StoreError(f"the SCRAM keys of {key} can't be read") from error

    def _invented(self, username: str) -> ScramKeys:
        # The same for every spelling of an address, as an account's are.
        name = account_key(username.encode(errors="replace")) or username.lower()
        made = hmac.digest(self._secret, b"keys\0" + name.encode(errors="replace"), "sha512")
        return ScramKeys(self._salt(name), self._iterations, made[:32], made[32:])

    def _salt(self, name: str) -> bytes:
        return hmac.digest(self._secret, b"salt\0" + name.encode(errors="replace"), "sha256")[:16]


def office_secret(data: Path) -> bytes:
    """Octets that only this office knows, made once in its data directory. Raises OSError."""
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
