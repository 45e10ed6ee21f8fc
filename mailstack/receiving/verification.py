"""Verification of received letters by SPF, DKIM, DMARC and ARC (RFC 8601)."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.address import AddressError, ascii_domain, parse_domain
from mailstack.letter.address_lists import authors_in
from mailstack.letter.header import fields
from mailstack.letter.letter import Prefixed
from mailstack.policy.authentication import Fields, Gather, InThread
from mailstack.policy.authentication.arc import Chain, read_chain, verify_chain
from mailstack.policy.authentication.canonical import hash_body
from mailstack.policy.authentication.dkim import DkimResult, read_signatures, verify
from mailstack.policy.authentication.dmarc import Dmarc, DmarcResult, Identifier, judge_authors
from mailstack.policy.authentication.keys import Budget
from mailstack.policy.authentication.results import AuthFinding, results
from mailstack.policy.authentication.signature import Signature
from mailstack.policy.authentication.spf import SpfResult, check_host
from mailstack.policy.dns_checks import Lookups
from mailstack.policy.networks import IpNetwork, contains_host, ip_address
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Facts, ReceivedOctets
from mailstack.protocols.smtp.replies import Refusal, Reply, reply


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
        found = [outcome.result for outcome in self.dkim or ()]
        return "pass" if "pass" in found else next(iter(found), "none")

    @property
    def is_doubtful(self) -> bool:
        """Whether a missing DNS answer may have failed a check."""
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
        domain = "" if sender.is_literal else sender.with_a_labels.domain.lower()
        return SmtpIdentity(domain, str(sender.with_a_labels), is_helo=False)
    try:
        domain = ascii_domain(parse_domain(letter.arrival.helo)).lower()
    except AddressError:
        domain = ""
    domain = "" if domain.startswith("[") else domain
    return SmtpIdentity(domain, f"postmaster@{domain}", is_helo=True)


def fails_dmarc(dmarc: DmarcResult) -> bool:
    """Whether the DMARC policy of the domain in From applies to this letter."""
    return dmarc.result in ("fail", "permerror")


def is_quarantined(dmarc: DmarcResult | None) -> bool:
    """Whether the domain in From asks for more than a mark (RFC 7489 §6.3: quarantine, or reject that was not obeyed)."""
    return dmarc is not None and fails_dmarc(dmarc) and dmarc.wish != "none"


def findings_of(verdicts: VerificationResults, *, overridden: bool) -> Sequence[AuthFinding]:
    """Findings for Authentication-Results, in the order of the checks."""
    found: list[AuthFinding] = []
    if verdicts.spf is not None:
        name = "smtp.helo" if verdicts.identity.is_helo else "smtp.mailfrom"
        identity = verdicts.identity.domain or ("" if verdicts.identity.is_helo else verdicts.identity.sender)
        found.append(AuthFinding("spf", verdicts.spf.result, ((name, identity),), verdicts.spf.reason))
    if verdicts.dkim is not None:
        found += [_signature_finding(outcome) for outcome in verdicts.dkim] or [AuthFinding("dkim", "none")]
    if verdicts.chain is not None:
        found.append(AuthFinding("arc", verdicts.chain.result, (), verdicts.chain.reason))
    if verdicts.dmarc is not None:
        found.append(_dmarc_finding(verdicts.dmarc, overridden=overridden))
    return found


def _signature_finding(outcome: DkimResult) -> AuthFinding:
    signature = outcome.signature
    if signature is None:
        return AuthFinding("dkim", outcome.result, (), outcome.reason)
    about = (("header.d", signature.domain), ("header.s", signature.selector), ("header.a", signature.algorithm))
    return AuthFinding("dkim", outcome.result, about, outcome.reason)


def _dmarc_finding(dmarc: DmarcResult, *, overridden: bool) -> AuthFinding:
    about = [("header.from", dmarc.domain)]
    if fails_dmarc(dmarc):
        about.append(("policy.dmarc", "none" if overridden else dmarc.wish))
    reason = "a trusted chain vouches for it" if overridden and fails_dmarc(dmarc) else dmarc.reason
    return AuthFinding("dmarc", dmarc.result, tuple(about), reason)


def facts_of(verdicts: VerificationResults) -> dict[str, Any]:
    """Facts for the journey, of the checks that were made."""
    facts: dict[str, Any] = {}
    if verdicts.spf is not None:
        facts["spf"] = verdicts.spf.result
    if verdicts.dkim is not None:
        facts["dkim"] = verdicts.best_dkim
    if verdicts.chain is not None and verdicts.chain.result != "none":
        facts["arc"] = verdicts.chain.result
    if verdicts.dmarc is not None:
        facts["dmarc"] = verdicts.dmarc.result
    return facts


DMARC_REJECTED = reply(550, "5.7.1", "rejected by the DMARC policy of the domain in From")
MALFORMED_FROM = reply(
    550, "5.6.0", "the message must have exactly one From field that names its authors (RFC 5322 section 3.6)"
)
NOT_ALLOWED = reply(550, "5.7.23", "SPF check failed: this host may not send for the sender's domain")
NOT_SIGNED = reply(550, "5.7.20", "DKIM check failed: the message has no valid signature")
MAX_SPF_QUESTIONS = 125
"""Maximum number of DNS questions of one SPF check: more than all limits of RFC 7208 §4.6.4 allow."""
MAX_REVERSE_QUESTIONS = 11
"""Maximum number of DNS questions about the client's names for SPF: one for the names, ten for their addresses."""
MAX_CHAIN_QUESTIONS = 51
"""Maximum number of DNS questions about an ARC chain: a message signature and fifty seals."""
MAX_POLICY_QUESTIONS = 64
"""Maximum number of DNS questions about the DMARC policy of one domain and its alignment with eight signatures."""
MAX_AUTHOR_DOMAINS = 4
"""Maximum number of domains in From."""

DNS_TEMPORARY_FAILURE = reply(451, "4.4.3", "DNS lookup for sender verification failed, try again later")


class VerificationPolicy(Struct, frozen=True):
    """Checks that are made, and the reactions to their results."""

    spf: bool = True
    dkim: bool = True
    dmarc: bool = True
    arc: bool = True
    trusted: tuple[IpNetwork, ...] = ()
    """Networks of clients that send without verification."""
    spf_fail: Literal["mark", "refuse"] = "mark"
    dkim_fail: Literal["mark", "refuse"] = "mark"
    dmarc_reject: Literal["refuse", "mark"] = "refuse"
    malformed_from: Literal["refuse", "mark"] = "refuse"
    """Reaction to a From field that is missing, empty, doubled or unreadable, if DMARC is checked."""
    temperror: Literal["accept", "defer"] = "accept"
    trusted_sealers: frozenset[str] = frozenset()
    """Domains of lists and forwarders with ARC chains that override a DMARC failure."""
    signatures: int = 8
    """Maximum number of signatures, and of ARC links, that are verified in one letter."""


class From(Struct, frozen=True):
    """The domains in From, each once, in A-labels and lower case."""

    domains: tuple[str, ...]
    is_certain: bool
    """Whether no reader could see another domain there."""


class SenderVerification:
    """Verifies letters from other hosts by the policy of the operator."""

    def __init__(
        self,
        authserv_id: str,
        lookups: Lookups,
        in_thread: InThread,
        now: Callable[[], float],
        policy: VerificationPolicy,
        *,
        gather: Gather,
        timeout: float = 10.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`timeout`: seconds after which a check of a letter sends no further DNS query. `chance` returns numbers in
        [0, 1).
        """
        self._authserv_id = authserv_id
        self._lookups = lookups
        self._in_thread = in_thread
        self._gather = gather
        self._now = now
        self._policy = policy
        self._timeout = timeout
        self._chance = chance

    async def verify_letter(self, letter: Letter, arrived: ReceivedOctets) -> tuple[Letter, Facts]:
        """Adds the Authentication-Results; returns the letter, and the facts for its journey. Raises Refusal."""
        remote = letter.arrival.remote
        if remote is None or contains_host(remote.host, self._policy.trusted):
            return letter, NO_FACTS
        section = list(fields(arrived.section))
        verdicts = await self._verify_all(letter, arrived, remote.host, section, self._from(section, remote.host))
        overridden = self._is_overridden_by_arc(verdicts)
        refusal = None if overridden else self._refusal(verdicts)
        findings = findings_of(verdicts, overridden=overridden)
        if refusal is not None:
            raise Refusal(refusal, f"from {remote.host}: {', '.join(map(str, findings))}")
        field = results(self._authserv_id, findings)
        arrival = letter.arrival
        if not overridden and is_quarantined(verdicts.dmarc):
            arrival = replace(arrival, is_junk=True)
        return replace(letter, content=Prefixed(field, letter.content), arrival=arrival), facts_of(verdicts)

    def _from(self, section: Fields, host: str) -> From:
        """The domains in From. Raises Refusal if readers could see an author that DMARC can't check (RFC 7489 §6.6.1)."""
        authors = authors_in(section)
        domains = tuple(dict.fromkeys(each.with_a_labels.domain.lower() for each in authors.addresses))
        problem = authors.trouble or (f"{len(domains)} domains in From" if len(domains) > MAX_AUTHOR_DOMAINS else "")
        if problem and self._policy.dmarc and self._policy.malformed_from == "refuse":
            raise Refusal(MALFORMED_FROM, f"from {host}: {problem}")
        return From(domains[:MAX_AUTHOR_DOMAINS], is_certain=not problem)

    async def _verify_all(
        self, letter: Letter, arrived: ReceivedOctets, host: str, section: Fields, letter_from: From
    ) -> VerificationResults:
        """Runs all checks concurrently. Each has its own DNS budget, so that a slow domain costs another no time."""
        identity = identity_of(letter)
        policies = [
            Dmarc(from_header_policy, self._budget(MAX_POLICY_QUESTIONS), self._chance)
            for from_header_policy in letter_from.domains
        ]
        spf, (dkim, chain), *found = await self._gather(
            [
                self._spf(identity, host, letter.arrival.helo),
                self._signatures(letter, arrived, section),
                *[policy.discover() for policy in policies if self._policy.dmarc],
            ]
        )
        verdicts = VerificationResults(identity, spf, dkim, chain, None)
        if not self._policy.dmarc:
            return verdicts
        if len(policies) != 1 or not letter_from.is_certain:
            return replace(verdicts, dmarc=judge_authors(found))
        return replace(verdicts, dmarc=await policies[0].judge(found[0], verdicts.identifiers))

    def _budget(self, max_questions: int, share: float = 1.0) -> Budget:
        return Budget(self._lookups, self._now, self._timeout * share, max_questions)

    async def _spf(self, identity: SmtpIdentity, host: str, helo: str) -> SpfResult | None:
        address = ip_address(host)
        if not self._policy.spf or address is None:
            return None
        reverse = self._budget(MAX_REVERSE_QUESTIONS, share=0.5)
        return await check_host(
            address, identity.domain, identity.sender, helo, self._budget(MAX_SPF_QUESTIONS), reverse_lookups=reverse
        )

    async def _signatures(
        self, letter: Letter, arrived: ReceivedOctets, section: Fields
    ) -> tuple[tuple[DkimResult, ...] | None, Chain | None]:
        """Results of DKIM and ARC; None for a check that is switched off."""
        policy = self._policy
        signatures = read_signatures(section, policy.signatures) if policy.dkim else []
        links = read_chain(section) if policy.arc else None
        wanted_name = [each for each in signatures if isinstance(each, Signature)]
        if isinstance(links, tuple):
            wanted_name.append(links[-1].message)
        forms = {each.body for each in wanted_name if each.body is not None}
        bodies = await hash_body(letter.content, arrived.body_at, forms, self._in_thread)
        # A signature needs one DNS query, so that its share of time is that of a query.
        work: list[Coroutine[Any, Any, Any]] = [
            verify(signatures, section, bodies, self._lookups, self._now(), gather=self._gather)
        ]
        if isinstance(links, tuple):
            work.append(verify_chain(links, section, bodies, self._budget(MAX_CHAIN_QUESTIONS)))
        dkim, *chain = await self._gather(work)
        return tuple(dkim) if policy.dkim else None, chain[0] if chain else cast("Chain | None", links)

    def _is_overridden_by_arc(self, verdicts: VerificationResults) -> bool:
        """Whether a trusted sealer recorded that the letter passed DMARC (RFC 8617 §7.2.1, RFC 7489 §6.7)."""
        chain = verdicts.chain
        return (
            chain is not None
            and chain.result == "pass"
            and chain.sealer in self._policy.trusted_sealers
            and b"dmarc=pass" in chain.results.lower()
        )

    def _refusal(self, verdicts: VerificationResults) -> Reply | None:
        policy, dmarc, spf = self._policy, verdicts.dmarc, verdicts.spf
        if dmarc is not None and fails_dmarc(dmarc) and dmarc.wish == "reject" and policy.dmarc_reject == "refuse":
            return DMARC_REJECTED
        if spf is not None and spf.result == "fail" and policy.spf_fail == "refuse":
            return NOT_ALLOWED
        if verdicts.dkim and verdicts.best_dkim not in ("pass", "temperror") and policy.dkim_fail == "refuse":
            return NOT_SIGNED
        return DNS_TEMPORARY_FAILURE if verdicts.is_doubtful and policy.temperror == "defer" else None
