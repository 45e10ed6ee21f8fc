"""Static files of the pages, configuration files of clients, and the MTA-STS policy."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from msgspec import Struct

from mailstack.config import Config
from mailstack.letter import Address, AddressError
from mailstack.mailbox.index.indexer import InThread
from mailstack.net.certificate_reloader import Stamps, stamps_of
from mailstack.net.certificates import CertificateFiles, TlsError, read_identity
from mailstack.web.autoconfig.autoconfig import (
    INVALID,
    MEDIA_TYPE,
    OUTLOOK_SCHEMA,
    UNKNOWN,
    UNSUPPORTED,
    BadAutodiscoverRequest,
    autoconfig,
    error_response,
    mobileconfig,
    parse_autodiscover,
    settings_response,
)
from mailstack.web.autoconfig.guide import CannotSetUp, ClientServices
from mailstack.web.autoconfig.records import WEB_LABELS, policy_text
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, text_response

XML = "text/xml; charset=utf-8"


class PublicServerInfo(Struct, frozen=True):
    """Facts about the server for its pages, without account data."""

    config: Config
    services: ClientServices
    now: Callable[[], float]
    """Clock, in seconds since 1970."""
    accounts: tuple[tuple[str, str], ...] = ()
    """Addresses and passwords of a dev environment, which are public."""
    ca_file: Path | None = None
    """Certificate of a private CA that clients have to trust; None: a public CA."""
    sign: Callable[[bytes], Awaitable[bytes]] | None = None
    """Signs a configuration profile for Apple devices."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.config.domains)

    def address(self, text: str) -> Address:
        """Parse an address of a local domain. Raises HttpError, independent of the local part."""
        try:
            address = Address.parse(text.strip())
        except AddressError as error:
            raise HttpError(400, f"Invalid address: {error}") from None
        if self.domain(address.ascii_domain) is None:
            raise HttpError(404, f"Not a domain of this server; its domains are {', '.join(self.domains)}.")
        return address

    def domain(self, name: str) -> str | None:
        """Return the local domain of this name, or None."""
        host = name.lower().rstrip(".")
        return host if host in self.domains else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the web service."""
        prefixes = ("", *(f"{label}." for label in WEB_LABELS))
        of_domains = tuple(prefix + domain for domain in self.domains for prefix in prefixes)
        return (self.config.hostname, self.services.host, *of_domains, *self.config.web.hosts)


def client_file_routes(server: PublicServerInfo) -> tuple[HttpRoute, ...]:
    """Return the routes of the files, at the paths that clients expect."""
    files = ClientFiles(server)
    authority = (HttpRoute("GET", "/ca.pem", files.authority),) if server.ca_file else ()
    return (
        HttpRoute("GET", "/mail/config-v1.1.xml", files.autoconfig),
        HttpRoute("GET", "/.well-known/autoconfig/mail/config-v1.1.xml", files.autoconfig),
        HttpRoute("POST", "/autodiscover/autodiscover.xml", files.autodiscover),
        HttpRoute("GET", "/profile.mobileconfig", files.profile),
        HttpRoute("GET", "/.well-known/mta-sts.txt", files.mta_sts),
        *authority,
    )


class ClientFiles:
    """Pages of the files; the local part of an address does not change a response, so they reveal no accounts."""

    def __init__(self, server: PublicServerInfo) -> None:
        self._server = server

    async def autoconfig(self, request: Request) -> Response:
        """Return Mozilla's autoconfig file for `?emailaddress=`, the domain of an `autoconfig.` host, or the first domain."""
        server = self._server
        if text := request.query.get("emailaddress", ""):
            # Some clients send only the domain.
            name = server.address(text if "@" in text else f"postmaster@{text}").ascii_domain
        else:
            name = request.host.removeprefix("autoconfig.")
        domain = server.domain(name) or next(iter(server.domains), None)
        if domain is None:
            raise HttpError(404, "This server has no domains.")
        return Response(autoconfig(domain, server.services), XML)

    async def autodiscover(self, request: Request) -> Response:
        """Return Outlook's settings. An error is reported in the XML; the HTTP status is always 200."""
        server = self._server
        try:
            device = parse_autodiscover(request.body)
            address = Address.parse(device.address)
        except (BadAutodiscoverRequest, AddressError):
            return self._error(INVALID)
        if device.schema != OUTLOOK_SCHEMA:
            return self._error(UNSUPPORTED)
        if server.domain(address.ascii_domain) is None:
            return self._error(UNKNOWN)
        return Response(settings_response(str(address), server.services), XML)

    def _error(self, code: int) -> Response:
        return Response(error_response(code, self._server.now()), XML)

    async def profile(self, request: Request) -> Response:
        """Return Apple's configuration profile for `?address=`."""
        server = self._server
        address = str(server.address(request.query.get("address", "")))
        try:
            profile = mobileconfig(address, server.config.hostname, server.services)
        except CannotSetUp as error:
            raise HttpError(404, str(error)) from None
        if server.sign is not None:
            profile = await server.sign(profile)
        return Response(
            profile, MEDIA_TYPE, 200, (("Content-Disposition", 'attachment; filename="mail.mobileconfig"'),)
        )

    async def mta_sts(self, request: Request) -> Response:
        """Return the MTA-STS policy, which only the host `mta-sts.DOMAIN` serves (RFC 8461 §3.3)."""
        label, _, domain = request.host.partition(".")
        if label != "mta-sts" or self._server.domain(domain) is None:
            raise HttpError(404, "The policy is at https://mta-sts.DOMAIN/.well-known/mta-sts.txt")
        return Response(policy_text(self._server.config).encode("ascii"), "text/plain; charset=utf-8")

    async def authority(self, _: Request) -> Response:
        """Return the certificate of the server's private CA."""
        assert self._server.ca_file is not None
        try:
            octets = self._server.ca_file.read_bytes()
        except OSError:
            return text_response("The CA certificate file does not exist.", 404)
        return Response(
            octets, "application/x-pem-file", 200, (("Content-Disposition", 'attachment; filename="ca.pem"'),)
        )


_log = logging.getLogger(__name__)


class ProfileSigner:
    """Signs configuration profiles with the server's key, as CMS (RFC 5652) with the certificate chain."""

    def __init__(self, in_thread: InThread, files: CertificateFiles) -> None:
        self._in_thread = in_thread
        self._files = files
        self._stamps: Stamps | None = None
        self._identity: tuple[list[Any], Any] | None = None

    async def sign(self, profile: bytes) -> bytes:
        """Return the signed profile; without a readable key, the unsigned one, which devices report as such."""
        signed: bytes = await self._in_thread(lambda: self._sign(profile))
        return signed

    def _sign(self, profile: bytes) -> bytes:
        """Sign in a thread: reading an RSA key encodings some milliseconds."""
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
            _log.warning("configuration profiles are not signed: %s", error)
            return None
        # PKCS7SignatureBuilder supports only these key types.
        return (chain, key) if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
COMPRESS_FROM = 1024
"""Minimum octets of a text file that is compressed."""
_TEXTS = ("text/", "application/json", "image/svg")


class StaticFile:
    """One file; it is read, hashed and compressed at the first request."""

    def __init__(self, file: Traversable, *headers: tuple[str, str], media_type: str = "") -> None:
        """`headers` are added to the response, for example a Content-Security-Policy."""
        suffix = file.name[file.name.rfind(".") :]
        self._file = file
        self._media_type = media_type or MEDIA_TYPES[suffix]
        # Browsers revalidate each time, and get 304 for an unchanged file.
        self._headers = (("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"), *headers)
        self._plain: bytes | None = None
        self._gzipped = b""
        self._etag = ""

    async def page(self, request: Request) -> Response:
        if self._plain is None:
            self._read()
        assert self._plain is not None
        encodings = [each.split(";")[0].strip() for each in request.fields.get("accept-encoding", "").split(",")]
        if self._gzipped and "gzip" in encodings:
            headers = (*self._headers, ("Content-Encoding", "gzip"))
            return Response(self._gzipped, self._media_type, 200, headers, etag=f"{self._etag}-gzip")
        return Response(self._plain, self._media_type, 200, self._headers, etag=self._etag)

    def _read(self) -> None:
        octets = self._file.read_bytes()
        self._etag = sha256(octets).hexdigest()[:32]
        if len(octets) >= COMPRESS_FROM and self._media_type.startswith(_TEXTS):
            self._gzipped = gzip.compress(octets, mtime=0)
        self._plain = octets


def static_routes(folder: Traversable, prefix: str, *headers: tuple[str, str]) -> tuple[HttpRoute, ...]:
    """Return a route for each file of the folder with a known suffix, at `prefix` and its name."""
    names = sorted(each.name for each in folder.iterdir() if each.name[each.name.rfind(".") :] in MEDIA_TYPES)
    return tuple(HttpRoute("GET", prefix + name, StaticFile(folder.joinpath(name), *headers).page) for name in names)


_RULES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
POLICY = ("Content-Security-Policy", _RULES)
"""Policy of the inbox: only its own files are scripts and styles. The HTML of a letter is a frame with its own policy."""


def inbox_routes() -> tuple[HttpRoute, ...]:
    """Return the routes of the inbox at `/` and of its scripts and styles."""
    folder = files("mailstack.web").joinpath("pages")
    index = StaticFile(folder.joinpath("index.html"), POLICY)
    return (HttpRoute("GET", "/", index.page), *static_routes(folder, "/pages/", POLICY))
