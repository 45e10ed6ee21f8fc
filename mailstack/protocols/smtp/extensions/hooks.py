"""Hooks of SMTP extensions: points of a transaction, for letters with them.

An extension registers its hooks by the word of MAIL that asks for it: the keyword of a parameter, or the value of BODY.
`mailstack.protocols.smtp.extensions` has the tables. A letter that uses no extension runs through no code of one.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailstack.letter import Content, Envelope, Letter, Recipient
from mailstack.protocols.smtp.commands import Mail, Parameters
from mailstack.protocols.smtp.receiving_rules import Client, LetterIntake, ReceivingRules
from mailstack.protocols.smtp.replies import Reply

Extensions = Mapping[str, str]
"""Extensions of a host: keyword in upper case, and the text behind it."""


class IncomingHook:
    """Points of a transaction that a server receives. Each may raise Refusal."""

    def accept_mail(self, mail: Mail, station: ReceivingRules, client: Client, now: float) -> tuple[Mail, Reply | None]:  # noqa: ARG002
        """MAIL as it is accepted, and the reply where that is not the usual one. `now` is in seconds since 1970."""
        return mail, None

    def check_data(self) -> None:
        """Whether DATA may carry the content."""

    async def complete(self, letter: Letter, counter: LetterIntake) -> Letter:  # noqa: ARG002
        """The whole letter as it is stored."""
        return letter


class OutgoingHook:
    """Points of a transaction that a client begins."""

    def content(self, extensions: Extensions, envelope: Envelope, content: Content) -> Content:  # noqa: ARG002
        """The content as it goes to a host."""
        return content

    def refusal(self, extensions: Extensions, envelope: Envelope) -> Reply | None:  # noqa: ARG002
        """The reply that the host would have to give to a letter which it can't take; None for a letter that it can."""
        return None

    def rcpt_parameters(
        self,
        extensions: Extensions,  # noqa: ARG002
        envelope: Envelope,  # noqa: ARG002
        recipient: Recipient,  # noqa: ARG002
        parameters: Parameters,
    ) -> Parameters:
        """The parameters of RCPT for a host."""
        return parameters
