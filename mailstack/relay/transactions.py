"""Transactions of one letter with one host, and its recipients without an outcome."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Deferred, Envelope, Failed, Letter, Outcome, Recipient, Status
from mailstack.letter.envelope import XVERP, delimiters_of, sender_for
from mailstack.letter.time_parameters import BY, HOLDFOR, HOLDUNTIL, NORMAL, PRIORITY, deadline, requested_priority
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.protocols.smtp.replies import Reply
from mailstack.queue.attempt import ProgressWatch
from mailstack.relay.connection_pool import ConnectionPool
from mailstack.relay.session_opener import Call, RelayConnection
from mailstack.relay.tls_requirements import REQUIRETLS, TlsRequirementNotMet, requiretls_missing
from mailstack.relay.trouble import (
    clean,
    is_stale,
    queued_as,
    recipient_outcome,
    too_many_recipients,
    transaction_trouble,
)
from mailstack.store import StoreError


class AttemptLimits(Struct, frozen=True):
    """Limits of one attempt."""

    recipients: int = 100
    """Maximum number of recipients of one transaction; every host accepts that many (RFC 5321 §4.5.3.1.8)."""
    transactions: int = 50
    """Maximum number of transactions of one attempt, for a host that accepts few recipients at a time."""
    seconds: float = 900.0
    """Seconds after which no further host is called."""
    handover: float = 3600.0
    """Maximum seconds for all sessions with one host; less than the lease of the queue."""
    dialogue: int = 400
    """Maximum number of dialogue lines in the journey: the first half and the last half."""
    dialogue_size: int = 32_768
    """Maximum number of characters of these lines."""
    dialogue_size_of_retry: int = 8192
    """Maximum number of characters for an attempt that is not the first, to save disk space."""


class RecipientProgress:
    """Outcomes of the recipients of one letter at one host, over several transactions."""

    def __init__(self, host: str, recipients: int, max_batch: int) -> None:
        self._host = host
        self._pending = list(range(recipients))
        self._max_batch = max_batch
        self.outcomes: dict[int, Outcome] = {}
        self.remote_id: str | None = None
        self.transactions = 0
        """Number of finished transactions."""

    def limit(self, max_recipients: int) -> None:
        """Applies the maximum number of recipients that the host announces; 0: none."""
        self._max_batch = min(self._max_batch, max_recipients) if max_recipients else self._max_batch

    def batch(self) -> list[int]:
        """Numbers of the recipients for the next transaction; empty if all have an outcome."""
        return self._pending[: self._max_batch]

    def settle(self, batch: Sequence[int], replies: Sequence[Reply], extensions: Collection[str]) -> None:
        """Applies the final replies of a host with these extensions.

        Recipients beyond the limit of the host stay pending if any was accepted.
        """
        self.transactions += 1
        accepted = len([reply for reply in replies if 200 <= reply.code < 300])
        skipped: list[int] = []
        for number, reply in zip(batch, replies, strict=True):
            if accepted and too_many_recipients(reply):
                skipped.append(number)
                continue
            self.outcomes[number] = recipient_outcome(self._host, reply, extensions)
            if self.remote_id is None and 200 <= reply.code < 300:
                self.remote_id = queued_as(reply)
        if skipped:
            self._max_batch = accepted
        self._pending = skipped + self._pending[len(batch) :]


_log = logging.getLogger(__name__)

UNREADABLE = Deferred(Status(4, 3, 0), "the content of the message can't be read at present")
TOO_MANY_RECIPIENTS = Status(4, 5, 3)


class HostAttempt(Struct, frozen=True):
    """Attempt to hand one letter over to one address of a host."""

    call: Call
    requires_tls: bool
    letter: Letter
    recipients: Sequence[Recipient]
    domain: str
    """Domain of all recipients, in lower case and A-labels: they were routed by it."""
    retry_requested: bool
    progress: RecipientProgress
    watch: ProgressWatch


class Handover(Struct, frozen=True):
    """Outcomes of the recipients at one host, and facts for the journey."""

    outcomes: tuple[Outcome, ...]
    facts: Mapping[str, Any]
    resumable: bool = False
    """Whether the host accepts the other recipients in another session."""
    connection_lost: bool = False
    """Whether the connection was lost before the end of the session."""


class Transactions:
    """Hands letters over to hosts."""

    def __init__(self, connections: ConnectionPool, clock: Clock, limits: AttemptLimits) -> None:
        self._connections = connections
        self._clock = clock
        self._limits = limits

    async def run(self, attempt: HostAttempt) -> Handover:
        """Sends the letter over an idle connection, or a new one.

        Raises ConnectFailed or SmtpSessionError if this host can't be used, and TlsRequirementNotMet if it must not be used.
        """
        handover = None
        end_at = self._clock.steady() + self._limits.handover
        call = attempt.call
        connection = self._connections.acquire(call.candidate, call.security, attempt.domain)
        if connection is not None:
            call.transcript.append(f"-- on the connection that was open to {call.candidate}")
            attempt.watch.session = connection.session
            self._check_offer(attempt, connection)
            try:
                handover = await self._hand_over(connection, attempt, end_at)
            except SmtpSessionError as error:
                call.transcript.append(f"-- it had died: {clean(str(error))}")
        if handover is None:
            handover = await self._hand_over(await self._open(attempt), attempt, end_at)
        # A host with a limit of letters per session is called again for the other recipients (RFC 9422 §4.1). If that
        # fails they wait: no other host is tried once a host has accepted some of them.
        while handover.resumable and self._clock.steady() < end_at:
            try:
                connection = await self._open(attempt)
            except (ConnectFailed, SmtpSessionError, TlsRequirementNotMet):
                break
            handover = await self._hand_over(connection, attempt, end_at)
        return handover

    async def _open(self, attempt: HostAttempt) -> RelayConnection:
        connection = await self._connections.open(attempt.call, retry_requested=attempt.retry_requested)
        self._check_offer(attempt, connection)
        return connection

    def _check_offer(self, attempt: HostAttempt, connection: RelayConnection) -> None:
        """Raises TlsRequirementNotMet if REQUIRETLS is required and not offered; the connection stays in the pool."""
        if attempt.requires_tls and REQUIRETLS not in connection.session.extensions:
            self._connections.release(connection)
            raise TlsRequirementNotMet(requiretls_missing(attempt.call.candidate.host))

    async def _hand_over(self, connection: RelayConnection, attempt: HostAttempt, end_at: float) -> Handover:
        """Runs the transactions of this letter, as many as the host accepts in this session, until `end_at`.

        Raises SmtpSessionError only for an idle connection that was closed before the first transaction.
        """
        host, progress = connection.candidate.host, attempt.progress
        progress.limit(connection.session.limits.recipients)
        connection.domains.add(attempt.domain)
        resumable = connection_lost = False
        default: Deferred | Failed = Deferred(TOO_MANY_RECIPIENTS, f"{host} takes too few recipients at a time")
        stop_timer = self._clock.call_later(max(0.0, end_at - self._clock.steady()), connection.drop)
        try:
            while (batch := progress.batch()) and progress.transactions < self._limits.transactions:
                if connection.is_used_up:
                    resumable = True
                    break
                replies = await self._transact(connection, attempt, batch)
                progress.settle(batch, replies, connection.session.extensions)
                attempt.watch.settle()
        except SmtpSessionError as error:
            connection.drop()
            if connection.letters and not progress.transactions and is_stale(error):
                raise
            default, connection_lost = transaction_trouble(host, error), True
        except StoreError as error:
            # The final dot was not sent, so the host discards the incomplete letter.
            connection.drop()
            if not progress.outcomes:
                raise
            _log.error("message %s: the content can't be read to its end: %s", attempt.letter.id, error)
            default, connection_lost = UNREADABLE, True
        except BaseException:
            connection.drop()
            raise
        else:
            self._connections.release(connection)
        finally:
            stop_timer()
            attempt.call.transcript.extend(connection.new_lines())
        outcomes = tuple([progress.outcomes.get(number, default) for number in range(len(attempt.recipients))])
        return Handover(outcomes, _facts(connection, progress), resumable, connection_lost)

    async def _transact(
        self, connection: RelayConnection, attempt: HostAttempt, batch: Sequence[int]
    ) -> tuple[Reply, ...]:
        """Sends the letter to a batch of its recipients. Raises SmtpSessionError, and the errors of reading the content."""
        letter, chosen = attempt.letter, tuple([attempt.recipients[number] for number in batch])
        envelope = onward(letter, self._clock.now(), connection.session.extensions)
        if delimiters_of(letter.envelope) is not None:
            envelope = replace(envelope, sender=sender_for(letter.envelope, chosen[0]))
        return await connection.session.transact(envelope, chosen, letter.content)


def onward(letter: Letter, now: float, extensions: Collection[str] = ()) -> Envelope:
    """The envelope for the next host, with the time that is left for delivery (RFC 2852 §4.1.4).

    The parameters of future release are removed: they are for submission only (RFC 4865 §3).
    """
    # RFC 6710 §4.2, RFC 6758 §3.2: a host with MT-PRIORITY gets the normal priority, too.
    adds_priority = PRIORITY in extensions and requested_priority(letter.envelope) is None
    if not letter.envelope.parameters and not adds_priority:
        return letter.envelope
    parameters = [each for each in letter.envelope.parameters if each[0] not in (BY, HOLDFOR, HOLDUNTIL, XVERP)]
    by = deadline(letter)
    if by is not None:
        parameters.append((BY, str(by.from_now(now))))
    if adds_priority:
        parameters.append((PRIORITY, str(NORMAL)))
    return replace(letter.envelope, parameters=tuple(parameters))


def _facts(connection: RelayConnection, progress: RecipientProgress) -> Mapping[str, Any]:
    """Facts of the `attempted` step."""
    candidate, tls = connection.candidate, connection.tls
    facts: dict[str, Any] = {"host": candidate.host, "address": candidate.address.host, "port": candidate.address.port}
    if candidate.source_address is not None:
        facts["from"] = candidate.source_address.label
    if tls is not None:
        facts["tls"] = {"version": tls.version, "cipher": tls.cipher, "verified": tls.verified}
    if progress.remote_id is not None:
        facts["remote_id"] = progress.remote_id
    return facts


def truncate_middle(lines: Sequence[str], max_lines: int, size: int) -> tuple[str, ...]:
    """Truncates in the middle, to `max_lines` lines and `size` characters, with a line on how many are left out."""
    if len(lines) <= max_lines // 2 and sum(map(len, lines)) <= size // 2:
        return tuple(lines)
    head = _fitting(lines, max_lines // 2, size // 2)
    rest = lines[head:]
    tail = _fitting(rest[::-1], max_lines // 2, size // 2)
    if tail == len(rest):
        return tuple(lines)
    left_out = len(rest) - tail
    return (*lines[:head], f"-- {left_out} lines left out", *rest[left_out:])


def _fitting(lines: Sequence[str], max_lines: int, size: int) -> int:
    """Number of lines that fit into `max_lines` and `size` characters."""
    count = 0
    for line in lines[:max_lines]:
        size -= len(line)
        if size < 0:
            break
        count += 1
    return count
