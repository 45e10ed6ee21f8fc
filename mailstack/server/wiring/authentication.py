"""Signer and verification (DKIM, SPF, DMARC, ARC) of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailstack.config import Config
from mailstack.net.task import gather
from mailstack.policy.authentication import InThread
from mailstack.policy.authentication.signing import Signer, SigningKey
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import networks_of
from mailstack.receiving.verification import SenderVerification, VerificationPolicy


def signer(config: Config, keys: Sequence[SigningKey], in_thread: InThread, now: Callable[[], float]) -> Signer | None:
    """Signer of outbound letters. None: no keys."""
    if not keys:
        return None
    return Signer(keys, in_thread, now, signed=config.dkim.headers, oversigned=config.dkim.oversign)


def checks(
    config: Config, lookups: Lookups, in_thread: InThread, now: Callable[[], float], chance: Callable[[], float]
) -> SenderVerification | None:
    """Verification of inbound letters. None: all checks are off. `chance` returns numbers in [0, 1)."""
    ours = config.authentication
    if not (ours.spf or ours.dkim or ours.dmarc or ours.arc):
        return None
    demands = VerificationPolicy(
        spf=ours.spf,
        dkim=ours.dkim,
        dmarc=ours.dmarc,
        arc=ours.arc,
        trusted=networks_of(ours.trusted),
        spf_fail=ours.spf_fail,
        dkim_fail=ours.dkim_fail,
        dmarc_reject=ours.dmarc_reject,
        malformed_from=ours.malformed_from,
        temperror=ours.temperror,
        trusted_sealers=frozenset(ours.trusted_sealers),
        signatures=ours.signatures,
    )
    return SenderVerification(
        config.hostname, lookups, in_thread, now, demands, gather=gather, timeout=ours.timeout, chance=chance
    )
