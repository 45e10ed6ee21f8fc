"""Password files as of htpasswd, as a checker of twisted.cred."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.passwords import Passwords

MOST = 10_000
"""Names in a file."""
LONGEST = 320
"""Characters of a name, and of a password."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_OTHER_HASH = re.compile(r"\$(apr1|[0-9a-z]{1,10})\$|\{[A-Za-z0-9-]{1,20}\}")
_DEAREST = 14
"""Rounds of bcrypt; one more takes twice as long, some seconds from here on."""


def parse_passwords(text: str) -> dict[str, str]:
    """The secret of each name, from lines (or words) such as "ann:$2y$…" and "bob:plain".

    Raises ValueError, which shows no secret.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()  # noqa: PLW2901
        if not line or line.startswith("#"):
            continue
        name, colon, secret = line.partition(":")
        if not colon or not name or not secret or len(name) > LONGEST or len(secret) > LONGEST:
            raise ValueError(f"line {number} is no NAME:PASSWORD")
        bcrypt = _BCRYPT.fullmatch(secret)
        if bcrypt is None and _OTHER_HASH.match(secret):
            raise ValueError(f"the password in line {number} is hashed in a way that is not known; use htpasswd -B")
        if bcrypt is not None and not 4 <= int(bcrypt[1]) <= _DEAREST:
            raise ValueError(f"the hash in line {number} has {bcrypt[1]} rounds, and 4 to {_DEAREST} are taken")
        found[name] = secret
        if len(found) > MOST:
            raise ValueError(f"there are more than {MOST} names")
    if not found:
        raise ValueError("there is no NAME:PASSWORD in it")
    return found


@implementer(ICredentialsChecker)
class FileChecker:
    """Accepts the names in the file. The avatar id is the name as written there, in UTF-8."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def __init__(self, secrets: Mapping[str, str], passwords: Passwords) -> None:
        self._secrets = dict(secrets)
        self._passwords = passwords

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """Fails with UnauthorizedLogin, sasl.Unavailable."""
        return Deferred.fromCoroutine(self._check(credentials.username, credentials.password))

    async def _check(self, username: bytes, password: bytes) -> bytes | tuple[()]:
        try:
            name, words = username.decode(), password.decode()
        except UnicodeDecodeError:
            raise UnauthorizedLogin from None
        secret = self._secrets.get(name)
        if secret is not None and _BCRYPT.fullmatch(secret) is None:
            right = hmac.compare_digest(secret.encode(), password)
        else:
            right = await self._passwords.verify(name, words, None if secret is None else secret.encode())
        if not right:
            raise UnauthorizedLogin
        return username
