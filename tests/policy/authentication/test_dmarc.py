"""DMARC: policy records, organizational domains and dispositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy.authentication.dmarc import Dmarc, DmarcResult, Identifier, judge_authors, read_policy
from tests.aid import run
from tests.policy.visitor import Dns


def dns_of(policies: dict[str, str | None]) -> Dns:
    return Dns({f"TXT _dmarc.{name}": None if text is None else (text,) for name, text in policies.items()})


def judge(
    policies: dict[str, str | None],
    author: str,
    spf: str | None = None,
    dkim: Sequence[str] = (),
    *,
    doubtful: Sequence[str] = (),
    chance: float = 0.5,
    there: Sequence[str] = (),
    names: Dns | None = None,
) -> DmarcResult:
    """`doubtful`: domains about whose SPF and signatures the DNS gave no answer."""
    names = names or dns_of(policies)
    names.records |= {f"A {name}": ("192.0.2.1",) for name in there}
    identifiers = [Identifier("dkim", domain, True) for domain in dkim]
    identifiers += [Identifier(method, domain, False) for domain in doubtful for method in METHODS]
    if spf is not None:
        identifiers.append(Identifier("spf", spf, True))
    dmarc = Dmarc(author, names, lambda: chance)
    return run(dmarc.judge(run(dmarc.discover()), identifiers))


METHODS: tuple[Literal["spf", "dkim"], ...] = ("spf", "dkim")


def judge_all(policies: dict[str, str | None], *authors: str) -> DmarcResult:
    names = dns_of(policies)
    return judge_authors([run(Dmarc(author, names, lambda: 0.5).discover()) for author in authors])


REJECT = {"home.test": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("spf", "dkim", "result"),
    [
        (None, [], "fail"),
        ("home.test", [], "pass"),
        ("mail.home.test", [], "pass"),
        ("evilhome.test", [], "fail"),
        (None, ["other.test", "home.test"], "pass"),
        (None, ["news.home.test"], "pass"),
        ("other.test", ["other.test"], "fail"),
    ],
)
def test_spf_or_dkim_must_speak_for_the_author(spf: str | None, dkim: list[str], result: str) -> None:
    """DMARC-01: relaxed alignment (RFC 7489 §3.1)."""
    assert judge(REJECT, "home.test", spf, dkim) == DmarcResult(result, "home.test", "reject")  # type: ignore[arg-type]


def test_strict_alignment_wants_the_same_name() -> None:
    """DMARC-01: adkim=s, aspf=s."""
    strict = {"home.test": "v=DMARC1; p=reject; adkim=s; aspf=s"}
    assert judge(strict, "home.test", "mail.home.test", ["mail.home.test"]).result == "fail"
    assert judge(strict, "home.test", "home.test").result == "pass"
    assert judge(strict, "home.test", None, ["home.test"]).result == "pass"


@pytest.mark.parametrize(
    ("policy", "author", "wish"),
    [
        ("v=DMARC1; p=reject", "a.home.test", "reject"),
        ("v=DMARC1; p=reject; sp=none", "a.home.test", "none"),
        ("v=DMARC1; p=reject; sp=none; np=quarantine", "a.home.test", "none"),
        ("v=DMARC1; p=none; sp=none; np=reject", "gone.home.test", "reject"),
        ("v=DMARC1; p=quarantine; np=none", "gone.home.test", "none"),
        ("v=DMARC1; p=reject; t=y", "home.test", "quarantine"),
        ("v=DMARC1; p=quarantine; t=y", "home.test", "none"),
        ("v=DMARC1; p=reject; pct=40", "home.test", "quarantine"),
        ("v=DMARC1; p=reject; pct=60", "home.test", "reject"),
        ("v=DMARC1; p=reject; pct=many", "home.test", "reject"),
    ],
)
def test_which_wish_holds(policy: str, author: str, wish: str) -> None:
    """DMARC-01: p, sp, np, pct, t."""
    assert judge({"home.test": policy}, author, there=["a.home.test"]).wish == wish


def test_the_policy_of_a_domain_goes_before_that_of_its_organization() -> None:
    """DMARC-01: RFC 7489 §6.6.3."""
    both = {"home.test": "v=DMARC1; p=reject", "a.home.test": "v=DMARC1; p=none"}
    assert judge(both, "a.home.test").wish == "none"
    assert judge(both, "b.a.home.test", there=["b.a.home.test"]).wish == "reject"


@pytest.mark.parametrize(
    ("policies", "domain", "organization"),
    [
        ({}, "a.home.test", "a.home.test"),
        (REJECT, "a.b.home.test", "home.test"),
        ({"home.test": "v=DMARC1; p=none; psd=n", "test": "v=DMARC1; p=none"}, "a.home.test", "home.test"),
        ({"test": "v=DMARC1; p=none; psd=y"}, "a.home.test", "home.test"),
        ({"co.test": "v=DMARC1; p=none; psd=y"}, "a.home.co.test", "home.co.test"),
        ({"test": "v=DMARC1; p=none; psd=y"}, "test", "test"),
        ({"h.test": "v=DMARC1; p=none"}, ".".join("abcdefgh") + ".test", "h.test"),
    ],
)
def test_where_an_organization_begins(policies: dict[str, str | None], domain: str, organization: str) -> None:
    """DMARC-01: the walk up the DNS."""
    names = dns_of(policies)
    assert run(Dmarc(domain, names, lambda: 0.0).organization(domain)) == organization
    assert len(names.asked) <= 8


def test_a_public_suffix_parts_its_domains() -> None:
    """DMARC-01: neighbours under a suffix don't vouch for each other."""
    policies = {"co.test": "v=DMARC1; p=none; psd=y", "home.co.test": "v=DMARC1; p=reject"}
    assert judge(policies, "home.co.test", "evil.co.test", ["evil.co.test"]).result == "fail"


def test_what_the_dns_did_not_say() -> None:
    """DMARC-01: temperror, and nothing is refused for it."""
    assert judge({"home.test": None}, "home.test").result == "temperror"
    assert judge(REJECT, "home.test", doubtful=["home.test"]).result == "temperror"
    assert judge(REJECT, "home.test", doubtful=["mail.home.test"]).result == "temperror"
    assert judge(REJECT, "home.test", "home.test", doubtful=["home.test"]).result == "pass"
    assert judge({**REJECT, "mail.home.test": None}, "home.test", "mail.home.test").result == "temperror"


@pytest.mark.parametrize("other", ["evil.test", "evil.example", "evilhome.test", "home.test.evil.example"])
def test_only_an_aligned_domain_makes_a_letter_doubtful(other: str) -> None:
    """DMARC-01: else who doesn't answer about a domain of his own passes any policy (RFC 7489 §3.1)."""
    policies = {**REJECT, other: None, "evil.example": None}
    names = dns_of(policies)
    assert judge({}, "home.test", doubtful=[other], names=names) == DmarcResult("fail", "home.test", "reject")
    assert judge({}, "home.test", other, [other], names=names).result == "fail"
    assert f"TXT _dmarc.{other}" not in names.asked


def test_strict_alignment_makes_no_subdomain_doubtful() -> None:
    """DMARC-01: adkim=s, aspf=s."""
    strict = {"home.test": "v=DMARC1; p=reject; adkim=s; aspf=s"}
    assert judge(strict, "home.test", doubtful=["mail.home.test"]).result == "fail"
    assert judge(strict, "home.test", doubtful=["home.test"]).result == "temperror"


def test_several_authors_or_none() -> None:
    """DMARC-01: permerror; the strictest wish of all holds."""
    assert judge_all(REJECT, "other.test", "home.test") == DmarcResult(
        "permerror", "home.test", "reject", "From does not name one domain"
    )
    assert judge_all(REJECT) == DmarcResult("permerror", reason="From does not name one domain")
    assert judge_all({"home.test": "v=DMARC1; p=none"}, "other.test", "home.test").wish == "none"


def test_an_author_whose_domain_is_silent_hides_no_other() -> None:
    """DMARC-01: a wish that is known counts; without one the letter is doubtful."""
    silent: dict[str, str | None] = {"slow.test": None}
    assert judge_all({**silent, **REJECT}, "slow.test", "home.test").wish == "reject"
    assert judge_all({**silent, "home.test": "v=DMARC1; p=quarantine"}, "home.test", "slow.test").result == "temperror"


@pytest.mark.parametrize("text", ["", "v=DMARC1", "v=DMARC1; p=none", "v=DMARC1; p=maybe; rua=mailto:a@b.test"])
def test_a_policy_that_asks_for_nothing(text: str) -> None:
    policy = read_policy(text)
    assert policy is None if not text else policy is not None and policy.wish == "none"


@pytest.mark.parametrize(
    "text", ["v=spf1", "p=reject; v=DMARC1", "v=DMARC2; p=reject", "v=DMARC1; p=maybe", "v=DMARC1 p=x"]
)
def test_what_is_no_policy(text: str) -> None:
    assert read_policy(text) is None


def test_two_policies_are_none() -> None:
    names = Dns({"TXT _dmarc.home.test": ("v=DMARC1; p=reject", "v=DMARC1; p=none")})
    assert judge({}, "home.test", names=names).result == "none"


@given(st.text(max_size=80))
def test_any_text_is_a_policy_or_none(text: str) -> None:
    read_policy(text)
    read_policy(f"v=DMARC1;{text}")
