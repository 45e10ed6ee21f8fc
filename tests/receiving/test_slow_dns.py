"""Verification with slow DNS answers of one domain."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from mailstack.letter import Address, Arrival, Envelope, Letter, new_letter_id
from mailstack.letter.envelope import HostPort
from mailstack.letter.header import split
from mailstack.letter.letter import Octets, read_all
from mailstack.net.scheduler import gather
from mailstack.policy.authentication.results import FIELD
from mailstack.protocols.smtp.receiving_rules import ReceivedOctets
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.verification import SenderVerification, VerificationPolicy
from tests.aid import run
from tests.policy.authentication.letters import inline, signed
from tests.policy.authentication.test_arc import RECORDS, passed_on
from tests.policy.visitor import Dns

QUESTION = 5.0
"""Seconds after which a question is given up, as [policy] dns_timeout."""
REJECT = {"TXT _dmarc.pr.test": ("v=DMARC1; p=reject",)}
VICTIM = b"From: CEO <ceo@pr.test>\r\n"
END = b"Subject: hello\r\n\r\nHi\r\n"


@define
class SlowDns(Dns):
    """A Dns of which some domains, and all names of addresses, take their time."""

    clock: Clock = field(factory=Clock)
    seconds: float = QUESTION
    slow: tuple[str, ...] = ("slow.test",)

    async def _answer(self, kind: str, name: str) -> tuple[str, ...] | None:
        if name.endswith(self.slow) or kind == "PTR":
            await deferLater(self.clock, min(self.seconds, QUESTION), lambda: None)
            if self.seconds >= QUESTION:
                self.asked.append(f"{kind} {name}")
                return None
        return await super()._answer(kind, name)


def verify_letter(octets: bytes, names: SlowDns, sender: str = "a@other.test", **demands: Any) -> tuple[str, float]:
    """The result of DMARC, or the code and status of a refusal; and the seconds that it took."""
    checks = SenderVerification(
        "mx.home.test",
        names,
        inline,
        names.clock.seconds,
        VerificationPolicy(**demands),
        gather=gather,
        chance=lambda: 0.5,
    )
    remote = HostPort("192.0.2.1", 25)
    arrival = Arrival(at=1.0, server="mx.home.test", protocol="ESMTP", remote=remote, helo="mx.other.test")
    letter = Letter(new_letter_id(1.0), Envelope(Address.parse(sender), ()), Octets(octets), arrival)
    ended: list[Any] = []
    arrived = ReceivedOctets(octets[: split(octets) - 2], split(octets))
    Deferred.fromCoroutine(checks.verify_letter(letter, arrived)).addBoth(ended.append)
    while not ended and names.clock.seconds() < 300:
        names.clock.advance(0.5)
    assert ended, "it took more than five minutes"
    if hasattr(ended[0], "value"):
        assert isinstance(ended[0].value, Refusal), ended[0]
        return str(ended[0].value.reply)[:9], names.clock.seconds()
    examined, facts = ended[0]
    assert FIELD in run(read_all(examined.content)).lower()
    return str(facts["dmarc"]), names.clock.seconds()


def slow_signatures(count: int) -> bytes:
    return b"".join(
        [
            b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.slow.test; s=s; h=from; bh=AAAA; b=AAAA\r\n" % number
            for number in range(count)
        ]
    )


@pytest.mark.parametrize(
    ("octets", "sender"),
    [
        (VICTIM + END, "a@slow.test"),
        (slow_signatures(8) + VICTIM + END, "a@other.test"),
        (slow_signatures(8) + VICTIM + END, "a@slow.test"),
        (b"From: a@slow.test, ceo@pr.test\r\n" + END, "a@other.test"),
        (b"From: ceo@pr.test, b@x.slow.test, c@y.slow.test\r\n" + END, "a@slow.test"),
    ],
    ids=["sender", "signatures", "both", "author", "authors"],
)
@pytest.mark.parametrize("temperror", ["accept", "defer"])
def test_a_slow_domain_of_ones_own_passes_no_policy_of_another(octets: bytes, sender: str, temperror: str) -> None:
    """DMARC-02: RFC 7489 §3.1, §6.6.2. A letter costs no more than a few questions, however many signatures it has."""
    assert verify_letter(octets, SlowDns(dict(REJECT)), sender, temperror=temperror) == ("550 5.7.1", QUESTION)


def test_a_sender_whose_record_leads_from_name_to_name_uses_up_nothing_of_the_policy() -> None:
    """SPF-01, DMARC-02: ten includes, each of which is answered just in time."""
    chain = {f"TXT d{n}.slow.test": (f"v=spf1 include:d{n + 1}.slow.test -all",) for n in range(20)}
    names = SlowDns(REJECT | chain, seconds=4.5)
    said, seconds = verify_letter(VICTIM + END, names, "a@d0.slow.test")
    assert said == "550 5.7.1"
    assert seconds <= 15


def test_the_names_of_a_client_use_up_nothing_of_the_senders_own_record() -> None:
    """SPF-01: the client's PTR and the names there are told by its own name servers, and come before `a`."""
    pointers = tuple(f"n{number}.slow.test" for number in range(10))
    records: dict[str, tuple[str, ...] | None] = {
        **REJECT,
        "TXT pr.test": ("v=spf1 ptr a:mail.pr.test -all",),
        "A mail.pr.test": ("192.0.2.99",),
        "PTR 192.0.2.1": pointers,
    }
    said, seconds = verify_letter(VICTIM + END, SlowDns(records, seconds=4.5), "ceo@pr.test")
    assert said == "550 5.7.1"
    assert seconds <= 25


def test_a_chain_of_slow_sealers_uses_up_nothing_of_the_policy() -> None:
    """ARC-01: its seals are looked up one after the other."""
    names = SlowDns({**RECORDS, "TXT _dmarc.home.test": ("v=DMARC1; p=reject",)}, seconds=4.5, slow=("list.test",))
    assert verify_letter(passed_on("list.test", "list.test", "list.test", "list.test"), names)[0] == "550 5.7.1"


def test_what_the_domain_itself_does_not_answer_is_doubtful() -> None:
    """DMARC-01, AR-01: its policy, its SPF record, the key of its signature."""
    said = {
        verify_letter(VICTIM + END, SlowDns(slow=("_dmarc.pr.test",)))[0],
        verify_letter(VICTIM + END, SlowDns(dict(REJECT), slow=("pr.test",)), "ceo@pr.test")[0],
        verify_letter(
            signed(), SlowDns({"TXT _dmarc.home.test": ("v=DMARC1; p=reject",)}, slow=("_domainkey.home.test",))
        )[0],
    }
    assert said == {"temperror"}
    assert verify_letter(VICTIM + END, SlowDns(slow=("_dmarc.pr.test",)), temperror="defer")[0] == "451 4.4.3"


def test_passing_letter_is_not_deferred_for_an_unreachable_key() -> None:
    """RFC 6376 §6.1: one good signature is enough, whatever became of the others."""
    names = SlowDns({"TXT home.test": ("v=spf1 ip4:192.0.2.1 -all",), "TXT _dmarc.home.test": ("v=DMARC1; p=reject",)})
    letter = slow_signatures(3) + b"From: alice@home.test\r\n" + END
    assert verify_letter(letter, names, "alice@home.test", temperror="defer") == ("pass", QUESTION)
    assert (
        verify_letter(slow_signatures(3) + b"From: a@other.test\r\n" + END, names, temperror="defer")[0] == "451 4.4.3"
    )
