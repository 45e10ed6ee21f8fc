"""A client and an authenticator in memory, for a mechanism that is driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import (
    MECHANISMS,
    AccountLogin,
    CertificateProof,
    Channel,
    Credentials,
    Denied,
    DigestProof,
    Proof,
    SaslExchange,
    ScramKeys,
    ScramProof,
    Token,
)
from tests.aid import run

HERE = HostPort("192.0.2.9", 4000)


@define
class Keeper:
    """A sasl.Authenticator that remembers what it was asked, and knows the SCRAM keys of bob."""

    keys: dict[str, ScramKeys] = field(factory=dict)
    denies: Denied | None = None
    asked: list[Proof] = field(factory=list)
    kinds: frozenset[type[Proof]] = frozenset({Credentials, ScramProof, Token, CertificateProof, DigestProof})

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        self.asked.append(proof)
        if self.denies is not None:
            raise self.denies
        if isinstance(proof, ScramProof) and not proof.fits(self.keys[proof.username]):
            raise Denied
        return AccountLogin(f"{proof.username}@home.test")

    async def scram_keys(self, username: str) -> ScramKeys:
        return self.keys[username]


class OutOfAnswers(Exception):
    """The client has nothing more to say."""


class Talk:
    """One exchange; the challenges are kept."""

    def __init__(self, name: str, keeper: Keeper | None = None, channel: Channel | None = None) -> None:
        self.name = name
        self.keeper = keeper or Keeper()
        self.channel = channel or Channel("mx.home.test")
        self.challenges: list[bytes] = []

    def prove(self, initial: bytes | None, *answers: bytes | Callable[[bytes], bytes]) -> str:
        """The account; an answer may be a function of its challenge."""
        waiting: list[Any] = list(answers)

        async def ask(challenge: bytes) -> bytes:
            self.challenges.append(challenge)
            if not waiting:
                raise OutOfAnswers
            answer = waiting.pop(0)
            return answer(challenge) if callable(answer) else answer

        exchange = SaslExchange(self.name, initial, self.channel, self.keeper, HERE, ask)
        return run(MECHANISMS[self.name].prove(exchange)).account


def prove(name: str, initial: bytes | None, answers: Sequence[bytes] = ()) -> tuple[Proof, list[bytes]]:
    """Proofs passed to the authenticator, and challenges."""
    talk = Talk(name)
    talk.prove(initial, *answers)
    return talk.keeper.asked[-1], talk.challenges
