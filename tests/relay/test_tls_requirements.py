"""TLS requirements: the table of mailstack.relay.tls_policy, line by line."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.letter import Deferred, Failed, Letter
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable, RouteTargets, TargetHost
from mailstack.relay.mta_sts import Mode, StsPolicy
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.relay.tls_requirements import TlsRequest, TlsRequirementNotMet, TlsRequirements
from tests.relay.agents import letter_to
from tests.relay.world import World

MX = "mx.elsewhere.test"
GOOD = Tlsa(3, 1, 1, b"d" * 32)
UNUSABLE = (Tlsa(1, 1, 1, b"d" * 32), Tlsa(3, 1, 1, b"short"), Tlsa(3, 2, 1, b"d" * 32), Tlsa(3, 0, 0, b""))
CANDIDATE = TargetHost(MX, HostPort("192.0.2.2", 25), "MX 10 of elsewhere.test", signed=True)
UNSIGNED = TargetHost(MX, HostPort("192.0.2.2", 25), "MX 10 of elsewhere.test")


class Signed:
    """Names that DNSSEC vouches for."""

    def __init__(self, *records: Tlsa, base: str | None = MX, trouble: bool = False) -> None:
        self.records = records
        self.base = base
        self.trouble = trouble
        self.asked: list[str] = []

    async def signed_name(self, host: str) -> str | None:
        return self.base

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        self.asked.append(name)
        if self.trouble:
            raise DnsUnavailable("SERVFAIL")
        return self.records if name == f"_25._tcp.{self.base}" else ()


class Strict:
    """An Sts that knows one policy."""

    def __init__(self, mode: Mode, *mx: str) -> None:
        self._policy = StsPolicy(mode, 86400, mx)

    async def policy(self, domain: str) -> StsPolicy | None:
        return self._policy if domain == "elsewhere.test" else None

    def trouble(self, domain: str) -> None:
        return None


ENFORCED = Strict(Mode.ENFORCE, MX)


def letter(content: bytes = b"Subject: x\r\n\r\n", *, requires: bool = False, report: bool = False) -> Letter:
    from msgspec.structs import replace

    one = letter_to("carol@elsewhere.test", content=content)
    parameters = (("REQUIRETLS", ""),) if requires else ()
    sender = None if report else one.envelope.sender
    return replace(one, envelope=replace(one.envelope, parameters=parameters, sender=sender), content=Octets(content))


def demanded(
    *,
    names: Any = None,
    sts: Any = None,
    security: TlsPolicy | None = None,
    candidate: TargetHost = CANDIDATE,
    published: bool = True,
    domain: str | None = "elsewhere.test",
    of: Letter | None = None,
) -> TlsPolicy:
    demands = TlsRequirements(names or Signed(base=None), dane=names is not None, sts=sts)
    targets = RouteTargets((candidate,), security or TlsPolicy(), domain=domain, published=published)
    return World().run(demands.policy_for(targets, candidate, TlsRequest(of or letter())))


def test_nothing_published_leaves_what_the_operator_says() -> None:
    """RLY-19."""
    for level in TlsLevel:
        assert demanded(security=TlsPolicy(level)).level is level


@pytest.mark.parametrize(
    ("names", "sts", "level"),
    [
        (Signed(GOOD), None, TlsLevel.DANE),
        (Signed(GOOD), ENFORCED, TlsLevel.DANE),
        (Signed(*UNUSABLE), None, TlsLevel.REQUIRED),
        (Signed(*UNUSABLE, GOOD), None, TlsLevel.DANE),
        (Signed(), ENFORCED, TlsLevel.VERIFIED),
        (Signed(GOOD, base=None), None, TlsLevel.OPPORTUNISTIC),
        (None, ENFORCED, TlsLevel.VERIFIED),
        (None, Strict(Mode.NONE), TlsLevel.OPPORTUNISTIC),
        (None, Strict(Mode.TESTING, MX), TlsLevel.OPPORTUNISTIC),
    ],
)
def test_what_is_published_counts(names: Any, sts: Any, level: TlsLevel) -> None:
    """RLY-20, RLY-21: DANE goes before MTA-STS (RFC 8461 §2)."""
    found = demanded(names=names, sts=sts)
    assert found.level is level
    assert (found.dane is not None) is (level is TlsLevel.DANE)


def test_only_usable_records_are_matched() -> None:
    """RLY-20."""
    found = demanded(names=Signed(*UNUSABLE, GOOD))
    assert found.dane is not None
    assert found.dane.records == (GOOD,)
    assert found.dane.names == (MX, "elsewhere.test")


def test_an_alias_is_asked_for_by_the_name_that_it_leads_to_first() -> None:
    """RLY-20: RFC 7672 §2.2.2."""
    names = Signed(GOOD, base="real.test")
    found = demanded(names=names)
    assert names.asked == ["_25._tcp.real.test"]
    assert found.dane is not None
    assert found.dane.names == ("real.test", MX, "elsewhere.test")
    names = Signed(base="real.test")
    assert demanded(names=names).level is TlsLevel.OPPORTUNISTIC
    assert names.asked == ["_25._tcp.real.test", f"_25._tcp.{MX}"]


def test_an_unsigned_mx_has_no_dane() -> None:
    """RLY-20."""
    names = Signed(GOOD)
    assert demanded(names=names, candidate=UNSIGNED).level is TlsLevel.OPPORTUNISTIC
    assert names.asked == []


def test_records_that_cannot_be_had_keep_the_letter_here() -> None:
    """RLY-20."""
    with pytest.raises(TlsRequirementNotMet) as caught:
        demanded(names=Signed(trouble=True), sts=ENFORCED)
    assert isinstance(caught.value.outcome, Deferred)


def test_what_is_published_never_lowers_what_the_operator_says() -> None:
    found = demanded(names=Signed(*UNUSABLE), security=TlsPolicy(TlsLevel.VERIFIED, reason="me"))
    assert (found.level, found.reason) == (TlsLevel.VERIFIED, "me")


def test_the_operators_word_about_a_domain_is_the_last() -> None:
    """RLY-19, RLY-21."""
    for names, sts in ((Signed(GOOD), None), (None, Strict(Mode.ENFORCE, "mx9.elsewhere.test"))):
        assert demanded(names=names, sts=sts, published=False).level is TlsLevel.OPPORTUNISTIC


NO = b"Subject: x\r\ntls-REQUIRED:\r\n no\r\n\r\n"


@pytest.mark.parametrize("names", [Signed(GOOD), Signed(trouble=True), None])
def test_a_letter_that_rather_arrives(names: Any) -> None:
    """REQT-01: relaxes what is published, and not what the operator says."""
    sts = Strict(Mode.ENFORCE, "mx9.elsewhere.test") if names is None else None
    assert demanded(names=names, sts=sts, of=letter(NO)).level is TlsLevel.OPPORTUNISTIC
    assert (
        demanded(names=names, sts=sts, of=letter(NO), security=TlsPolicy(TlsLevel.REQUIRED)).level is TlsLevel.REQUIRED
    )
    assert demanded(names=Signed(GOOD), of=letter(NO, requires=True)).level is TlsLevel.DANE


@pytest.mark.parametrize(
    "content",
    [b"Subject: x\r\n\r\nTLS-Required: No\r\n", b"TLS-Required: Yes\r\n\r\n", b"X-TLS-Required: No\r\n\r\n", b""],
)
def test_nothing_else_says_so(content: bytes) -> None:
    """REQT-01."""
    assert demanded(sts=ENFORCED, of=letter(content)).level is TlsLevel.VERIFIED


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"sts": ENFORCED, "candidate": UNSIGNED}, TlsLevel.VERIFIED),
        ({"names": Signed(GOOD)}, TlsLevel.DANE),
        ({"names": Signed(*UNUSABLE)}, TlsLevel.VERIFIED),
        ({"candidate": UNSIGNED, "domain": None}, TlsLevel.VERIFIED),
        ({"sts": ENFORCED, "candidate": UNSIGNED, "published": False}, TlsLevel.VERIFIED),
    ],
)
def test_requiretls_wants_verified_tls_to_a_name_that_can_be_trusted(options: Any, level: TlsLevel) -> None:
    """REQT-01: RFC 8689 §4.2.1; a route is the operator's own word."""
    assert demanded(**options, of=letter(requires=True)).level is level


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"candidate": UNSIGNED}, "5.7.30"),
        ({"candidate": UNSIGNED, "sts": Strict(Mode.TESTING, MX)}, "5.7.30"),
        ({"security": TlsPolicy(TlsLevel.NEVER)}, "5.7.10"),
    ],
)
def test_requiretls_comes_back(options: Any, status: str) -> None:
    """REQT-01, CODE-26."""
    with pytest.raises(TlsRequirementNotMet) as caught:
        demanded(**options, of=letter(requires=True))
    outcome = caught.value.outcome
    assert isinstance(outcome, Failed)
    assert str(outcome.status) == status


def test_a_report_with_requiretls_is_rather_sent() -> None:
    """REQT-01: RFC 8689 §5."""
    assert demanded(candidate=UNSIGNED, of=letter(requires=True, report=True)).level is TlsLevel.OPPORTUNISTIC
