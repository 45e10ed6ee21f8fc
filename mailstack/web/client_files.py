"""The files by which mail clients set themselves up, and the MTA-STS policy that other hosts ask for."""

from __future__ import annotations

import logging
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from mailstack.letter import Address, AddressError
from mailstack.mailbox.index.indexer import InThread
from mailstack.net.certificate_reload import Stamps, stamps_of
from mailstack.net.certificates import CertificateFiles, TlsError, read_identity
from mailstack.web.autoconfig.autoconfig import autoconfig
from mailstack.web.autoconfig.autodiscover import (
    ASKED,
    INVALID,
    UNKNOWN,
    UNSUPPORTED,
    BadRequest,
    read_request,
    refusal,
    settings,
)
from mailstack.web.autoconfig.guide import CannotSetUp
from mailstack.web.autoconfig.mobileconfig import MEDIA_TYPE, mobileconfig
from mailstack.web.autoconfig.mta_sts import policy_of
from mailstack.web.http_values import HttpError, Request, Response, plain
from mailstack.web.routes import Route
from mailstack.web.server_info import ShownServer

XML = "text/xml; charset=utf-8"


def client_files(server: ShownServer) -> tuple[Route, ...]:
    """The files under the paths that their clients have settled."""
    files = ClientFiles(server)
    authority = (Route("GET", "/ca.pem", files.authority),) if server.ca_file else ()
    return (
        Route("GET", "/mail/config-v1.1.xml", files.autoconfig),
        Route("GET", "/.well-known/autoconfig/mail/config-v1.1.xml", files.autoconfig),
        Route("POST", "/autodiscover/autodiscover.xml", files.autodiscover),
        Route("GET", "/profile.mobileconfig", files.profile),
        Route("GET", "/.well-known/mta-sts.txt", files.mta_sts),
        *authority,
    )


class ClientFiles:
    """Each page answers the same for every local part: it knows domains, not accounts."""

    def __init__(self, server: ShownServer) -> None:
        self._server = server

    async def autoconfig(self, ask: Request) -> Response:
        """Mozilla's: `?emailaddress=`, or the domain after `autoconfig.` in the host's name, or our first one."""
        server = self._server
        if text := ask.query.get("emailaddress", ""):
            # Some clients ask with nothing but the domain.
            name = server.address(text if "@" in text else f"postmaster@{text}").ascii_domain
        else:
            name = ask.host.removeprefix("autoconfig.")
        domain = server.domain(name) or next(iter(server.domains), None)
        if domain is None:
            raise HttpError(404, "This server has no domains.")
        return Response(autoconfig(domain, server.services), XML)

    async def autodiscover(self, ask: Request) -> Response:
        """Outlook's. What is wrong with a request is told within the answer; its status is 200 all the same."""
        server = self._server
        try:
            request = read_request(ask.body)
            address = Address.parse(request.address)
        except (BadRequest, AddressError):
            return self._refused(INVALID)
        if request.schema != ASKED:
            return self._refused(UNSUPPORTED)
        if server.domain(address.ascii_domain) is None:
            return self._refused(UNKNOWN)
        return Response(settings(str(address), server.services), XML)

    def _refused(self, code: int) -> Response:
        return Response(refusal(code, self._server.now()), XML)

    async def profile(self, ask: Request) -> Response:
        """Apple's: `?address=`."""
        server = self._server
        address = str(server.address(ask.query.get("address", "")))
        try:
            profile = mobileconfig(address, server.config.hostname, server.services)
        except CannotSetUp as error:
            raise HttpError(404, str(error)) from None
        if server.sign is not None:
            profile = await server.sign(profile)
        return Response(
            profile, MEDIA_TYPE, 200, (("Content-Disposition", 'attachment; filename="mail.mobileconfig"'),)
        )

    async def mta_sts(self, ask: Request) -> Response:
        """RFC 8461 §3.3: under the host name `mta-sts.` and the domain, and no other."""
        if not ask.host.startswith("mta-sts.") or self._server.domain(ask.host.removeprefix("mta-sts.")) is None:
            raise HttpError(404, "The policy is at https://mta-sts.DOMAIN/.well-known/mta-sts.txt")
        return Response(policy_of(self._server.config).encode("ascii"), "text/plain; charset=utf-8")

    async def authority(self, _: Request) -> Response:
        """The CA of the server's own, for devices that are to trust it."""
        assert self._server.ca_file is not None
        try:
            octets = self._server.ca_file.read_bytes()
        except OSError:
            return plain("The file is not there.", 404)
        return Response(
            octets, "application/x-pem-file", 200, (("Content-Disposition", 'attachment; filename="ca.pem"'),)
        )


_log = logging.getLogger(__name__)


class ProfileSigner:
    """Signatures are CMS (RFC 5652), with the certificate's chain, around the profile."""

    def __init__(self, in_thread: InThread, files: CertificateFiles) -> None:
        self._in_thread = in_thread
        self._files = files
        self._stamps: Stamps | None = None
        self._identity: tuple[list[Any], Any] | None = None

    async def sign(self, profile: bytes) -> bytes:
        """The profile signed, or as it is where the key can't be read: a device then says that it is not signed."""
        signed: bytes = await self._in_thread(lambda: self._sign(profile))
        return signed

    def _sign(self, profile: bytes) -> bytes:
        """In a thread: to read an RSA key takes a while."""
        stamps = stamps_of([self._files.certificate, self._files.key])
        if stamps != self._stamps:
            self._stamps, self._identity = stamps, self._read()
        if self._identity is None:
            return profile
        (own, *above), key = self._identity
        builder = PKCS7SignatureBuilder().set_data(profile).add_signer(own, key, hashes.SHA256())
        for certificate in above:
            builder = builder.add_certificate(certificate)
        return builder.sign(Encoding.DER, [PKCS7Options.Binary])

    def _read(self) -> tuple[list[Any], Any] | None:
        try:
            chain, key = read_identity(self._files.certificate, self._files.key)
        except TlsError as error:
            _log.warning("profiles are not signed: %s", error)
            return None
        # The kinds of keys that CMS is signed with here.
        return (chain, key) if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None
