"""Verification of letters from strangers, whatever they contain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Arrival, Envelope, Letter, new_letter_id
from mailstack.letter.envelope import HostPort
from mailstack.letter.header import count, split
from mailstack.letter.letter import Octets, read_all
from mailstack.net.scheduler import gather
from mailstack.policy.authentication.results import FIELD
from mailstack.policy.networks import parse_networks
from mailstack.protocols.smtp.receiving_rules import ReceivedOctets
from mailstack.protocols.smtp.replies import Refusal
from mailstack.receiving.verification import SenderVerification, VerificationPolicy
from tests.aid import run
from tests.policy.authentication.letters import LETTER, NOW, dns, inline, signed
from tests.policy.visitor import Dns, Now

STRANGER = HostPort("192.0.2.1", 25)


def verify_letter(
    octets: bytes,
    names: Dns | None = None,
    *,
    sender: str = "alice@home.test",
    helo: str = "mx.home.test",
    remote: HostPort | None = STRANGER,
    demands: VerificationPolicy | None = None,
) -> tuple[bytes, dict[str, object]]:
    """The fields that were put on top, and what the journey is told."""
    checks = SenderVerification(
        "mx.other.test",
        names or Dns(),
        inline,
        Now(NOW),
        demands or VerificationPolicy(),
        gather=gather,
        chance=lambda: 0.5,
    )
    envelope = Envelope(Address.parse(sender) if sender else None, ())
    arrival = Arrival(at=1.0, server="mx.other.test", protocol="ESMTP", remote=remote, helo=helo)
    letter = Letter(new_letter_id(1.0), envelope, Octets(octets), arrival)
    examined, facts = run(
        checks.verify_letter(letter, ReceivedOctets(octets[: max(0, split(octets) - 2)], split(octets)))
    )
    whole = run(read_all(examined.content))
    assert whole.endswith(octets)
    return whole.removesuffix(octets), dict(facts)


def test_a_letter_without_a_sender_is_asked_by_the_name_of_its_host() -> None:
    """SPF-01: HELO when MAIL FROM is empty (RFC 7208 §2.4); DMARC takes it as well."""
    names = Dns({"TXT mx.home.test": ("v=spf1 ip4:192.0.2.1 -all",), "TXT _dmarc.home.test": ("v=DMARC1; p=reject",)})
    field, facts = verify_letter(LETTER, names, sender="")
    assert b"spf=pass smtp.helo=mx.home.test;" in field
    assert facts == {"spf": "pass", "dkim": "none", "dmarc": "pass"}
    assert b"spf=none" in verify_letter(LETTER, sender="", helo="[192.0.2.1]")[0]
    assert b"spf=none" in verify_letter(LETTER, sender="", helo="no name at all")[0]
    assert b"smtp.mailfrom=alice@?192.0.2.1?" in verify_letter(LETTER, sender="alice@[192.0.2.1]")[0]


def test_only_what_is_wanted_is_asked() -> None:
    """SPF-02: each question can be left out."""
    names = dns()
    field, facts = verify_letter(signed(), names, demands=VerificationPolicy(spf=False, dmarc=False, arc=False))
    assert field.count(b"=pass") == 1
    assert facts == {"dkim": "pass"}
    assert names.asked == ["TXT s1._domainkey.home.test"]
    field, _ = verify_letter(signed(), demands=VerificationPolicy(dkim=False, dmarc=False, arc=False))
    assert b"dkim" not in field


@pytest.mark.parametrize("remote", [None, HostPort("127.0.0.1", 1), HostPort("::1", 1)])
def test_this_machine_is_not_asked(remote: HostPort | None) -> None:
    """SPF-02: nor who comes over a UNIX socket."""
    trusting = VerificationPolicy(trusted=parse_networks(("127.0.0.0/8", "::1")))
    names = Dns()
    assert verify_letter(LETTER, names, remote=remote, demands=trusting) == (b"", {})
    assert names.asked == []


def test_unreachable_dns_is_reported_and_refuses_no_letter() -> None:
    """AR-01: temperror, for each."""
    names = Dns(dict.fromkeys(("TXT home.test", "TXT s1._domainkey.home.test", "TXT _dmarc.home.test")))
    field, facts = verify_letter(signed(), names)
    assert field.count(b"=temperror") == 3
    assert facts == {"spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}
    with pytest.raises(Refusal, match=r"4\.4\.3"):
        verify_letter(signed(), names, demands=VerificationPolicy(temperror="defer"))


def test_marks_instead_of_refusals() -> None:
    """DMARC-02: where the operator wants to see first."""
    names = Dns({"TXT _dmarc.home.test": ("v=DMARC1; p=reject",)})
    with pytest.raises(Refusal, match=r"5\.7\.1"):
        verify_letter(LETTER, names)
    assert (
        b"dmarc=fail header.from=home.test policy.dmarc=reject"
        in verify_letter(LETTER, names, demands=VerificationPolicy(dmarc_reject="mark"))[0]
    )


NAMES = st.sampled_from(
    ["From", "DKIM-Signature", "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "Subject", "From "]
)
VALUES = st.sampled_from(
    [" a@b.test", " <a@ä.test>, b@c.test", " v=1; d=home.test; h=from; b=; i=1", " =?x?="]
) | st.text(max_size=60)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=60), st.text(max_size=30))
def test_any_letter_has_its_results(header: list[tuple[str, str]], body: bytes, helo: str) -> None:
    """AR-01: one field on top, for any octets and any name that a client gives itself."""
    lines = [f"{name}:{value}".encode().replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for name, value in header]
    octets = b"".join(lines) + b"\r\n" + body
    field, _ = verify_letter(octets, sender="", helo=helo, demands=VerificationPolicy(malformed_from="mark"))
    assert count(field, FIELD) == 1
    assert field.isascii()
