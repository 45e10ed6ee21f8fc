"""Asks who answers for a letter from another host, writes it on top, and refuses what its owner disowns (RFC 8601, RFC 7489 §6)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.authentication import Fields, InThread
from mailstack.authentication.arc import Chain, read_chain, verify_chain
from mailstack.authentication.bodies import hash_body
from mailstack.authentication.budget import Budget
from mailstack.authentication.dkim import Outcome, read_signatures, verify
from mailstack.authentication.dmarc import Dmarc, Judgement
from mailstack.authentication.results import Finding, results
from mailstack.authentication.signature import Signature
from mailstack.authentication.spf import Found, check_host
from mailstack.letter import Letter
from mailstack.letter.address import AddressError, ascii_domain, parse_domain
from mailstack.letter.content import Prefixed
from mailstack.letter.header import fields
from mailstack.letter.mailboxes import authors_in
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import IpNetwork, ip_address, within
from mailstack.smtp.replies import Refusal, Reply, reply
from mailstack.smtp.station import NO_FACTS, Arrived, Facts

DISOWNED = reply(550, "5.7.1", "the domain in From wants letters refused that it does not answer for (DMARC)")
NOT_ALLOWED = reply(550, "5.7.23", "the sender's domain does not let this host send for it (SPF)")
NOT_SIGNED = reply(550, "5.7.20", "no signature of the letter is good (DKIM)")
ASK_AGAIN = reply(451, "4.4.3", "the DNS did not say who answers for the letter, try again later")


class Demands(Struct, frozen=True):
    """Which questions are asked, and what follows from the answers."""

    spf: bool = True
    dkim: bool = True
    dmarc: bool = True
    arc: bool = True
    trusted: tuple[IpNetwork, ...] = ()
    """Who comes from here is not asked."""
    spf_fail: Literal["mark", "refuse"] = "mark"
    dkim_fail: Literal["mark", "refuse"] = "mark"
    dmarc_reject: Literal["refuse", "mark"] = "refuse"
    temperror: Literal["accept", "defer"] = "accept"
    trusted_sealers: frozenset[str] = frozenset()
    """Domains of lists and forwarders whose ARC chain is believed against a DMARC failure."""
    signatures: int = 8
    """Of one letter that are verified, and links of its chain."""


class Identity(Struct, frozen=True):
    """For whom a client sends, as SPF takes it (RFC 7208 §2.3, §2.4)."""

    domain: str
    """In A-labels and lower case; "" when there is none."""
    sender: str
    is_helo: bool
    """Whether it is what the client called itself, for a letter without a sender."""


class Answers(Struct, frozen=True):
    """All that was found out about a letter."""

    identity: Identity
    spf: Found | None
    dkim: tuple[Outcome, ...] | None
    """None when it is not asked; empty when there is no signature."""
    chain: Chain | None
    dmarc: Judgement | None

    @property
    def best_dkim(self) -> str:
        """Of all signatures."""
        found = [outcome.result for outcome in self.dkim or ()]
        return "pass" if "pass" in found else next(iter(found), "none")

    @property
    def is_doubtful(self) -> bool:
        """Whether something might have passed if the DNS had answered."""
        found = [outcome.result for outcome in self.dkim or ()]
        return "temperror" in found or (self.spf is not None and self.spf.result == "temperror")


class Checks:
    """The operator's demands on the letters of strangers."""

    def __init__(
        self,
        authserv_id: str,
        lookups: Lookups,
        in_thread: InThread,
        now: Callable[[], float],
        demands: Demands,
        *,
        timeout: float = 10.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`timeout`: seconds after which the DNS is asked no more about a letter. `chance` gives numbers in [0, 1)."""
        self._authserv_id = authserv_id
        self._lookups = lookups
        self._in_thread = in_thread
        self._now = now
        self._demands = demands
        self._timeout = timeout
        self._chance = chance

    async def examine(self, letter: Letter, arrived: Arrived) -> tuple[Letter, Facts]:
        """The letter with what was found out on top, and the same for its journey. Raises Refusal."""
        remote = letter.arrival.remote
        if remote is None or within(remote.host, self._demands.trusted):
            return letter, NO_FACTS
        answers = await self._answers(letter, arrived, remote.host)
        overridden = self._speaks_for(answers)
        refusal = None if overridden else self._refusal(answers)
        findings = _findings(answers, overridden=overridden)
        if refusal is not None:
            raise Refusal(refusal, f"from {remote.host}: {', '.join(map(str, findings))}")
        field = results(self._authserv_id, findings)
        return replace(letter, content=Prefixed(field, letter.content)), _facts(answers)

    async def _answers(self, letter: Letter, arrived: Arrived, host: str) -> Answers:
        demands = self._demands
        lookups = Budget(self._lookups, self._now, self._timeout)
        section = list(fields(arrived.section))
        identity, address = _identity(letter), ip_address(host)
        spf = None
        if demands.spf and address is not None:
            spf = await check_host(address, identity.domain, identity.sender, letter.arrival.helo, lookups)
        signatures = read_signatures(section, demands.signatures) if demands.dkim else []
        links = read_chain(section) if demands.arc else None
        wanted = [each for each in signatures if isinstance(each, Signature)]
        if isinstance(links, tuple):
            wanted.append(links[-1].message)
        forms = {each.body for each in wanted if each.body is not None}
        bodies = await hash_body(letter.content, arrived.body_at, forms, self._in_thread)
        dkim = tuple(await verify(signatures, section, bodies, lookups, self._now())) if demands.dkim else None
        chain = await verify_chain(links, section, bodies, lookups) if isinstance(links, tuple) else links
        answers = Answers(identity, spf, dkim, chain, None)
        if not demands.dmarc:
            return answers
        passed = [outcome.signature.domain for outcome in dkim or () if outcome.result == "pass" and outcome.signature]
        judgement = await Dmarc(lookups, self._chance).judge(
            _authors(section),
            identity.domain if spf is not None and spf.result == "pass" else None,
            passed,
            doubtful=answers.is_doubtful,
        )
        return replace(answers, dmarc=judgement)

    def _speaks_for(self, answers: Answers) -> bool:
        """Whether somebody whom we trust saw the letter when it was good (RFC 8617 §7.2.1, RFC 7489 §6.7)."""
        chain = answers.chain
        return (
            chain is not None
            and chain.result == "pass"
            and chain.sealer in self._demands.trusted_sealers
            and b"dmarc=pass" in chain.results.lower()
        )

    def _refusal(self, answers: Answers) -> Reply | None:
        demands, dmarc, spf = self._demands, answers.dmarc, answers.spf
        if dmarc is not None and _is_disowned(dmarc) and dmarc.wish == "reject" and demands.dmarc_reject == "refuse":
            return DISOWNED
        if spf is not None and spf.result == "fail" and demands.spf_fail == "refuse":
            return NOT_ALLOWED
        if answers.dkim and answers.best_dkim not in ("pass", "temperror") and demands.dkim_fail == "refuse":
            return NOT_SIGNED
        doubtful = answers.is_doubtful or (dmarc is not None and dmarc.result == "temperror")
        return ASK_AGAIN if doubtful and demands.temperror == "defer" else None


def _is_disowned(dmarc: Judgement) -> bool:
    return dmarc.result in ("fail", "permerror")


def _identity(letter: Letter) -> Identity:
    sender = letter.envelope.sender
    if sender is not None:
        domain = "" if sender.is_literal else sender.in_ascii.domain.lower()
        return Identity(domain, str(sender.in_ascii), is_helo=False)
    try:
        domain = ascii_domain(parse_domain(letter.arrival.helo)).lower()
    except AddressError:
        domain = ""
    domain = "" if domain.startswith("[") else domain
    return Identity(domain, f"postmaster@{domain}", is_helo=True)


def _authors(section: Fields) -> list[str]:
    """The domains in From, each once, in A-labels; none or several when it does not name exactly one."""
    named = [each.in_ascii.domain.lower() for authors in authors_in(section) for each in authors or ()]
    return list(dict.fromkeys(named))


def _findings(answers: Answers, *, overridden: bool) -> Sequence[Finding]:
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


def _of_signature(outcome: Outcome) -> Finding:
    signature = outcome.signature
    if signature is None:
        return Finding("dkim", outcome.result, (), outcome.reason)
    about = (("header.d", signature.domain), ("header.s", signature.selector), ("header.a", signature.algorithm))
    return Finding("dkim", outcome.result, about, outcome.reason)


def _of_dmarc(dmarc: Judgement, *, overridden: bool) -> Finding:
    about = [("header.from", dmarc.domain)]
    if _is_disowned(dmarc):
        about.append(("policy.dmarc", "none" if overridden else dmarc.wish))
    reason = "a trusted chain vouches for it" if overridden and _is_disowned(dmarc) else dmarc.reason
    return Finding("dmarc", dmarc.result, tuple(about), reason)


def _facts(answers: Answers) -> dict[str, Any]:
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
