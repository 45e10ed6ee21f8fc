"""Results of the checks of one letter, as Authentication-Results and its journey tell them (RFC 8601)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.address import AddressError, ascii_domain, parse_domain
from mailstack.policy.authentication.arc import Chain
from mailstack.policy.authentication.dkim import DkimResult
from mailstack.policy.authentication.dmarc import DmarcResult, Identifier
from mailstack.policy.authentication.results import Finding
from mailstack.policy.authentication.spf import SpfResult


class SmtpIdentity(Struct, frozen=True):
    """For whom a client sends, as SPF takes it (RFC 7208 §2.3, §2.4)."""

    domain: str
    """In A-labels and lower case; "" when there is none."""
    sender: str
    is_helo: bool
    """Whether it is what the client called itself, for a letter without a sender."""


class VerificationResults(Struct, frozen=True):
    """All that was found out about a letter."""

    identity: SmtpIdentity
    spf: SpfResult | None
    dkim: tuple[DkimResult, ...] | None
    """None when it is not asked; empty when there is no signature."""
    chain: Chain | None
    dmarc: DmarcResult | None

    @property
    def best_dkim(self) -> str:
        """Of all signatures."""
        found = [outcome.result for outcome in self.dkim or ()]
        return "pass" if "pass" in found else next(iter(found), "none")

    @property
    def is_doubtful(self) -> bool:
        """Whether an answer that the DNS did not give might have let the letter pass a check."""
        if self.dmarc is not None and self.dmarc.result in ("pass", "temperror"):
            return self.dmarc.result == "temperror"
        found = [outcome.result for outcome in self.dkim or ()]
        return ("temperror" in found and "pass" not in found) or (
            self.spf is not None and self.spf.result == "temperror"
        )

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The domains that SPF and DKIM answer for, or might have (RFC 7489 §4.2)."""
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
    """Whether the wish of the domain in From is for this letter."""
    return dmarc.result in ("fail", "permerror")


def findings_of(answers: VerificationResults, *, overridden: bool) -> Sequence[Finding]:
    """In the order in which they are asked."""
    found: list[Finding] = []
    if answers.spf is not None:
        name = "smtp.helo" if answers.identity.is_helo else "smtp.mailfrom"
        who = answers.identity.domain or ("" if answers.identity.is_helo else answers.identity.sender)
        found.append(Finding("spf", answers.spf.result, ((name, who),), answers.spf.reason))
    if answers.dkim is not None:
        found += [_of_signature(outcome) for outcome in answers.dkim] or [Finding("dkim", "none")]
    if answers.chain is not None:
        found.append(Finding("arc", answers.chain.result, (), answers.chain.reason))
    if answers.dmarc is not None:
        found.append(_of_dmarc(answers.dmarc, overridden=overridden))
    return found


def _of_signature(outcome: DkimResult) -> Finding:
    signature = outcome.signature
    if signature is None:
        return Finding("dkim", outcome.result, (), outcome.reason)
    about = (("header.d", signature.domain), ("header.s", signature.selector), ("header.a", signature.algorithm))
    return Finding("dkim", outcome.result, about, outcome.reason)


def _of_dmarc(dmarc: DmarcResult, *, overridden: bool) -> Finding:
    about = [("header.from", dmarc.domain)]
    if is_disowned(dmarc):
        about.append(("policy.dmarc", "none" if overridden else dmarc.wish))
    reason = "a trusted chain vouches for it" if overridden and is_disowned(dmarc) else dmarc.reason
    return Finding("dmarc", dmarc.result, tuple(about), reason)


def facts_of(answers: VerificationResults) -> dict[str, Any]:
    """For the journey; only what was asked."""
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
