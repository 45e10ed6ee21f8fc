"""Login names of a dev environment besides addresses, as in GreenMail."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from mailstack.letter.connection import HostPort
from mailstack.protocols.sasl import AccountLogin, Authenticator, Proof, ScramKeys


class LoginNames:
    """Names in memory, each of one account."""

    def __init__(self, first: Mapping[str, str]) -> None:
        """`first`: names and addresses (`Address.key`) of the start."""
        self._first = dict(first)
        self._addresses = dict(first)

    def address_of(self, name: str) -> str | None:
        """Return the address of the account with this name."""
        return self._addresses.get(name)

    def name_of(self, address: str) -> str | None:
        """How this account is called."""
        return next((name for name, each in self._addresses.items() if each == address), None)

    def give(self, name: str, address: str) -> None:
        """From now on it is this account's."""
        self._addresses[name] = address

    def take(self, address: str) -> None:
        """The account is gone."""
        self._addresses = {name: each for name, each in self._addresses.items() if each != address}

    def reset(self) -> None:
        """Those of the start."""
        self._addresses = dict(self._first)


class ByName:
    """Authenticator that replaces a login name by its address."""

    def __init__(self, names: LoginNames, others: Authenticator) -> None:
        self._names = names
        self._others = others

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        return self._others.kinds

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """As `others` does."""
        address = self._names.address_of(proof.username)
        if address is not None:
            authzid = address if proof.authzid == proof.username else proof.authzid
            proof = replace(proof, username=address, authzid=authzid)
        return await self._others.login(proof, remote)

    async def scram_keys(self, username: str) -> ScramKeys:
        """As `others` does."""
        return await self._others.scram_keys(self._names.address_of(username) or username)
