"""Verifies the DKIM signatures of a letter (RFC 6376 §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from mailstack.policy.authentication import Fields, Gather, Texts
from mailstack.policy.authentication.canonical import (
    BodyForm,
    HashedBody,
    SignedFields,
    canonical_field,
    remove_signature,
)
from mailstack.policy.authentication.keys import DkimKeyRecord, check_use, is_signed, read_record
from mailstack.policy.authentication.signature import InvalidSignature, Result, Signature, read_dkim

SLACK = 3600
"""Seconds by which clocks may differ."""


class DkimResult(Struct, frozen=True):
    """Result of one signature."""

    result: Result
    reason: str = ""
    signature: Signature | None = None
    """None when it could not be read."""


def read_signatures(fields: Fields, most: int) -> list[Signature | InvalidSignature]:
    """The topmost `most` of the DKIM-Signature fields, those that are none among them."""
    found: list[Signature | InvalidSignature] = []
    for name, field in fields:
        if name == b"dkim-signature" and len(found) < most:
            try:
                found.append(read_dkim(field))
            except InvalidSignature as unusable:
                found.append(unusable)
    return found


async def verify(
    signatures: Sequence[Signature | InvalidSignature],
    fields: Fields,
    bodies: Mapping[BodyForm, HashedBody],
    texts: Texts,
    now: float,
    *,
    gather: Gather,
) -> list[DkimResult]:
    """An outcome for each signature, in their order. Their keys are looked up side by side."""
    chosen = SignedFields(fields)
    return await gather([_verify_body(signature, chosen, bodies, texts, now) for signature in signatures])


async def _verify_body(
    signature: Signature | InvalidSignature,
    chosen: SignedFields,
    bodies: Mapping[BodyForm, HashedBody],
    texts: Texts,
    now: float,
) -> DkimResult:
    if isinstance(signature, InvalidSignature):
        return DkimResult(signature.result, signature.reason)
    try:
        return await _outcome(signature, chosen, bodies, texts, now)
    except InvalidSignature as unusable:
        return DkimResult(unusable.result, unusable.reason, signature)


async def _outcome(
    signature: Signature,
    chosen: SignedFields,
    bodies: Mapping[BodyForm, HashedBody],
    texts: Texts,
    now: float,
) -> DkimResult:
    record = await fetch_key(signature, texts)
    check_use(signature, record)
    failed: Result = "neutral" if record.is_test else "fail"
    assert signature.body is not None
    body = bodies[signature.body]
    if body.digest != signature.body_hash or body.is_short:
        return DkimResult(failed, "the body was changed", signature)
    if not is_signed(record, signature, signed_octets(signature, chosen)):
        return DkimResult(failed, "the header was changed, or the key is another", signature)
    if signature.expires is not None and signature.expires + SLACK < now:
        return DkimResult("policy", "the signature has expired", signature)
    if signature.signed_at is not None and signature.signed_at - SLACK > now:
        return DkimResult("policy", "it was signed in the future", signature)
    if not body.is_covered:
        return DkimResult("policy", "part of the body is not signed", signature)
    return DkimResult("pass", "", signature)


async def fetch_key(signature: Signature, texts: Texts) -> DkimKeyRecord:
    """The key record (RFC 6376 §6.1.2). Raises Unusable."""
    found = await texts.texts(signature.key_name)
    if found is None:
        raise InvalidSignature("temperror", "the DNS did not say the key")
    if not found:
        raise InvalidSignature("permerror", "there is no key")
    if len(found) > 1:
        raise InvalidSignature("permerror", "there are several keys")
    return read_record(found[0])


def signed_octets(signature: Signature, chosen: SignedFields) -> bytes:
    """Signed octets (RFC 6376 §3.7)."""
    field = canonical_field(remove_signature(signature.field), relaxed=signature.relaxed)
    return chosen.octets(signature.names, relaxed=signature.relaxed) + field.removesuffix(b"\r\n")
