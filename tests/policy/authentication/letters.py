"""Letters, keys and DNS records for signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from mailstack.letter.header import fields, split
from mailstack.letter.letter import Octets
from mailstack.net.scheduler import gather
from mailstack.policy.authentication.canonical import hash_body
from mailstack.policy.authentication.dkim import DkimResult, Signer, SigningKey, read_signatures, verify
from mailstack.policy.authentication.keys import PrivateKey, generate
from mailstack.policy.authentication.signature import Signature
from tests.aid import run
from tests.policy.visitor import Dns

T = TypeVar("T")

NOW = 1_600_000_000.0
LETTER = (
    b"From: Alice <alice@home.test>\r\nTo: carol@elsewhere.test\r\nSubject:  hello \r\n there\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nHi  there \r\n\r\n.dot\r\n\r\n\r\n"
)
RSA = generate("rsa", 1024)
"""Small, so that tests are quick."""
ED25519 = generate("ed25519")


def inline(work: Callable[[], T]) -> Deferred[T]:
    """An InThread without threads."""
    return succeed(work())


def dns(selector: str = "s1", key: PrivateKey = RSA, domain: str = "home.test") -> Dns:
    return Dns({f"TXT {selector}._domainkey.{domain}": (key.record(),)})


def signer(*keys: PrivateKey, domains: Sequence[str] = ("home.test",), now: float = NOW) -> Signer:
    signing = [SigningKey(f"s{number}", key, tuple(domains)) for number, key in enumerate(keys or (RSA,), 1)]
    return Signer(signing, inline, lambda: now)


def signed(letter: bytes = LETTER, *keys: PrivateKey) -> bytes:
    return run(signer(*keys).signatures(Octets(letter))) + letter


def outcomes(letter: bytes, texts: Dns | None = None, *, now: float = NOW, most: int = 8) -> list[DkimResult]:
    found = list(fields(letter[: split(letter)]))
    signatures = read_signatures(found, most)
    forms = {each.body for each in signatures if isinstance(each, Signature) and each.body}
    bodies = run(hash_body(Octets(letter), split(letter), forms, inline))
    return run(verify(signatures, found, bodies, texts or dns(), now, gather=gather))


def said(letter: bytes, texts: Dns | None = None, *, now: float = NOW) -> list[str]:
    return [outcome.result for outcome in outcomes(letter, texts, now=now)]
