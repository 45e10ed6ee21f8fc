"""ARC: verifies the chain of forwarding hosts (RFC 8617 §5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from mailstack.policy.authentication import Fields, Texts
from mailstack.policy.authentication.canonical import (
    BodyForm,
    HashedBody,
    SignedFields,
    canonical_field,
    remove_signature,
)
from mailstack.policy.authentication.dkim import fetch_key, signed_octets
from mailstack.policy.authentication.keys import check_use, is_signed
from mailstack.policy.authentication.signature import InvalidSignature, Signature, read_message_signature, read_seal

ChainResult = Literal["none", "pass", "fail", "temperror"]

MAX_SETS = 50
"""§4.2.1."""
_RESULTS, _MESSAGE, _SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_MAX_RESULTS = 16384


class Chain(Struct, frozen=True):
    """Verified chain, or the reason of its failure."""

    result: ChainResult
    reason: str = ""
    sealer: str = ""
    """Domain of the last seal; later hosts may have added none."""
    results: bytes = b""
    """ARC-Authentication-Results of the last host."""


class ArcSet(Struct, frozen=True):
    """ARC set: the three fields of one host in the chain (§4.1)."""

    results: bytes
    message: Signature
    seal: Signature


def read_chain(fields: Fields, limit: int = MAX_SETS) -> tuple[ArcSet, ...] | Chain:
    """The sets in order, or a Chain if there are none or they form no chain (§5.2, steps 1 to 3)."""
    sets: dict[int, dict[bytes, bytes]] = {}
    signatures: dict[tuple[int, bytes], Signature] = {}
    try:
        for name, field in fields:
            if name not in (_RESULTS, _MESSAGE, _SEAL):
                continue
            if name == _RESULTS:
                instance = _instance_of_results(field)
            else:
                signature = read_seal(field) if name == _SEAL else read_message_signature(field)
                instance = signature.instance
                signatures[instance, name] = signature
            if sets.setdefault(instance, {}).setdefault(name, field) is not field:
                return Chain("fail", f"two {name.decode()} of {instance}")
        if not sets:
            return Chain("none")
        if (
            len(sets) > limit
            or sorted(sets) != list(range(1, len(sets) + 1))
            or any(len(s) != 3 for s in sets.values())
        ):
            return Chain("fail", "a link is missing")
    except InvalidSignature as unusable:
        return Chain("fail", unusable.reason)
    return tuple(
        ArcSet(sets[i][_RESULTS], signatures[i, _MESSAGE], signatures[i, _SEAL]) for i in range(1, len(sets) + 1)
    )


async def verify_chain(
    links: tuple[ArcSet, ...], fields: Fields, bodies: Mapping[BodyForm, HashedBody], texts: Texts
) -> Chain:
    """Verify a chain (§5.2, steps 2 to 6). Only the newest message signature must be valid: later hosts may break older ones."""
    newest = links[-1]
    failed = _claims_failure(links)
    if failed:
        return Chain("fail", failed)
    try:
        if not await _is_good(newest.message, signed_octets(newest.message, SignedFields(fields)), texts):
            return Chain("fail", "the last one's signature of the message is broken")
        assert newest.message.body is not None
        body = bodies[newest.message.body]
        if body.digest != newest.message.body_hash or body.is_short or not body.is_covered:
            return Chain("fail", "the body was changed after the last one")
        canonical = [_canonical(link) for link in links]
        for number in range(len(links), 0, -1):
            if not await _is_good(links[number - 1].seal, _sealed(canonical[:number], links[number - 1]), texts):
                return Chain("fail", f"seal {number} is broken")
    except InvalidSignature as unusable:
        result: ChainResult = "temperror" if unusable.result == "temperror" else "fail"
        return Chain(result, unusable.reason)
    return Chain("pass", "", newest.seal.domain, newest.results)


def _claims_failure(links: tuple[ArcSet, ...]) -> str:
    """Returns the defect in the chain status (cv=) of the seals; "" for none."""
    for number, link in enumerate(links, 1):
        if link.seal.chain != ("none" if number == 1 else "pass"):
            return f"seal {number} says cv={link.seal.chain}"
    return ""


async def _is_good(signature: Signature, signed: bytes, texts: Texts) -> bool:
    record = await fetch_key(signature, texts)
    check_use(signature, record)
    return is_signed(record, signature, signed)


def _canonical(link: ArcSet) -> tuple[bytes, bytes, bytes]:
    """Canonical fields of a set, which every later seal covers."""
    return (
        canonical_field(link.results, relaxed=True),
        canonical_field(link.message.field, relaxed=True),
        canonical_field(link.seal.field, relaxed=True),
    )


def _sealed(canonical: Sequence[tuple[bytes, bytes, bytes]], last: ArcSet) -> bytes:
    """Returns the signed data of the last seal: all header fields of the links, in order (§5.1.1)."""
    octets = [field for link in canonical for field in link]
    octets[-1] = canonical_field(remove_signature(last.seal.field), relaxed=True)
    return b"".join(octets).removesuffix(b"\r\n")


def _instance_of_results(field: bytes) -> int:
    """Value of i=, the first tag (§4.1.1). Raises InvalidSignature."""
    tag, _, number = field[:_MAX_RESULTS].partition(b":")[2].partition(b";")[0].partition(b"=")
    number = number.strip()
    if tag.strip() != b"i" or not number.isdigit() or len(number) > 2 or not 1 <= int(number) <= MAX_SETS:
        raise InvalidSignature("permerror", "an ARC-Authentication-Results without i=")
    return int(number)
