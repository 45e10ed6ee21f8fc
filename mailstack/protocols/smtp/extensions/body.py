"""8BITMIME (RFC 6152) and BINARYMIME (RFC 3030 §3): reading and conversion of BODY."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from msgspec.structs import replace

from mailstack.letter import Content, Envelope, Letter
from mailstack.letter.mime import Domain, Unconvertible, convert
from mailstack.protocols.smtp.client import ClientDialogue
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, IncomingHook, Parameter, Replies
from mailstack.protocols.smtp.receiving_rules import LetterIntake
from mailstack.protocols.smtp.replies import Refusal, Reply, reply


def body_reader(*values: str) -> Callable[[str | None, Facts], str]:
    """Reader of BODY in any case (RFC 5234 §2.3), which raises Refusal for other values."""
    syntax = reply(501, "5.5.4", f"BODY takes {', '.join(values[:-1])} or {values[-1]}")

    def read(value: str | None, _facts: Facts) -> str:
        body = (value or "").upper()
        if body not in values:
            raise Refusal(syntax)
        return body

    return read


async def fit_eight_bit(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """Envelope and content with octets above 127, for a host that offers these keywords. Raises Refusal with 5.6.3."""
    if "8BITMIME" in offered:
        return declared(envelope, "8BITMIME"), content
    return declared(envelope, "7BIT"), await converted(content, Domain.SEVEN)


def declared(envelope: Envelope, body: str) -> Envelope:
    return envelope if envelope.body == body else replace(envelope, body=body)


async def converted(content: Content, domain: Domain) -> Content:
    """The content in the octets of `domain`. Raises Refusal with 5.6.3."""
    try:
        return await convert(content, domain)
    except Unconvertible as error:
        text = f"the host accepts {domain.value} only, and the message can't be converted: {error}"
        raise Refusal(reply(554, "5.6.3", text)) from None


# §2: body-value ::= "7BIT" / "8BITMIME"
EIGHTBITMIME = Extension("8BITMIME", mail={"BODY": Parameter(body_reader("7BIT", "8BITMIME"))})


BODY = "BINARYMIME"

_ONLY_BDAT = reply(503, "5.5.1", "bad sequence of commands: BODY=BINARYMIME requires BDAT")
_BDAT_READY = reply(354, None, "BDAT needs no reply")
"""Reply in place of the 354 that BDAT does not have."""


def _argument(facts: Facts) -> str | None:
    # §3: only together with CHUNKING.
    return None if "CHUNKING" in facts.capabilities.withheld else ""


async def fit_binary(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """A binary content for a host that offers these keywords. Raises Refusal with 5.6.3 when it can't be converted."""
    if "CHUNKING" in offered and BODY in offered:
        return declared(envelope, BODY), content
    if "8BITMIME" in offered:
        return declared(envelope, "8BITMIME"), await converted(content, Domain.EIGHT)
    return declared(envelope, "7BIT"), await converted(content, Domain.SEVEN)


class _BinaryHook(IncomingHook):
    """Rules for MAIL with BODY=BINARYMIME."""

    def check_data(self) -> None:
        raise Refusal(_ONLY_BDAT)

    async def complete(self, letter: Letter, intake: LetterIntake) -> Letter:
        """Convert a letter for a local mailbox before it is stored, because POP3 has lines only."""
        if not any(intake.is_local(recipient.address) for recipient in letter.envelope.recipients):
            return letter
        envelope, content = await fit_binary(letter.envelope, letter.content, ("8BITMIME",))
        return replace(letter, envelope=envelope, content=content)


class _BdatTransfer:
    """Transfer by one BDAT, without waiting for a reply before the content."""

    commands: tuple[str, ...] = ()

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:  # noqa: ARG002
        """Returns no command: BDAT follows directly."""
        return replies, _BDAT_READY if None in replies else None

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """Raises SmtpSessionError."""
        assert content is not None, "without an accepted recipient there is no BDAT"
        session.send_commands(f"BDAT {content.size} LAST")
        waiting = b""
        async for octets in content.chunks():
            if waiting:
                await session.send_block(waiting)
            waiting = octets
        session.is_behind_dot = True
        session.send_octets(waiting)
        session.record(f"C: ({content.size:,} octets)")

    def leaves_open(self, finals: Sequence[Reply]) -> bool:
        """RFC 3030 §2: the state after a refused BDAT is indeterminate."""
        return any(final.code >= 400 for final in finals)


BINARYMIME = Extension(
    BODY,
    _argument,
    mail={"BODY": Parameter(body_reader("7BIT", "8BITMIME", BODY))},
    incoming={BODY: _BinaryHook()},
    transfers={BODY: _BdatTransfer()},
)
"""BODY of this extension replaces that of 8BITMIME, so it must follow it in OFFERED."""
