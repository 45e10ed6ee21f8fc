"""The judge: whether each letter that was answered with 250 is where it was to go, and how often."""

from __future__ import annotations

import time

from attrs import define

from tests.crash.ledger import Ledger
from tests.crash.load import TROUBLE, empty_mailbox
from tests.nodes.far import FarHost
from tests.nodes.node import Node
from tests.nodes.people import READERS, People


@define
class Tally:
    """Of all rounds so far."""

    acknowledged: int = 0
    deliveries_here: int = 0
    """Letters in mailboxes here."""
    deliveries_far: int = 0
    twice_far: int = 0
    """Copies beyond the first that the far host has: a reply or a node was lost (RFC 5321 §4.5.3.2.6)."""
    doubtful: int = 0
    """Letters that were deleted in a session whose QUIT got no answer."""
    unanswered_taken: int = 0
    """Letters whose sender heard no 250, and which were delivered all the same."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} letters acknowledged, none lost; {self.deliveries_here} in mailboxes, none doubled;"
            f" {self.deliveries_far} at the far host, {self.twice_far} copies twice; {self.unanswered_taken} delivered"
            f" whose sender heard no 250, {self.doubtful} deletions that QUIT did not answer for"
        )


def drain(nodes: list[Node], patience: float) -> float:
    """Wait until nothing is owed; how many seconds that took."""
    begun = time.monotonic()
    while (owed := nodes[0].owed()) > 0:
        waited = time.monotonic() - begun
        assert waited < patience, f"{owed} letters are still owed after {waited:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - begun


def judge(people: People, nodes: list[Node], far: FarHost, tally: Tally) -> None:
    """With nobody left who sends or reads, and nothing owed. Raises AssertionError for what is lost or doubled."""
    for reader in READERS:
        _empty(people.ledger, nodes, reader)
    weigh(people, far, nodes[0].domain, tally)


def weigh(people: People, far: FarHost, domain: str, tally: Tally) -> None:
    """What was promised against what was found. Raises AssertionError."""
    ledger, here = people.ledger, f"@{domain}"
    lost = [each for each in ledger.lost() if each[1].endswith(here) or not far.copies[each]]
    assert not lost, f"{len(lost)} lost: {lost[:20]}"
    doubled = ledger.doubled(domain)
    assert not doubled, f"doubled in mailboxes here: {doubled[:20]}"
    strange = {token for token, _ in ledger.found} - ledger.acknowledged.keys() - people.unanswered
    assert not strange, f"nobody sent: {sorted(strange)[:20]}"
    tally.acknowledged += len(ledger.acknowledged)
    tally.deliveries_here += ledger.found.total()
    tally.deliveries_far += far.copies.total()
    tally.twice_far += sum(count - 1 for count in far.copies.values())
    tally.doubtful += ledger.doubtful.total()
    tally.unanswered_taken += len(people.unanswered & {token for token, _ in (*ledger.found, *far.copies)})


def close(people: People, far: FarHost) -> None:
    """What balanced is forgotten, so that a long run stays small."""
    people.ledger.close()
    people.unanswered.clear()
    people.replies.clear()
    far.copies.clear()


def _empty(ledger: Ledger, nodes: list[Node], reader: str) -> None:
    """The lock of a session that was cut may last as long as the lease of its node."""
    deadline = time.monotonic() + 90
    for number in range(10_000):
        try:
            if not empty_mailbox(ledger, nodes[number % len(nodes)], reader, most=500):
                return
        except TROUBLE:
            assert time.monotonic() < deadline, f"the mailbox of {reader} can't be opened"
            time.sleep(0.1)
    raise AssertionError(f"the mailbox of {reader} can't be emptied")
