"""Transactions of one letter with one host, over a kept connection or new ones."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Deferred, Envelope, Failed, Letter, Outcome, Recipient, Status
from mailstack.letter.time_parameters import BY, HOLDFOR, HOLDUNTIL, NORMAL, PRIORITY, deadline, said_priority
from mailstack.letter.verp import XVERP, delimiters_of, sender_for
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.protocols.smtp.replies import Reply
from mailstack.queue.progress_watch import ProgressWatch
from mailstack.relay.connection_pool import ConnectionPool
from mailstack.relay.limits import AttemptLimits
from mailstack.relay.recipient_progress import RecipientProgress
from mailstack.relay.require_tls import REQUIRETLS
from mailstack.relay.session_opener import Call, RelayConnection
from mailstack.relay.tls_requirements import TlsRequirementNotMet, requiretls_missing
from mailstack.relay.trouble import clean, is_stale, transaction_trouble
from mailstack.store import StoreError

_log = logging.getLogger(__name__)

UNREADABLE = Deferred(Status(4, 3, 0), "the content of the letter can't be read at present")
TOO_MANY_RECIPIENTS = Status(4, 5, 3)


class HostAttempt(Struct, frozen=True):
    """Attempt to hand one letter over to one address of a host."""

    call: Call
    requires_tls: bool
    letter: Letter
    recipients: Sequence[Recipient]
    domain: str
    """Domain of all recipients, in lower case and A-labels: they were routed by it."""
    hurried: bool
    progress: RecipientProgress
    watch: ProgressWatch


class Handover(Struct, frozen=True):
    """Outcomes of the recipients at one host, and facts for the journey."""

    outcomes: tuple[Outcome, ...]
    facts: Mapping[str, Any]
    goes_on: bool = False
    """Whether the host accepts the other recipients in another session."""
    lost: bool = False
    """Whether the connection was lost before the end of the session."""


class Transactions:
    """Hands letters over to hosts."""

    def __init__(self, connections: ConnectionPool, clock: Clock, limits: AttemptLimits) -> None:
        self._connections = connections
        self._clock = clock
        self._limits = limits

    async def run(self, go: HostAttempt) -> Handover:
        """Sends the letter over an idle connection, or a new one.

        Raises ConnectFailed or SmtpSessionError if this host can't be used, and TlsRequirementNotMet if it must not be used.
        """
        handover = None
        late = self._clock.steady() + self._limits.handover
        call = go.call
        connection = self._connections.acquire(call.candidate, call.security, go.domain)
        if connection is not None:
            call.transcript.append(f"-- on the connection that was open to {call.candidate}")
            go.watch.session = connection.session
            self._check_offer(go, connection)
            try:
                handover = await self._hand_over(connection, go, late)
            except SmtpSessionError as trouble:
                call.transcript.append(f"-- it had died: {clean(str(trouble))}")
        if handover is None:
            handover = await self._hand_over(await self._open(go), go, late)
        # A host with a limit of letters per session is called again for the other recipients (RFC 9422 §4.1). If that
        # fails they wait: no other host is tried after this one has accepted some of them.
        while handover.goes_on and self._clock.steady() < late:
            try:
                connection = await self._open(go)
            except (ConnectFailed, SmtpSessionError, TlsRequirementNotMet):
                break
            handover = await self._hand_over(connection, go, late)
        return handover

    async def _open(self, go: HostAttempt) -> RelayConnection:
        connection = await self._connections.open(go.call, hurried=go.hurried)
        self._check_offer(go, connection)
        return connection

    def _check_offer(self, go: HostAttempt, connection: RelayConnection) -> None:
        """Raises TlsRequirementNotMet if REQUIRETLS is required and not offered; the connection stays in the pool."""
        if go.requires_tls and REQUIRETLS not in connection.session.extensions:
            self._connections.release(connection)
            raise TlsRequirementNotMet(requiretls_missing(go.call.candidate.host))

    async def _hand_over(self, connection: RelayConnection, go: HostAttempt, late: float) -> Handover:
        """Runs the transactions of this letter, as many as the host accepts in this session, until `late`.

        Raises SmtpSessionError only for an idle connection that was closed before the first transaction.
        """
        host, progress = connection.candidate.host, go.progress
        progress.limit(connection.session.limits.recipients)
        connection.domains.add(go.domain)
        goes_on = lost = False
        rest: Deferred | Failed = Deferred(TOO_MANY_RECIPIENTS, f"{host} takes too few recipients at a time")
        stop_timer = self._clock.call_later(max(0.0, late - self._clock.steady()), connection.drop)
        try:
            while (batch := progress.batch()) and progress.transactions < self._limits.transactions:
                if connection.is_used_up:
                    goes_on = True
                    break
                replies = await self._transact(connection, go, batch)
                progress.settle(batch, replies, connection.session.extensions)
                go.watch.settle()
        except SmtpSessionError as trouble:
            connection.drop()
            if connection.letters and not progress.transactions and is_stale(trouble):
                raise
            rest, lost = transaction_trouble(host, trouble), True
        except StoreError as trouble:
            # The final dot was not sent, so the host discards the incomplete letter.
            connection.drop()
            if not progress.outcomes:
                raise
            _log.error("letter %s: the content can't be read to its end: %s", go.letter.id, trouble)
            rest, lost = UNREADABLE, True
        except BaseException:
            connection.drop()
            raise
        else:
            self._connections.release(connection)
        finally:
            stop_timer()
            go.call.transcript.extend(connection.new_lines())
        outcomes = tuple([progress.outcomes.get(number, rest) for number in range(len(go.recipients))])
        return Handover(outcomes, _facts(connection, progress), goes_on, lost)

    async def _transact(self, connection: RelayConnection, go: HostAttempt, batch: Sequence[int]) -> tuple[Reply, ...]:
        """Sends the letter to a batch of its recipients. Raises SmtpSessionError, and the errors of reading the content."""
        letter, chosen = go.letter, tuple([go.recipients[number] for number in batch])
        envelope = onward(letter, self._clock.now(), connection.session.extensions)
        if delimiters_of(letter.envelope) is not None:
            envelope = replace(envelope, sender=sender_for(letter.envelope, chosen[0]))
        return await connection.session.transact(envelope, chosen, letter.content)


def onward(letter: Letter, now: float, extensions: Collection[str] = ()) -> Envelope:
    """The envelope for the next host, with the time that is left for delivery (RFC 2852 §4.1.4).

    The parameters of future release are removed: they are for submission only (RFC 4865 §3).
    """
    # RFC 6710 §4.2, RFC 6758 §3.2: a host with MT-PRIORITY gets the normal priority, too.
    tells = PRIORITY in extensions and said_priority(letter.envelope) is None
    if not letter.envelope.parameters and not tells:
        return letter.envelope
    parameters = [each for each in letter.envelope.parameters if each[0] not in (BY, HOLDFOR, HOLDUNTIL, XVERP)]
    by = deadline(letter)
    if by is not None:
        parameters.append((BY, str(by.from_now(now))))
    if tells:
        parameters.append((PRIORITY, str(NORMAL)))
    return replace(letter.envelope, parameters=tuple(parameters))


def _facts(connection: RelayConnection, progress: RecipientProgress) -> Mapping[str, Any]:
    """Facts of the `attempted` step."""
    candidate, tls = connection.candidate, connection.tls
    facts: dict[str, Any] = {"host": candidate.host, "address": candidate.address.host, "port": candidate.address.port}
    if candidate.origin is not None:
        facts["from"] = candidate.origin.label
    if tls is not None:
        facts["tls"] = {"version": tls.version, "cipher": tls.cipher, "verified": tls.verified}
    if progress.remote_id is not None:
        facts["remote_id"] = progress.remote_id
    return facts
