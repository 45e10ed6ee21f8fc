"""Results of verification, for Authentication-Results and the journey (RFC 8601)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.address import AddressError, ascii_domain, parse_domain
from mailstack.policy.authentication.arc import Chain
from mailstack.policy.authentication.dkim import DkimResult
from mailstack.policy.authentication.dmarc import DmarcResult, Identifier
from mailstack.policy.authentication.results import AuthFinding
from mailstack.policy.authentication.spf import SpfResult


class SmtpIdentity(Struct, frozen=True):
    """Identity that SPF checks: the reverse-path, or the HELO name (RFC 7208 §2.3, §2.4)."""

    domain: str
    """Domain in A-labels and lower case; "" if there is none."""
    sender: str
    is_helo: bool
    """Whether the identity is the HELO name, for a letter with the null reverse-path."""


class VerificationResults(Struct, frozen=True):
    """Results of all checks of one letter."""

    identity: SmtpIdentity
    spf: SpfResult | None
    dkim: tuple[DkimResult, ...] | None
    """Results of the signatures; None if DKIM is not checked, empty if there is no signature."""
    chain: Chain | None
    dmarc: DmarcResult | None

    @property
    def best_dkim(self) -> str:
        """Best result of all signatures."""
        found = [outcome.result for outcome in self.dkim or ()]
        return "pass" if "pass" in found else next(iter(found), "none")

    @property
    def is_doubtful(self) -> bool:
        """Whether a missing DNS answer may have kept the letter from passing a check."""
        if self.dmarc is not None and self.dmarc.result in ("pass", "temperror"):
            return self.dmarc.result == "temperror"
        found = [outcome.result for outcome in self.dkim or ()]
        return ("temperror" in found and "pass" not in found) or (
            self.spf is not None and self.spf.result == "temperror"
        )

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The domains that SPF and DKIM authenticate, or might with all DNS answers (RFC 7489 §4.2)."""
        found: list[Identifier] = []
        if self.spf is not None and self.spf.result in ("pass", "temperror"):
            found.append(Identifier("spf", self.identity.domain, self.spf.result == "pass"))
        found += [
            Identifier("dkim", outcome.signature.domain, outcome.result == "pass")
            for outcome in self.dkim or ()
            if outcome.signature is not None and outcome.result in ("pass", "temperror")
        ]
        return tuple(found)


def identity_of(letter: Letter) -> SmtpIdentity:
    sender = letter.envelope.sender
    if sender is not None:
        domain = "" if sender.is_literal else sender.in_ascii.domain.lower()
        return SmtpIdentity(domain, str(sender.in_ascii), is_helo=False)
    try:
        domain = ascii_domain(parse_domain(letter.arrival.helo)).lower()
    except AddressError:
        domain = ""
    domain = "" if domain.startswith("[") else domain
    return SmtpIdentity(domain, f"postmaster@{domain}", is_helo=True)


def is_disowned(dmarc: DmarcResult) -> bool:
    """Whether the DMARC policy of the domain in From applies to this letter."""
    return dmarc.result in ("fail", "permerror")


def findings_of(answers: VerificationResults, *, overridden: bool) -> Sequence[AuthFinding]:
    """Findings for Authentication-Results, in the order of the checks."""
    found: list[AuthFinding] = []
    if answers.spf is not None:
        name = "smtp.helo" if answers.identity.is_helo else "smtp.mailfrom"
        identity = answers.identity.domain or ("" if answers.identity.is_helo else answers.identity.sender)
        found.append(AuthFinding("spf", answers.spf.result, ((name, identity),), answers.spf.reason))
    if answers.dkim is not None:
        found += [_of_signature(outcome) for outcome in answers.dkim] or [AuthFinding("dkim", "none")]
    if answers.chain is not None:
        found.append(AuthFinding("arc", answers.chain.result, (), answers.chain.reason))
    if answers.dmarc is not None:
        found.append(_of_dmarc(answers.dmarc, overridden=overridden))
    return found


def _of_signature(outcome: DkimResult) -> AuthFinding:
    signature = outcome.signature
    if signature is None:
        return AuthFinding("dkim", outcome.result, (), outcome.reason)
    about = (("header.d", signature.domain), ("header.s", signature.selector), ("header.a", signature.algorithm))
    return AuthFinding("dkim", outcome.result, about, outcome.reason)


def _of_dmarc(dmarc: DmarcResult, *, overridden: bool) -> AuthFinding:
    about = [("header.from", dmarc.domain)]
    if is_disowned(dmarc):
        about.append(("policy.dmarc", "none" if overridden else dmarc.wish))
    reason = "a trusted chain vouches for it" if overridden and is_disowned(dmarc) else dmarc.reason
    return AuthFinding("dmarc", dmarc.result, tuple(about), reason)


def facts_of(answers: VerificationResults) -> dict[str, Any]:
    """Facts for the journey, of the checks that were made."""
    facts: dict[str, Any] = {}
    if answers.spf is not None:
        facts["spf"] = answers.spf.result
    if answers.dkim is not None:
        facts["dkim"] = answers.best_dkim
    if answers.chain is not None and answers.chain.result != "none":
        facts["arc"] = answers.chain.result
    if answers.dmarc is not None:
        facts["dmarc"] = answers.dmarc.result
    return facts
