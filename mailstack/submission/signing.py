"""Signs what our users send, once nothing of it will change any more (RFC 6409 §8.5, RFC 6376 §5.3)."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.authentication.signing import Signer
from mailstack.letter import Letter
from mailstack.letter.content import Prefixed
from mailstack.smtp.body import fit_body
from mailstack.smtp.replies import Refusal
from mailstack.smtp.station import NO_FACTS, Facts


class Signing:
    """Puts DKIM signatures on letters."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def signed(self, letter: Letter) -> tuple[Letter, Facts]:
        """The letter with our signatures on top, in octets that no host on the way needs to convert.

        The same letter when there is no key for its author.
        """
        names = await self._signer.key_names(letter.content)
        if not names:
            return letter, NO_FACTS
        try:
            envelope, content = await fit_body(letter.envelope, letter.content, ())
        except Refusal:  # it can't be converted, here or anywhere
            envelope, content = letter.envelope, letter.content
        signatures = await self._signer.signatures(content)
        return replace(letter, envelope=envelope, content=Prefixed(signatures, content)), {"signed": names}
