"""POP3 session, from greeting to UPDATE state (RFC 1939 §3, §6, §10)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailstack.letter.delivery import Journal, Step
from mailstack.mailbox.login import SessionEnded
from mailstack.mailbox.pop3.authorization import Authorization, Dialogue, LoginDelay, Pop3Limits
from mailstack.mailbox.pop3.maildrop import MAX_TOTAL_OCTETS, Maildrop
from mailstack.mailbox.pop3.transaction import Pop3Transaction
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.connection import Clock, Peer
from mailstack.protocols.pop3.commands import Pop3Event
from mailstack.protocols.pop3.server import Code, Pop3ServerEngine
from mailstack.protocols.sasl import Authenticator, Sessions
from mailstack.store import Entry, MailboxStore, StoreError

_log = logging.getLogger(__name__)


STEPS_PER_TURN = 100
"""Maximum steps published per turn of the reactor, so that other sessions don't wait."""


class Update:
    """Records the collected letters of a session; writes collections and deletions at its end."""

    def __init__(
        self,
        drop: Maildrop,
        mailboxes: MailboxStore,
        clock: Clock,
        journal: Journal,
        *,
        server: str,
        facts: Mapping[str, Any],
        pause: Callable[[float], Awaitable[object]],
        sets_seen: bool = True,
    ) -> None:
        r"""`facts` explain the `collected` steps: account, client, TLS. `pause` returns after a number of seconds.

        `sets_seen`: whether collected letters get \Seen.
        """
        self._sets_seen = sets_seen
        self._pause = pause
        self._drop = drop
        self._mailboxes = mailboxes
        self._clock = clock
        self._journal = journal
        self._server = server
        self._facts = facts
        self._collected: dict[int, Step] = {}

    def collect(self, entry: Entry) -> None:
        """Records that a letter was sent whole, once per session."""
        if entry.uid in self._collected:
            return
        self._collected[entry.uid] = Step(entry.letter, self._clock.now(), self._server, "collected", self._facts)

    async def commit(self) -> bool:
        """Deletes all marked letters or none; returns whether they are deleted."""
        return await self._write(self._drop.marked)

    async def commit_collected(self) -> None:
        """Deletes nothing, and stores which letters were collected."""
        await self._write([])

    async def _write(self, deleted: list[int]) -> bool:
        if not self._collected and not deleted:
            return True
        steps = list(self._collected.values())
        try:
            stored_steps = await self._mailboxes.update(
                self._drop.mailbox,
                collected=list(self._collected),
                deleted=deleted,
                steps=steps,
                sets_seen=self._sets_seen,
            )
        except StoreError as error:
            _log.error("can't update the maildrop of %s: %s", self._drop.mailbox, error)
            return False
        for start in range(0, len(stored_steps), STEPS_PER_TURN):
            if start:  # other sessions run in between
                await self._pause(0)
            self._journal.record(stored_steps[start : start + STEPS_PER_TURN])
        return True


__all__ = ["Pop3Limits", "serve"]


async def serve(
    peer: Peer[Pop3Event],
    engine: Pop3ServerEngine,
    *,
    hostname: str,
    authenticator: Authenticator,
    mailboxes: MailboxStore,
    clock: Clock,
    pause: Callable[[float], Awaitable[object]],
    journal: Journal,
    limits: Pop3Limits | None = None,
    login_delay: LoginDelay | None = None,
    holder_of: Callable[[str], str] | None = None,
    memory_budget: MemoryBudget | None = None,
    sessions: Sessions | None = None,
    log_out: Callable[[], None] = lambda: None,
) -> None:
    """Serves one connection until it ends, releases the maildrop, and closes the connection.

    `pause` returns after so many seconds. All sessions share `login_delay`, and `memory_budget` for read-ahead.
    `holder_of` returns the server of a mailbox, if several share the store. `sessions` and `log_out`: see Authorization.
    """
    dialogue = Dialogue(peer, engine, limits or Pop3Limits(), pause)
    holder = f"{hostname}/{secrets.token_hex(8)}"
    protocol = "pop3s" if engine.tls else "pop3"
    authorization = Authorization(
        dialogue,
        authenticator,
        mailboxes,
        server=hostname,
        holder=holder,
        delay=login_delay,
        sessions=sessions,
        log_out=log_out,
    )
    try:
        authorization.greet()
        maildrop = await authorization.login()
        try:
            drop = Maildrop(maildrop)
            facts = _facts(dialogue, maildrop.mailbox, protocol)
            at = hostname if holder_of is None else holder_of(maildrop.mailbox)
            sets_seen = dialogue.limits.sets_seen
            update = Update(drop, mailboxes, clock, journal, server=at, facts=facts, pause=pause, sets_seen=sets_seen)
            dialogue.ok(f"maildrop has {drop}")
            budget = memory_budget or MemoryBudget(MAX_TOTAL_OCTETS)
            removed = await _transact(Pop3Transaction(dialogue, drop, mailboxes, update.collect, budget), update)
        finally:
            await _release(mailboxes, maildrop.mailbox, holder)
        # After the release, so that a client can log in again at once.
        if removed:
            dialogue.ok("goodbye")
        else:
            dialogue.err("the deleted messages were not removed", Code.SYS_TEMP)
    except SessionEnded:
        pass
    finally:
        authorization.close()
        peer.close()


async def _transact(transaction: Pop3Transaction, update: Update) -> bool:
    """Runs the TRANSACTION and UPDATE states; returns whether the marked messages were removed (RFC 1939 §5, §6)."""
    try:
        await transaction.run()
    except SessionEnded:
        await update.commit_collected()
        raise
    return await update.commit()


def _facts(dialogue: Dialogue, account: str, protocol: str) -> Mapping[str, Any]:
    """Facts of the `collected` steps."""
    remote, tls = dialogue.remote, dialogue.tls
    facts: dict[str, Any] = {"by": account, "client": remote.host, "protocol": protocol}
    if tls is not None:
        facts["tls"] = {"version": tls.version, "cipher": tls.cipher}
    return facts


async def _release(mailboxes: MailboxStore, mailbox: str, holder: str) -> None:
    try:
        await mailboxes.release(mailbox, holder)
    except StoreError as error:
        _log.error("can't release the maildrop of %s: %s", mailbox, error)
