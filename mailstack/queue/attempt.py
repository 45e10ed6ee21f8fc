"""Attempt: job, interface of delivery agents, progress watch and journey steps."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct, field

from mailstack.letter import Delivered, Letter, Outcome
from mailstack.letter.delivery import Delivery, Step
from mailstack.letter.letter import CHUNK
from mailstack.queue.concurrency import UNKNOWN
from mailstack.store.delay_reasons import DelayReason

T = TypeVar("T")


class Interrupted(BaseException):
    """Raised where an interrupted coroutine waits; str() is the reason, for people.

    Like asyncio.CancelledError it is no Exception, so that handlers of errors don't catch it.
    """

    def __init__(self, reason: str, *, put_back: bool) -> None:
        """`put_back`: the whole attempt starts again later. Otherwise only this host is skipped."""
        super().__init__(reason)
        self.put_back = put_back


class Interruptible(Generic[T]):
    """Awaitable that wraps a coroutine and can be interrupted; the result is that of the coroutine."""

    __slots__ = ("_interruption", "_waited", "_work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._waited: Any = None
        """Deferred that the coroutine waits for; None while it runs."""
        self._interruption: Interrupted | None = None

    def interrupt(self, interruption: Interrupted) -> bool:
        """Cancels the awaited operation and raises there; False if the operation can't be cancelled."""
        cancel = getattr(self._waited, "cancel", None)
        if cancel is None:
            return False
        self._interruption = interruption
        cancel()
        return True

    def __await__(self) -> Generator[Any, None, T]:
        error: BaseException | None = None
        while True:
            try:
                waited = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as finished:
                result: T = finished.value
                return result
            error, self._waited = None, waited
            try:
                yield waited
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as raised:  # noqa: BLE001 - all of it belongs to the coroutine
                error = raised
            self._waited = None
            if self._interruption is not None:
                error, self._interruption = self._interruption, None


class Conversation(Protocol):
    """Session with another host, as the watch needs it."""

    progress: int
    """Number of replies received and of blocks sent; it only grows."""
    is_behind_dot: bool
    """Whether the final dot of a letter may have been sent, and its reply has not come."""

    def abandon(self, reason: str) -> None:
        """Closes the connection for `reason`, as if the host had."""


class ProgressWatch:
    """Updated by an agent, read by the queue. Until the agent sets `work`, the attempt can't be interrupted."""

    __slots__ = ("_settled", "_steps", "session", "work")

    def __init__(self) -> None:
        self.work: Interruptible[Any] | None = None
        """The coroutine of the attempt."""
        self.session: Conversation | None = None
        """Session with the host that is tried now, once there is a connection."""
        self._steps = 0
        self._settled = False

    def step(self) -> None:
        """Counts a sign of progress."""
        self._steps += 1

    def settle(self) -> None:
        """Notes that a host has decided about recipients: from now on the attempt can't start again."""
        self._settled = True

    @property
    def sign(self) -> tuple[int, int]:
        """A value that differs after each sign of progress."""
        return self._steps, 0 if self.session is None else self.session.progress

    @property
    def is_behind_dot(self) -> bool:
        """Whether the host may have the letter."""
        return self.session is not None and self.session.is_behind_dot

    @property
    def may_restart(self) -> bool:
        """Whether the attempt can start again without losing or doubling a letter."""
        return self.work is not None and not self._settled and not self.is_behind_dot

    def interrupt(self, reason: str, *, put_back: bool) -> bool:
        """Interrupts the attempt at the current host; returns whether that was possible."""
        if self.may_restart and self.work is not None:
            return self.work.interrupt(Interrupted(reason, put_back=put_back))
        if put_back or self.session is None or self.work is None:
            return False
        self.session.abandon(reason)
        return True


class Attempt(Struct, frozen=True):
    """Attempt of an agent, as stored in the history."""

    outcomes: tuple[Outcome, ...]
    """One for each delivery that was given, in that order."""
    route: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the `routed` step: `via`, `why`, `candidates` …; empty if there is no such step."""
    dialogue: tuple[str, ...] = ()
    """Lines of the dialogue, "C: …" and "S: …", without content and secrets."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the `attempted` step: `host`, `tls` …"""
    reached: bool | None = None
    """Whether a session ran to its end; False if no host accepted one, or the connection was lost.

    It adapts the concurrency of the destination; None leaves that as it is."""


class Agent(Protocol):
    """Attempts deliveries: to mailboxes here, or to other hosts."""

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch | None = None, /
    ) -> Attempt:
        """Attempts once; all deliveries have the same destination. An error is an Outcome, never an exception.

        `watch` receives the signs of progress. Raises Interrupted if it interrupts the attempt before anything came of it.
        """


class Destinations(Protocol):
    """Groups deliveries by the hosts that they go to: a group shares attempts, connections and limits."""

    def key(self, letter: Letter, destination: str) -> str:
        """Key of all deliveries to the same hosts."""

    def key_of(self, destination: str) -> str | None:
        """The same key for a destination alone; None if it depends on the letter. Called in any thread."""

    def delay_reasons(self, limit: int) -> Sequence[DelayReason]:
        """Returns at most `limit` delay reasons of hosts."""


class SeparateDomains:
    """Destinations that are keyed by their domain."""

    def key(self, _letter: Letter, destination: str) -> str:
        return destination

    def key_of(self, destination: str) -> str | None:
        return destination

    def delay_reasons(self, _limit: int) -> Sequence[DelayReason]:
        return ()


class Agents(Struct, frozen=True):
    """Agents of one queue."""

    local: Agent
    """Agent of the mailboxes here."""
    relay: Agent
    """Agent of all other destinations."""
    destinations: Destinations = SeparateDomains()
    """Keys of the destinations of the relay."""


MAX_TEXT = 1000
"""Maximum stored characters of a reply."""


def steps_of_attempt(letter: Letter, deliveries: Sequence[Delivery], attempt: Attempt, began: float) -> list[Step]:
    """Steps "routed" and "attempted", if the attempt has facts for them."""
    steps: list[Step] = []
    recipients = [str(delivery.recipient.address) for delivery in deliveries]
    if attempt.route:
        facts = {"recipients": recipients, **attempt.route}
        steps.append(Step(letter.id, began, letter.arrival.server, "routed", facts))
    if attempt.dialogue or attempt.facts:
        facts = {"recipients": recipients, **attempt.facts, "dialogue": list(attempt.dialogue)}
        steps.append(Step(letter.id, began, letter.arrival.server, "attempted", facts))
    return steps


def relayed_facts(delivery: Delivery, outcome: Delivered, attempt: Attempt) -> dict[str, Any]:
    facts = outcome_facts(delivery, outcome)
    if "remote_id" in attempt.facts:
        facts["remote_id"] = attempt.facts["remote_id"]
    return facts


def outcome_facts(delivery: Delivery, outcome: Outcome) -> dict[str, Any]:
    """Facts that each step about an outcome has."""
    return {
        "recipient": str(delivery.recipient.address),
        "status": str(outcome.status),
        "reply": outcome.text[:MAX_TEXT],
        "host": outcome.host,
    }


def span_text(seconds: float) -> str:
    """Time for people: "5 days", "4 hours", "90 seconds"."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.4g} {name}"
    return f"{seconds:.4g} seconds"


class DeliveryJob(Struct, frozen=True):
    """Attempt to be made: deliveries of one letter to the same hosts, claimed by this process."""

    letter: Letter
    destination: str
    """LOCAL, or the key of these hosts: a domain, or the smart host."""
    deliveries: tuple[Delivery, ...]

    @property
    def priority(self) -> int:
        """Priority of the letter (RFC 6710)."""
        return self.deliveries[0].priority if self.deliveries else 0

    @property
    def is_retry(self) -> bool:
        """Whether it is a retry or a report; other hosts can provoke any number of reports to themselves."""
        tried = bool(self.deliveries) and self.deliveries[0].attempts > 1
        return tried or self.is_report

    @property
    def is_report(self) -> bool:
        """Whether the reverse-path is null (RFC 5321 §4.5.5)."""
        return self.letter.envelope.sender is None

    @property
    def octets(self) -> int:
        """Maximum octets of the content in memory; larger contents are in files."""
        return min(self.letter.content.size, CHUNK)


class Lane(NamedTuple):
    """Class of jobs; higher classes are attempted first."""

    priority: int
    is_retry: bool
    is_report: bool
    reputation: int = UNKNOWN
    """Reputation of the destination."""
