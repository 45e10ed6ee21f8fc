"""Credentials of twisted.cred, one interface for each kind of SASL proof."""

from __future__ import annotations

from msgspec import Struct
from twisted.cred.credentials import ICredentials, IUsernamePassword, UsernamePassword
from zope.interface import Attribute, Interface, implementer

from mailstack.letter.connection import ClientCertificate
from mailstack.protocols.sasl import CertificateProof, Credentials, DigestProof, Proof, ScramProof, Token


class IScramProof(ICredentials):
    """That the client knows the password behind stored keys."""

    username = Attribute("An account's whole address, in UTF-8.")
    proof = Attribute("A sasl.ScramProof.")


class IDigest(ICredentials):
    """An MD5 digest of a password that is no secret."""

    username = Attribute("An account's whole address, in UTF-8.")
    proof = Attribute("A sasl.DigestProof.")


class IBearerToken(ICredentials):
    """A token of an issuer."""

    username = Attribute("The account that the client means, in UTF-8; empty when it leaves that to the token.")
    token = Attribute("The token, a text.")


class ICertificate(ICredentials):
    """A certificate that was verified."""

    username = Attribute("The account that the client means, in UTF-8; empty when it leaves that to the certificate.")
    certificate = Attribute("A wire.ClientCertificate.")


@implementer(IScramProof)
class ScramCredentials(Struct, frozen=True):
    username: bytes
    proof: ScramProof


@implementer(IDigest)
class DigestCredentials(Struct, frozen=True):
    username: bytes
    proof: DigestProof


@implementer(IBearerToken)
class BearerToken(Struct, frozen=True):
    username: bytes
    token: str


@implementer(ICertificate)
class CertificateCredentials(Struct, frozen=True):
    username: bytes
    certificate: ClientCertificate


KINDS: dict[type[Interface], type[Proof]] = {
    IUsernamePassword: Credentials,
    IScramProof: ScramProof,
    IDigest: DigestProof,
    IBearerToken: Token,
    ICertificate: CertificateProof,
}
"""Kind of proof that a checker of each interface decides."""


def cred(proof: Proof, username: str) -> ICredentials:
    """The proof as twisted.cred knows it; `username` is the completed one. Raises UnicodeEncodeError."""
    name = username.encode()
    match proof:
        case Credentials():
            return UsernamePassword(name, proof.password.encode())
        case ScramProof():
            return ScramCredentials(name, proof)
        case DigestProof():
            return DigestCredentials(name, proof)
        case Token():
            return BearerToken(name, proof.token)
        case CertificateProof():
            return CertificateCredentials(name, proof.certificate)
        case _:
            raise TypeError(f"no credentials for {type(proof).__name__}")
