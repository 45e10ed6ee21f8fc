"""DKIM verifier and signer (RFC 6376 §5, §6, RFC 8463)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Content, Letter
from mailstack.letter.address_lists import authors_in
from mailstack.letter.header import fields, split
from mailstack.letter.letter import Prefixed
from mailstack.policy.authentication import OVERSIGNED, SIGNED, Fields, Gather, InThread, Texts
from mailstack.policy.authentication.canonical import (
    BodyForm,
    HashedBody,
    SignedFields,
    canonical_field,
    hash_body,
    remove_signature,
)
from mailstack.policy.authentication.keys import DkimKeyRecord, PrivateKey, check_use, is_signed, read_record
from mailstack.policy.authentication.signature import InvalidSignature, Result, Signature, is_within, read_dkim
from mailstack.protocols.smtp.outgoing import downgrade_body
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, Facts
from mailstack.protocols.smtp.replies import Refusal

SLACK = 3600
"""Permitted difference between clocks, in seconds."""


class DkimResult(Struct, frozen=True):
    """Result of one signature."""

    result: Result
    reason: str = ""
    signature: Signature | None = None
    """Parsed signature; None if the field is malformed."""


def read_signatures(fields: Fields, limit: int) -> list[Signature | InvalidSignature]:
    """The topmost `limit` DKIM-Signature fields, including invalid ones."""
    found: list[Signature | InvalidSignature] = []
    for name, field in fields:
        if name == b"dkim-signature" and len(found) < limit:
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
    """A result for each signature, in their order. Keys are looked up concurrently."""
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
    signature: Signature, chosen: SignedFields, bodies: Mapping[BodyForm, HashedBody], texts: Texts, now: float
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
    """The key record (RFC 6376 §6.1.2). Raises InvalidSignature."""
    found = await texts.texts(signature.key_name)
    if found is None:
        raise InvalidSignature("temperror", "no answer from the DNS for the key")
    if not found:
        raise InvalidSignature("permerror", "there is no key")
    if len(found) > 1:
        raise InvalidSignature("permerror", "there are several keys")
    return read_record(found[0])


def signed_octets(signature: Signature, chosen: SignedFields) -> bytes:
    """Signed octets (RFC 6376 §3.7)."""
    field = canonical_field(remove_signature(signature.field), relaxed=signature.relaxed)
    return chosen.octets(signature.names, relaxed=signature.relaxed) + field.removesuffix(b"\r\n")


RELAXED = BodyForm(relaxed=True)
_COLUMNS = 72


class SigningKey(Struct, frozen=True):
    """Private key with the selector of its public key in the DNS."""

    selector: str
    key: PrivateKey
    domains: tuple[str, ...]
    """Domains in A-labels and lower case; their subdomains are included."""

    def domain_keys_for(self, author: str) -> str | None:
        """The longest of its domains that contains an author's domain."""
        return max((domain for domain in self.domains if is_within(author, domain)), key=len, default=None)


class Signer:
    """Signer for the domain in From, with each of its keys."""

    def __init__(
        self,
        keys: Sequence[SigningKey],
        in_thread: InThread,
        now: Callable[[], float],
        *,
        signed: Sequence[str] = SIGNED,
        oversigned: Sequence[str] = OVERSIGNED,
    ) -> None:
        """Names of header fields in lower case; From is always among them."""
        self._keys = tuple(keys)
        self._in_thread = in_thread
        self._now = now
        self._names = tuple(dict.fromkeys(("from", *signed, *oversigned)))
        self._oversigned = frozenset(("from", *oversigned))

    async def key_names(self, content: Content) -> list[str]:
        """Domain names of the public keys for the author of a content."""
        found = self._keys_for(list(fields(await _header_section(content))))
        return [f"{key.selector}._domainkey.{domain}" for key, domain in found]

    async def names(self, content: Content) -> tuple[Address, ...] | None:
        """The addresses in From and Sender, each once; None if a part of these fields can't be parsed."""
        found = list(fields(await _header_section(content)))
        authors, senders = authors_in(found), authors_in(found, b"sender")
        if not authors.is_whole or not senders.is_whole:
            return None
        return tuple(dict.fromkeys((*authors.addresses, *senders.addresses)))

    async def signatures(self, content: Content) -> bytes:
        """The DKIM-Signature fields for a content, to be prepended; b"" without a key for its author."""
        section = await _header_section(content)
        found = list(fields(section))
        hashed = (await hash_body(content, len(section), [RELAXED], self._in_thread))[RELAXED]
        body = base64.b64encode(hashed.digest).decode()
        names = self._listed(found)
        chosen, at = SignedFields(found), int(self._now())
        return b"".join([_signature(key, domain, names, chosen, body, at) for key, domain in self._keys_for(found)])

    def _keys_for(self, found: Fields) -> list[tuple[SigningKey, str]]:
        """The keys to sign with, and the domain of each."""
        author = author_domain(found)
        return [(key, domain) for key in self._keys if author and (domain := key.domain_keys_for(author))]

    def _listed(self, found: Fields) -> list[str]:
        """Names in h=: each as often as it occurs, oversigned ones once more."""
        names = [name.decode("ascii") for name, _ in found]
        return [each for name in self._names for each in [name] * (names.count(name) + (name in self._oversigned))]


def author_domain(found: Fields) -> str | None:
    """The common domain of all authors, in A-labels and lower case; None without one, or for an unreadable From."""
    authors = authors_in(found)
    domains = {address.with_a_labels.domain.lower() for address in authors.addresses}
    return domains.pop() if not authors.trouble and len(domains) == 1 else None


async def _header_section(content: Content) -> bytes:
    """Header section with the empty line that ends it; its size is limited on acceptance."""
    waiting = b""
    async for octets in content.chunks():
        waiting += octets
        end = split(waiting)
        if end < len(waiting) or not end:
            return waiting[:end]
    return waiting


def _signature(  # noqa: PLR0917  # each of a type of its own
    signing: SigningKey, domain: str, names: Sequence[str], chosen: SignedFields, body: str, at: int
) -> bytes:
    """DKIM-Signature field with its CRLF; the relaxed form permits folding."""
    start = f"v=1; a={signing.key.algorithm}; c=relaxed/relaxed;\r\n\td={domain}; s={signing.selector}; t={at};"
    listed = _folded([f"{name}:" for name in names])
    field = f"DKIM-Signature: {start}\r\n\th={listed[:-1]};\r\n\tbh={body};\r\n\tb="
    unsigned = canonical_field(field.encode("ascii") + b"\r\n", relaxed=True).removesuffix(b"\r\n")
    value = base64.b64encode(signing.key.sign(chosen.octets(names, relaxed=True) + unsigned)).decode()
    pieces = [value[place : place + _COLUMNS] for place in range(0, len(value), _COLUMNS)]
    return f"{field}{_folded(pieces)}\r\n".encode("ascii")


def _folded(pieces: Sequence[str]) -> str:
    """Pieces folded into lines of at most _COLUMNS characters, unless a single piece is longer."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece) > _COLUMNS:
            lines.append("")
        lines[-1] += piece
    return "\r\n\t".join(lines)


Owns = Callable[[Address], Awaitable[bool]]
"""Whether an address belongs to the account that submits a letter."""


class OutboundSigner:
    """DKIM signer for outbound letters, with replaceable keys."""

    def __init__(self, signer: Signer | None = None) -> None:
        """`keys`: None signs nothing."""
        self._signer = signer

    def use(self, signer: Signer | None) -> None:
        """Replace the signer for later letters."""
        self._signer = signer

    async def signed(self, letter: Letter, owns: Owns | None = None) -> tuple[Letter, Facts]:
        """The letter with its signatures prepended, in a form that no later host needs to convert.

        The letter is unchanged without a key for its author, or if `owns` is false for an address in From or Sender: a
        signature takes responsibility for the letter (RFC 6376 §1). `owns` is None for letters of the server itself, and
        for clients that the operator trusts.
        """
        signer = self._signer
        names = await signer.key_names(letter.content) if signer is not None else []
        if signer is None or not names:
            return letter, NO_FACTS
        if owns is not None and not await _owns_all(owns, await signer.names(letter.content)):
            return letter, NO_FACTS
        try:
            envelope, content = await downgrade_body(letter.envelope, letter.content, ())
        except Refusal:  # it can't be converted, here or anywhere
            envelope, content = letter.envelope, letter.content
        signatures = await signer.signatures(content)
        return replace(letter, envelope=envelope, content=Prefixed(signatures, content)), {"signed": names}


async def _owns_all(owns: Owns, addresses: tuple[Address, ...] | None) -> bool:
    for address in addresses or ():
        if not await owns(address):
            return False
    return addresses is not None
