"""Client certificates as logins (SASL EXTERNAL, RFC 4422 appendix A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.checker import PasswordStore, account_key
from mailstack.accounts.credentials import CertificateCredentials, ICertificate
from mailstack.letter.connection import ClientCertificate


@implementer(ICredentialsChecker)
class CertificateChecker:
    """The account that a verified certificate names: by a table of fingerprints first, by its mail addresses else."""

    credentialInterfaces = (ICertificate,)  # noqa: N815

    def __init__(self, store: PasswordStore, fingerprints: Mapping[str, str], domains: Sequence[str]) -> None:
        """`fingerprints`: SHA-256 in lower case hexadecimal to `Address.key`. Mail addresses count in `domains` only."""
        self._store = store
        self._fingerprints = dict(fingerprints)
        self._domains = frozenset(domain.lower() for domain in domains)

    def requestAvatarId(self, credentials: CertificateCredentials) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or UnauthorizedLogin; StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: CertificateCredentials) -> bytes | tuple[()]:
        named = self._named(credentials.certificate)
        wanted = account_key(credentials.username) if credentials.username else None
        if credentials.username and wanted not in named:
            raise UnauthorizedLogin("the certificate is not for the account that is asked for")
        # A certificate with several addresses must be told which of them is meant.
        candidates = [wanted] if wanted is not None else named
        there = [key for key in candidates if key is not None and await self._store.account(key) is not None]
        if len(there) != 1:
            raise UnauthorizedLogin("the certificate names no account, or more than one")
        return there[0].encode()

    def _named(self, certificate: ClientCertificate) -> list[str]:
        listed = self._fingerprints.get(certificate.sha256)
        if listed is not None:
            return [listed]
        keys = [account_key(address.encode(errors="replace")) for address in certificate.mailboxes]
        return [key for key in dict.fromkeys(keys) if key is not None and key.rpartition("@")[2] in self._domains]
