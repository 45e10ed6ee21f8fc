"""Outbound signing of letters in their final form (RFC 6409 §8.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mailstack.letter import Address, Letter
from mailstack.letter.content import Prefixed
from mailstack.policy.authentication.signing import Signer
from mailstack.protocols.smtp.downgrade import downgrade_body
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Facts
from mailstack.protocols.smtp.replies import Refusal

Owns = Callable[[Address], Awaitable[bool]]
"""Whether an address belongs to the account that submits a letter."""


class OutboundSigner:
    """Puts DKIM signatures on letters, by the keys that there are now."""

    def __init__(self, signer: Signer | None = None) -> None:
        """None: nothing is signed."""
        self._signer = signer

    def use(self, signer: Signer | None) -> None:
        """Sign by other keys from now on."""
        self._signer = signer

    async def signed(self, letter: Letter, owns: Owns | None = None) -> tuple[Letter, Facts]:
        """The letter with our signatures on top, in octets that no host on the way needs to convert.

        The same letter when there is no key for its author, or when `owns` is false for an address in From or Sender: a
        signature says that the domain answers for the letter (RFC 6376 §1). None: the letter is the server's own, or the operator
        answers for what its client sends.
        """
        signer = self._signer
        names = await signer.key_names(letter.content) if signer is not None else []
        if signer is None or not names:
            return letter, NO_FACTS
        if owns is not None and not await _owns_all(owns, await signer.names(letter.content)):
            return letter, NO_FACTS
        try:
            envelope, content = await downgrade_body(letter.envelope, letter.content, ())
        except Refusal:  # it can't be converted, here or anywhere
            envelope, content = letter.envelope, letter.content
        signatures = await signer.signatures(content)
        return replace(letter, envelope=envelope, content=Prefixed(signatures, content)), {"signed": names}


async def _owns_all(owns: Owns, addresses: tuple[Address, ...] | None) -> bool:
    for address in addresses or ():
        if not await owns(address):
            return False
    return addresses is not None
