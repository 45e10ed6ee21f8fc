"""Sender ownership: reverse-paths permitted to an account (RFC 6409 §6.1)."""

from __future__ import annotations

from typing import Protocol

from mailstack.letter import Address, ReversePath
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.protocols.smtp.replies import reply

NOT_YOURS = reply(553, "5.7.1", "sender address is not owned by the account that logged in")


class AddressOwners(Protocol):
    """Directory of the addresses that an account owns."""

    async def owns(self, account: str, sender: Address) -> bool:
        """Whether letters for `sender` would come to `account`."""


class Ownership:
    """An account sends as itself, or as an address that leads to it."""

    def __init__(self, directory: AddressOwners) -> None:
        self._directory = directory

    async def may_send_as(self, account: str, sender: ReversePath) -> Verdict:
        """Judge a reverse-path. The null one is free: reports and read receipts need it (RFC 5321 §4.5.5)."""
        if sender is None or await self._directory.owns(account, sender):
            return PASS
        return Refuse(NOT_YOURS, f"{account} asked for {sender}")
