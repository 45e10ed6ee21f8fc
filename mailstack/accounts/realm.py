"""Realm and credentials of twisted.cred: avatars, and an interface for each proof."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.cred.credentials import ICredentials, IUsernamePassword, UsernamePassword
from twisted.cred.portal import IRealm
from zope.interface import Attribute, Interface, implementer

from mailstack.letter.envelope import ClientCertificate
from mailstack.protocols.sasl import CertificateProof, Credentials, DigestProof, Proof, ScramProof, Token


class ISubmitter(Interface):
    """Avatar that may submit letters."""

    address = Attribute("The account, an Address.key.")


class IReader(Interface):
    """Avatar that may read a mailbox."""

    address = Attribute("The account, an Address.key; also the name of the mailbox.")


@implementer(ISubmitter)
class Submitter(Struct, frozen=True):
    address: str


@implementer(IReader)
class MailboxReader(Struct, frozen=True):
    address: str


_AVATARS: tuple[tuple[type[Interface], type[Submitter | MailboxReader]], ...] = (
    (ISubmitter, Submitter),
    (IReader, MailboxReader),
)


@implementer(IRealm)
class Realm:
    """Realm in which each account may submit and read."""

    def requestAvatar(  # noqa: N802
        self,
        avatarId: bytes | tuple[()],  # noqa: N803
        mind: object,  # noqa: ARG002
        *interfaces: type[Interface],
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        """Returns the avatar for the first supported interface. Raises NotImplementedError without one, and for
        anonymous logins.
        """
        if isinstance(avatarId, bytes):
            for interface, avatar in _AVATARS:
                if interface in interfaces:
                    return interface, avatar(avatarId.decode()), _logout
        raise NotImplementedError("anonymous login, or no avatar for the requested interfaces")


def _logout() -> None:
    """Does nothing: an avatar holds no resources."""


class IScramProof(ICredentials):
    """Proof that the client knows the password of the stored keys."""

    username = Attribute("An account's whole address, in UTF-8.")
    proof = Attribute("A sasl.ScramProof.")


class IDigest(ICredentials):
    """MD5 digest of a shared secret."""

    username = Attribute("An account's whole address, in UTF-8.")
    proof = Attribute("A sasl.DigestProof.")


class IBearerToken(ICredentials):
    """Bearer token of an issuer."""

    username = Attribute("The requested account, in UTF-8; empty for the account of the token.")
    token = Attribute("The token, a text.")


class ICertificate(ICredentials):
    """Verified client certificate."""

    username = Attribute("The requested account, in UTF-8; empty for the account of the certificate.")
    certificate = Attribute("An envelope.ClientCertificate.")


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
"""Kind of proof for each interface of credentials."""


def cred(proof: Proof, username: str) -> ICredentials:
    """Credentials of twisted.cred for a proof; `username` is the completed one. Raises UnicodeEncodeError."""
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
