"""Accounts and aliases of the store."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Protocol

from mailstack.protocols.log import Redacted


class Account(Redacted, frozen=True):
    """Account: credentials, quota and epoch of one mailbox."""

    SECRETS: ClassVar[tuple[str, ...]] = ("scram",)

    address: str
    """`Address.key`; also the name of the mailbox."""
    password_hash: bytes
    created: float
    quota: int | None = None
    """Octets that the mailbox may hold; None: as the server says; 0: any number."""
    scram: str = ""
    """SCRAM keys of the password, as `str(sasl.ScramKeys)`; empty when there are none."""
    epoch: int = 0
    """Number of times that the account's sessions were ended while its password stayed."""

    @property
    def credentials(self) -> str:
        """Digest of all that a login rests on. The next holder of the address has another one."""
        state = f"{self.created!r} {self.epoch} ".encode() + self.password_hash
        return sha256(state).hexdigest()[:32]


class AppPassword(Redacted, frozen=True):
    """One more password of an account, by its digest (`mailstack.accounts.passwords`)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("digest",)

    address: str
    name: str
    """Name that the user gave to the device or program."""
    digest: bytes
    created: float


class AccountStore(Protocol):
    """Part `accounts` of `mailstack.store.Store`."""

    async def get(self, address: str) -> Account | None: ...

    async def reread(self, address: str) -> Account | None:
        """Read an account past the cache, and cache the answer."""

    async def all(self) -> list[Account]: ...

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]:
        """`Account.credentials` by address, uncached. Addresses without an account are left out."""

    def version(self) -> object:
        """Value that differs after each change of accounts or logout by any process; None: use `credentials`."""

    async def scram_iterations(self) -> dict[int, int]:
        """Number of accounts by the iterations of their SCRAM keys; 0 for accounts without keys."""

    async def end_sessions(self, address: str) -> None:
        """Give the account other `credentials`, and leave its passwords. Raises KeyError."""

    async def log_out(self, session: str, until: float, now: float) -> None:
        """Store until then that a browser session has ended; delete the expired ones."""

    async def logged_out(self, sessions: Sequence[str]) -> set[str]:
        """Logged-out sessions among these, uncached."""

    async def add(self, accounts: Sequence[Account]) -> None:
        """Adds all or none. Raises Conflict with the first address of an existing account or alias."""

    async def set_password(self, address: str, password_hash: bytes, scram: str = "") -> None:
        """Raises KeyError when there is no such account."""

    async def set_quota(self, address: str, quota: int | None) -> None:
        """See `Account.quota`. Raises KeyError when there is no such account."""

    async def set_scram(self, address: str, password_hash: bytes, scram: str) -> None:
        """Stores the SCRAM keys of the password of `password_hash`; ignored if the hash has changed."""

    async def remove(self, address: str) -> None:
        """The account goes, its app passwords and the letters of its mailbox go with it. Raises KeyError."""

    async def app_passwords(self, address: str) -> list[AppPassword]:
        """App passwords of an account, the oldest first."""

    async def add_app_password(self, password: AppPassword) -> None:
        """Raises KeyError when there is no such account, Conflict when it has one of this name."""

    async def remove_app_password(self, address: str, name: str) -> None:
        """The account has other `credentials` afterwards. Raises KeyError."""

    async def alias(self, address: str) -> tuple[str, ...] | None:
        """The targets of an alias, as written."""

    async def aliases(self) -> list[tuple[str, tuple[str, ...]]]: ...

    async def aliases_to(self, target: str) -> list[str]:
        """The aliases that lead directly to `target` (an `Address.key`): which senders an account may use."""

    async def set_alias(self, address: str, targets: Sequence[str]) -> None:
        """Replaces an alias. Raises Conflict if an account has this address, StoreError without targets."""

    async def remove_alias(self, address: str) -> None:
        """Raises KeyError."""
