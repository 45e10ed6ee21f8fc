"""Outgoing transaction: a letter prepared for one host."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter import Content, Envelope, Recipient
from mailstack.protocols.smtp.capability_match import mail_command, rcpt_command, unsupported_recipients
from mailstack.protocols.smtp.downgrade import downgrade_body
from mailstack.protocols.smtp.extensions import TRANSFERS, outgoing_hooks
from mailstack.protocols.smtp.extensions.hooks import Extensions
from mailstack.protocols.smtp.replies import Refusal, Reply
from mailstack.protocols.smtp.transfer import DATA, Transfer


class OutgoingTransaction(Struct, frozen=True):
    """One transaction that is to come."""

    decided: tuple[Reply | None, ...]
    """Reply that the host would have to give to each recipient, where that is known; None asks the host."""
    content: Content
    mail: str = ""
    rcpts: tuple[str, ...] = ()
    """RCPT commands of the recipients that the host is asked about. Without any nothing is sent."""
    transfer: Transfer = DATA

    @property
    def refusals(self) -> list[Reply]:
        """What was decided, each once."""
        return list(dict.fromkeys([one for one in self.decided if one is not None]))

    @property
    def commands(self) -> list[str]:
        """MAIL, RCPT and the command of the transfer, which may go as one group (RFC 2920 §3.1)."""
        return [self.mail, *self.rcpts, *self.transfer.commands]

    def replies(self, told: Sequence[Reply]) -> tuple[Reply, ...]:
        """The deciding reply for each recipient; `told` has those of the host."""
        if len(told) == len(self.decided):
            return tuple(told)
        each = iter(told)
        return tuple([one or next(each) for one in self.decided])


async def prepare(
    extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content, *, vouch: bool = True
) -> OutgoingTransaction:
    """Fit a letter for a host that offers these extensions.

    Without `vouch` MAIL has AUTH=<> (RFC 4954 §5). Raises what reading the content raises.
    """
    if envelope.parameters:
        for hook in outgoing_hooks(envelope.parameters):
            content = hook.content(extensions, envelope, content)
    unfit = await unsupported_recipients(extensions, envelope, recipients, content)
    fit = [recipient for recipient in recipients if recipient not in unfit] if unfit else recipients
    if fit:
        try:
            envelope, content = await downgrade_body(envelope, content, extensions)
        except Refusal as refusal:
            unfit, fit = {**unfit, **dict.fromkeys(fit, refusal.reply)}, []
    decided = tuple([unfit.get(recipient) for recipient in recipients]) if unfit else (None,) * len(recipients)
    if not fit:
        return OutgoingTransaction(decided, content)
    mail = mail_command(extensions, envelope, fit, content)
    if not vouch:
        mail += " AUTH=<>"
    rcpts = tuple([rcpt_command(extensions, envelope, recipient) for recipient in fit])
    return OutgoingTransaction(decided, content, mail, rcpts, TRANSFERS.get(envelope.body, DATA))
