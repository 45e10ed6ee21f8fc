"""Logins of a dev environment: names, shared secrets and a token issuer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import PasswordStore, account_key
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import DigestCredentials, IDigest
from mailstack.accounts.tokens import TokenRules
from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import AccountLogin, Authenticator, Proof, ScramKeys


class LoginNames:
    """Login names in memory, each with the address of an account."""

    def __init__(self, first: Mapping[str, str]) -> None:
        """`first` has the initial names with their addresses (`Address.key`)."""
        self._first = dict(first)
        self._addresses = dict(first)

    def address_of(self, name: str) -> str | None:
        return self._addresses.get(name)

    def name_of(self, address: str) -> str | None:
        return next((name for name, each in self._addresses.items() if each == address), None)

    def assign(self, name: str, address: str) -> None:
        self._addresses[name] = address

    def remove(self, address: str) -> None:
        """Removes the login of a deleted account."""
        self._addresses = {name: each for name, each in self._addresses.items() if each != address}

    def reset(self) -> None:
        """Restores the initial logins."""
        self._addresses = dict(self._first)


class LoginNameAuthenticator:
    """Authenticator that replaces a login name by its address."""

    def __init__(self, names: LoginNames, authenticator: Authenticator) -> None:
        self._names = names
        self._authenticator = authenticator

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        return self._authenticator.kinds

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """Like `others.login`."""
        address = self._names.address_of(proof.username)
        if address is not None:
            authzid = address if proof.authzid == proof.username else proof.authzid
            proof = replace(proof, username=address, authzid=authzid)
        return await self._authenticator.login(proof, remote)

    async def scram_keys(self, username: str) -> ScramKeys:
        """Like `others.scram_keys`."""
        return await self._authenticator.scram_keys(self._names.address_of(username) or username)


@implementer(ICredentialsChecker)
class SharedSecretChecker:
    """Checks digests of shared secrets; an account in the store must still have that password."""

    credentialInterfaces = (IDigest,)  # noqa: N815

    def __init__(self, public: Callable[[str], str | None], store: PasswordStore, passwords: Passwords) -> None:
        self._public = public
        self._store = store
        self._passwords = passwords

    def requestAvatarId(self, credentials: DigestCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; sasl.Unavailable, StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: DigestCredentials) -> bytes | tuple[()]:
        key = account_key(credentials.username)
        password = None if key is None else self._public(key)
        if key is None or password is None or not credentials.proof.fits(password):
            raise UnauthorizedLogin
        account = await self._store.get(key)
        if account is not None and not await self._passwords.verify(key, password, account.password_hash):
            raise UnauthorizedLogin
        return key.encode()


DEV_RULES = TokenRules("https://issuer.home.test", "mailstack", ("mail",), domain="home.test")
"""Rules of the tokens of a dev environment."""

KEY_ID = "dev"


class Issuer:
    """Token issuer with a key in `directory`, made on first use."""

    def __init__(self, directory: Path, rules: TokenRules = DEV_RULES) -> None:
        self._directory = directory
        self._rules = rules

    def token(self, address: str, now: float, *, lifetime: float = 3600.0, **claims: Any) -> str:
        """Token for an account, valid from `now` for `lifetime` seconds; `claims` add to or replace the others. Raises OSError."""
        import jwt  # noqa: PLC0415

        rules = self._rules
        payload = {
            "iss": rules.issuer,
            "aud": rules.audience,
            "scope": " ".join(rules.scopes),
            rules.claim: address,
            "iat": int(now),
            "exp": int(now + lifetime),
            **claims,
        }
        return jwt.encode(payload, self._key(), algorithm="EdDSA", headers={"kid": KEY_ID})

    async def keys(self) -> bytes:
        """The JWKS document (RFC 7517 §5). Raises OSError."""
        from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415

        public = OKPAlgorithm.to_jwk(self._key().public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "EdDSA"}]}).encode()

    def _key(self) -> Any:
        from cryptography.hazmat.primitives import serialization as forms  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        path = self._directory / "key.pem"
        if not path.exists():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Ed25519PrivateKey.generate().private_bytes(
                forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
            )
            new = self._directory / f"key.{os.getpid()}.new"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(made)
            # A server and a command may make a key at the same time; the first one is used.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
            new.unlink()
        return forms.load_pem_private_key(path.read_bytes(), None)
