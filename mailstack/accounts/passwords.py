"""Password hashing with bcrypt in threads, app passwords, and strength rules."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Hashable
from functools import cache, partial
from importlib import resources
from threading import Thread
from typing import Any, ClassVar, cast

import bcrypt
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import Redacted
from mailstack.protocols.sasl import ScramKeys, Unavailable
from mailstack.protocols.sasl.scram_keys import saslprep

MAX_OCTETS = 72
"""Maximum octets of a password; bcrypt ignores further ones."""


class PasswordError(ValueError):
    """The password can't be set; str() has the reason and the remedy."""


class StoredPassword(Redacted, frozen=True):
    """Stored hashes of a password."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password_hash", "scram")

    password_hash: bytes
    """Hash of bcrypt."""
    scram: str
    """`str(ScramKeys)`; empty without SCRAM, and for passwords that SASLprep refuses."""


class Passwords:
    """Bounded use of bcrypt: few threads, a bounded queue, and a cache of verified passwords.

    The cache has keyed digests of password and stored hash, so that a client that logs in for each letter costs no
    bcrypt, and a new password invalidates the old one. Wrong passwords are not cached.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        clock: Clock,
        *,
        rounds: int = 12,
        scram_iterations: int = 0,
        threads: int = 2,
        queue_limit: int = 64,
        remember: float = 300.0,
        capacity: int = 10000,
    ) -> None:
        """`scram_iterations`: 0 is without SCRAM. `remember` is the seconds, `capacity` the passwords of the cache."""
        self._reactor = reactor
        self._rounds = rounds
        self._scram_iterations = scram_iterations
        self._queue_limit = queue_limit
        self._key = secrets.token_bytes(32)
        self._right: TTLCache[bytes, bool] = TTLCache(clock.steady, remember, capacity)
        # Hash for unknown users: it costs the same, and no password matches it.
        self._dummy_hash = b"$2b$%02d$" % rounds + b"." * 53
        self._waiting: dict[Hashable, list[Deferred[Any]]] = {}
        self._closed = False
        self._pool = ThreadPool(0, threads, "passwords")
        # Daemon threads: an unfinished hash does no harm, so that the process can end without `close`.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._pool.start()

    async def hash(self, password: str) -> StoredPassword:
        """Hashes of a password. Raises PasswordError, or Unavailable when too many wait."""
        octets = _octets(password)
        if octets == b"":
            raise PasswordError("the password is empty; choose one")
        if octets is None or b"\0" in octets:
            raise PasswordError("the password has characters that no client can send; choose another")
        if len(octets) > MAX_OCTETS:
            raise PasswordError(f"the password has {len(octets)} octets in UTF-8; choose one of at most {MAX_OCTETS}")
        rounds = self._rounds
        return cast(
            "StoredPassword",
            await self._in_thread(
                object(),
                lambda: StoredPassword(bcrypt.hashpw(octets, bcrypt.gensalt(rounds)), self._scram_of(password)),
            ),
        )

    async def scram_of(self, password: str) -> str:
        """SCRAM keys of a verified password; empty without SCRAM. Raises Unavailable."""
        if not self._scram_iterations:
            return ""
        return cast("str", await self._in_thread(object(), lambda: self._scram_of(password)))

    async def verify(self, user: str, password: str, stored: bytes | None) -> bool:
        """Whether a password matches `stored`; None, for an unknown user, takes as long and never matches.

        `user` is part of the cache key. Raises Unavailable when too many calls wait.
        """
        octets = _octets(password)
        if octets is None or len(octets) > MAX_OCTETS:
            return False
        digest = self._digest(user.encode(errors="surrogatepass"), octets, stored or b"")
        if self._right.get(digest):
            return True
        right = bool(await self._in_thread(digest, lambda: self._check(octets, stored)))
        if right:
            self._right.put(digest, value=True)
        return right

    def close(self) -> None:
        """Fail all waiting calls with Unavailable, and return when the current hashes are done."""
        if self._closed:
            return
        self._closed = True
        waiting, self._waiting = self._waiting, {}
        for waiters in waiting.values():
            for waiter in waiters:
                waiter.errback(Unavailable("shutting down"))
        self._pool.stop()

    def _check(self, octets: bytes, stored: bytes | None) -> bool:
        """Runs in a thread. A stored text that is no bcrypt hash never matches, after the same time."""
        if stored is not None:
            try:
                return bcrypt.checkpw(octets, stored)
            except ValueError:
                pass
        bcrypt.checkpw(octets, self._dummy_hash)
        return False

    def _scram_of(self, password: str) -> str:
        """Runs in a thread. SASLprep refuses some passwords; these work with PLAIN only (RFC 4013 §2.3)."""
        if not self._scram_iterations:
            return ""
        try:
            prepared = saslprep(password, stored=True)
        except ValueError:
            return ""
        return str(ScramKeys.derive(prepared, secrets.token_bytes(16), self._scram_iterations)) if prepared else ""

    def _digest(self, *parts: bytes) -> bytes:
        """Keyed digest of parts and their lengths, so that no two lists have the same one."""
        text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, text, "sha256")

    def _in_thread(self, name: Hashable, work: Callable[[], object]) -> Deferred[object]:
        """Return the result of `work`; concurrent calls with the same name share it."""
        if name not in self._waiting:
            if self._closed or len(self._waiting) >= self._queue_limit:
                raise Unavailable("shutting down" if self._closed else f"{self._queue_limit} logins wait already")
            self._waiting[name] = []
            hashed = deferToThreadPool(self._reactor, self._pool, lambda: None if self._closed else work())
            hashed.addBoth(lambda result: self._done(name, result))
        waiter: Deferred[object] = Deferred()
        self._waiting[name].append(waiter)
        return waiter

    def _done(self, name: Hashable, result: object) -> None:
        """Pass a result, or the Failure of the work, to all waiting calls; there are none after `close`."""
        for waiter in self._waiting.pop(name, ()):
            waiter.callback(result)


def _octets(password: str) -> bytes | None:
    """UTF-8 of a composed password (RFC 8265 §4.2.2), because keyboards differ in how they send "é".

    None for a lone surrogate, which UTF-8 can't encode.
    """
    try:
        return unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        return None


ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Letters and digits without the similar l, o, 0 and 1."""
LETTERS = 20
"""Number of letters, of 5 bits each: 100 bits can't be guessed, so that a fast digest is enough."""

_TYPED_LETTERS = re.compile(rf"[{ALPHABET}]{{{LETTERS}}}\Z")


def new_app_password() -> str:
    """Return a new password in groups of four, which are easy to type."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + 4] for at in range(0, LETTERS, 4))


def digest(address: str, password: str) -> bytes | None:
    """Digest of an app password; None if it has another form. Hyphens, blanks and case are ignored."""
    if len(password) > 2 * LETTERS:
        return None
    letters = password.replace("-", "").replace(" ", "").lower()
    if not _TYPED_LETTERS.match(letters):
        return None
    return hashlib.sha256(f"{address}\0{letters}".encode()).digest()


MIN_LENGTH = 8
"""Default minimum characters of a password (NIST SP 800-63B §5.1.1.2)."""
COMMON_PASSWORDS_FILE = "common_passwords.txt"


def check_password(password: str, address: str, *, min_length: int = MIN_LENGTH) -> None:
    """Refuses a weak password. Raises PasswordError, without the password in its message.

    Refused are passwords of fewer than `min_length` characters, the address or its local part, and the 1,000 most
    common passwords, in any case. Length and case are those of the composed form.
    """
    composed = unicodedata.normalize("NFC", password)
    if not composed:
        raise PasswordError("the password is empty; choose one")
    if len(composed) < min_length:
        characters = "1 character" if len(composed) == 1 else f"{len(composed)} characters"
        raise PasswordError(f"the password has {characters}; choose one of at least {min_length}")
    folded = composed.casefold()
    if folded in {address.casefold(), address.rpartition("@")[0].casefold()}:
        raise PasswordError("the password is the account's own name; choose another")
    if folded in common_passwords():
        raise PasswordError(
            "the password is one of the 1,000 most common ones, which are guessed first; choose another"
        )


@cache
def common_passwords() -> frozenset[str]:
    """Common passwords, read once."""
    text = (resources.files("mailstack.accounts") / COMMON_PASSWORDS_FILE).read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
